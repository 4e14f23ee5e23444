//! What the members wrote down, against what was promised.
//!
//! - *Nothing is missing*: each acknowledged record was read.
//! - *In order*: within one generation, a process reads a partition's offsets, and the numbers in them, rising.
//! - *Twice only for a reason*: a record may be read again if the commit after its first reading was not confirmed by then:
//!   the process died or was paused before it, or the commit failed; or if who reads it again is of an earlier
//!   generation than who read it first: paused, and gone on with what it had fetched before it was told that the group
//!   went on without it.
//! - *Nobody is stuck*: neither the group ([`longest_standstill`]) nor one of its partitions ([`longest_wait`]), in the time
//!   in which it could go on ([`Fair`]).

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// Milliseconds since 1970.
pub(super) type Time = u64;

/// One reading of one record.
#[derive(Clone, Copy, Debug)]
struct Reading {
    process: usize,
    time: Time,
    generation: i32,
    number: u64,
    /// When it was known to be committed.
    committed: Option<Time>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) acknowledged: usize,
    pub(super) read: usize,
    pub(super) missing: Vec<String>,
    pub(super) disorder: Vec<String>,
    /// Readings beyond the first that have a reason, and those that have none.
    pub(super) again: usize,
    pub(super) unexplained: Vec<String>,
    /// When something was read.
    pub(super) times: Vec<Time>,
    /// How long each record waited for its first reading.
    pub(super) waits: Vec<Wait>,
}

/// From when a record was acknowledged until it was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Wait {
    pub(super) partition: i32,
    pub(super) from: Time,
    pub(super) to: Time,
}

/// The times in which a group has no excuse: a member runs, all brokers are well, and the group knows who of it is dead.
#[derive(Debug)]
pub(super) struct Fair(Vec<(Time, Time)>);

impl Fair {
    /// Of the times in which a process ran, without those of any trouble.
    pub(super) fn new(lives: &[(Time, Time)], troubles: &[(Time, Time)]) -> Self {
        let mut marks: Vec<Time> = lives.iter().chain(troubles).flat_map(|(from, to)| [*from, *to]).collect();
        marks.sort_unstable();
        let meets =
            |times: &[(Time, Time)], from: Time, to: Time| times.iter().any(|time| time.0 < to && from < time.1);
        let is_fair = |&(from, to): &(Time, Time)| from < to && meets(lives, from, to) && !meets(troubles, from, to);
        Self(marks.windows(2).map(|pair| (pair[0], pair[1])).filter(is_fair).collect())
    }

    /// How much of it lies in a time.
    pub(super) fn within(&self, from: Time, to: Time) -> Time {
        self.0.iter().map(|fair| fair.1.min(to).saturating_sub(fair.0.max(from))).sum()
    }
}

/// Judges `acknowledged`, the writer's file, and the readers' files by process.
pub(super) fn judge(acknowledged: &str, readers: &[(String, String)]) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut readings: BTreeMap<(i32, i64), Vec<Reading>> = BTreeMap::new();
    for (process, (name, text)) in readers.iter().enumerate() {
        take(process, name, text, &mut readings, &mut verdict)?;
    }
    for line in complete_lines(acknowledged) {
        let [partition, offset, number, time] = fields(line)?;
        verdict.acknowledged += 1;
        let read = readings.get(&(partition as i32, offset));
        if let Some(to) = read.and_then(|read| read.iter().map(|reading| reading.time).min()) {
            verdict.waits.push(Wait { partition: partition as i32, from: time as Time, to });
        }
        if !read.is_some_and(|read| read.iter().all(|reading| reading.number == number as u64)) {
            verdict.missing.push(format!("number {number}, {partition}@{offset}"));
        }
    }
    verdict.read = readings.len();
    for ((partition, offset), mut all) in readings {
        all.sort_by_key(|reading| reading.time);
        for (index, again) in all.iter().enumerate().skip(1) {
            let is_late = |first: &Reading| again.generation < first.generation;
            let was_settled = |first: &Reading| first.committed.is_some_and(|at| at < again.time);
            match all[..index].iter().find(|first| was_settled(first) && !is_late(first)) {
                None => verdict.again += 1,
                Some(first) => verdict.unexplained.push(format!(
                    "{partition}@{offset} by {} in generation {} although committed by {} in generation {}, {} ms before",
                    readers[again.process].0,
                    again.generation,
                    readers[first.process].0,
                    first.generation,
                    again.time - first.committed.unwrap_or_default(),
                )),
            }
        }
    }
    verdict.times.sort_unstable();
    Ok(verdict)
}

/// Takes in what one process wrote down.
fn take(
    process: usize,
    name: &str,
    text: &str,
    readings: &mut BTreeMap<(i32, i64), Vec<Reading>>,
    verdict: &mut Verdict,
) -> Result<()> {
    let mut last: BTreeMap<i32, (i32, i64, u64)> = BTreeMap::new();
    let mut batch: Vec<((i32, i64), Reading)> = Vec::new();
    for line in complete_lines(text) {
        if let Some(rest) = line.strip_prefix("R ") {
            let [partition, offset, number, time, generation] = fields(rest)?;
            let (partition, number, generation) = (partition as i32, number as u64, generation as i32);
            if let Some((before, offset_before, number_before)) = last.insert(partition, (generation, offset, number))
                && before == generation
                && (offset <= offset_before || number <= number_before)
            {
                let what = format!("{name}: {number} at {partition}@{offset} after {number_before} at {offset_before}");
                verdict.disorder.push(what);
            }
            let reading = Reading { process, time: time as Time, generation, number, committed: None };
            batch.push(((partition, offset), reading));
            verdict.times.push(time as Time);
        } else {
            let committed = line.strip_prefix("C ").map(str::parse).transpose().context("the time of a commit")?;
            for (place, reading) in batch.drain(..) {
                readings.entry(place).or_default().push(Reading { committed, ..reading });
            }
        }
    }
    // What it died with.
    for (place, reading) in batch {
        readings.entry(place).or_default().push(reading);
    }
    Ok(())
}

/// When a group may not have noticed yet that members say no more, given when they fell silent.
///
/// A coordinator notices after a session, which begins anew when another broker takes over. A second is for the news to spread.
pub(super) fn unnoticed(silenced: &[Time], faults: &[(Time, Time)], session: Time) -> Vec<(Time, Time)> {
    let mut faults = faults.to_vec();
    faults.sort_unstable();
    let noticed = |from: Time| {
        let anew = |to: Time, fault: &(Time, Time)| {
            let is_during = fault.0 < to && from < fault.1;
            if is_during { to.max(fault.1 + session + 1000) } else { to }
        };
        faults.iter().fold(from + session + 1000, anew)
    };
    silenced.iter().map(|&from| (from, noticed(from))).collect()
}

/// The longest time in which nothing was read, its fair part alone. Records wait at all times: they are written steadily.
pub(super) fn longest_standstill(times: &[Time], fair: &Fair, (begin, end): (Time, Time)) -> Time {
    let mut marks: Vec<Time> = times.iter().copied().chain([begin, end]).collect();
    marks.retain(|mark| (begin..=end).contains(mark));
    marks.sort_unstable();
    marks.windows(2).map(|gap| fair.within(gap[0], gap[1])).max().unwrap_or(0)
}

/// The longest that a record waited, and the fair part of it: with others being read, its partition may be stuck.
pub(super) fn longest_wait(waits: &[Wait], fair: &Fair) -> (Time, Wait) {
    let waits = waits.iter().map(|wait| (fair.within(wait.from, wait.to), *wait));
    waits.max_by_key(|(fair, _)| *fair).unwrap_or_default()
}

/// How many different records of the writer's file were read so far, and how many there are.
pub(super) fn progress(acknowledged: &str, readers: &[(String, String)]) -> Result<(usize, usize)> {
    let verdict = judge(acknowledged, readers)?;
    Ok((verdict.acknowledged - verdict.missing.len(), verdict.acknowledged))
}

/// All lines but one that a kill cut short.
fn complete_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

fn fields<const N: usize>(line: &str) -> Result<[i64; N]> {
    let numbers: Vec<i64> =
        line.split(' ').map(str::parse).collect::<Result<_, _>>().with_context(|| line.to_owned())?;
    numbers.try_into().ok().with_context(|| format!("{N} numbers in {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = "0 0 10 1\n0 1 11 2\n0 2 12 3\n";

    fn judged(readers: &[&str]) -> Verdict {
        let readers: Vec<_> = readers.iter().map(|text| ("reader".to_owned(), (*text).to_owned())).collect();
        judge(WRITTEN, &readers).unwrap()
    }

    #[test]
    fn a_record_that_nobody_read_is_missing() {
        let verdict = judged(&["R 0 0 10 5 1\nR 0 2 12 5 1\nC 6\n"]);
        assert_eq!((verdict.missing, verdict.read), (vec!["number 11, 0@1".to_owned()], 2));
    }

    #[test]
    fn a_line_that_was_cut_short_counts_for_nothing() {
        assert_eq!(judged(&["R 0 0 10 5 1\nR 0 1 11 5 1\nR 0 2 1"]).missing.len(), 1);
    }

    #[test]
    fn reading_again_needs_a_commit_that_was_not_confirmed() {
        let again = "R 0 0 10 9 2\nR 0 1 11 9 2\nR 0 2 12 9 2\nC 10\n";
        let died = judged(&["R 0 0 10 5 1\n", again]);
        assert_eq!((died.again, died.unexplained.len()), (1, 0));
        let failed = judged(&["R 0 0 10 5 1\nF 6\n", again]);
        assert_eq!((failed.again, failed.unexplained.len()), (1, 0));
        let confirmed = judged(&["R 0 0 10 5 1\nC 6\n", again]);
        assert_eq!((confirmed.again, confirmed.unexplained.len()), (0, 1));
    }

    #[test]
    fn a_member_that_the_group_left_behind_may_hand_out_what_it_had() {
        let left_behind = judged(&["R 0 0 10 5 2\nR 0 1 11 5 2\nR 0 2 12 5 2\nC 6\n", "R 0 0 10 9 1\nF 10\n"]);
        assert_eq!((left_behind.again, left_behind.unexplained.len()), (1, 0));
    }

    #[test]
    fn offsets_rise_within_a_generation() {
        let backwards = "R 0 1 11 5 1\nR 0 0 10 5 1\n";
        assert_eq!(judged(&[backwards]).disorder.len(), 1);
        assert_eq!(judged(&[&backwards.replace("10 5 1", "10 5 2")]).disorder.len(), 0);
    }

    #[test]
    fn a_standstill_counts_while_a_member_lives_and_nothing_is_in_trouble() {
        let standstill = |lives: &[(Time, Time)], troubles: &[(Time, Time)]| {
            longest_standstill(&[10, 20, 50], &Fair::new(lives, troubles), (0, 100))
        };
        assert_eq!(standstill(&[(0, 100)], &[]), 50);
        assert_eq!(standstill(&[(0, 100)], &[(60, 90)]), 30);
        assert_eq!(standstill(&[(0, 100)], &[(30, 45), (60, 80)]), 30);
        assert_eq!(standstill(&[(0, 60), (55, 62), (70, 100)], &[]), 42);
        assert_eq!(standstill(&[], &[]), 0);
    }

    #[test]
    fn a_silent_member_is_noticed_later_if_its_coordinator_dies() {
        let faults = [(90_000, 95_000), (10_000, 20_000), (30_000, 40_000)];
        assert_eq!(unnoticed(&[50_000], &faults, 6000), [(50_000, 57_000)]);
        assert_eq!(unnoticed(&[5000], &faults, 6000), [(5000, 27_000)]);
        assert_eq!(unnoticed(&[24_000], &faults, 6000), [(24_000, 47_000)]);
    }

    #[test]
    fn a_partition_is_stuck_though_others_are_read() {
        let written = "0 0 10 1000\n1 0 11 1000\n0 1 12 2000\n1 1 13 2000\n";
        let reader = "R 0 0 10 1010 1\nR 0 1 12 2010 1\nR 1 0 11 9000 1\nR 1 1 13 9000 1\nC 9001\n";
        let waits = judge(written, &[("reader".to_owned(), reader.to_owned())]).unwrap().waits;
        let fair = Fair::new(&[(0, 10_000)], &[(3000, 4000)]);
        assert_eq!(longest_wait(&waits, &fair), (7000, Wait { partition: 1, from: 1000, to: 9000 }));
    }

    #[test]
    fn reading_again_does_not_shorten_a_wait() {
        let verdict = judged(&["R 0 0 10 5 1\nR 0 1 11 6 1\nR 0 0 10 7 2\nC 8\n"]);
        let ends: Vec<_> = verdict.waits.iter().map(|wait| wait.to).collect();
        assert_eq!(ends, [5, 6]);
    }
}
