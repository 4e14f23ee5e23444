//! Which records of a partition a share group has under way: acquired, to be delivered again, or done with.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;

use super::Settings;

/// A record that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) state: State,
    /// How often it was delivered.
    pub(crate) deliveries: i16,
}

/// What may happen to a record next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Waits to be delivered again.
    Available,
    /// A member has it, until this time.
    Acquired { member: String, until: Duration },
    /// Accepted, rejected, delivered too often, or no record at all.
    Done,
}

/// Records handed to a member, from the first to the last offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acquired {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) deliveries: i16,
}

/// What a member says of the records it got.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledgement {
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// One for all, or one for each offset.
    pub(crate) kinds: Vec<i8>,
}

const GAP: i8 = 0;
const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;
const REJECT: i8 = 3;

/// Who acquires, and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) member: &'a str,
    /// Stop once there are so many, at the end of a batch of new records.
    pub(crate) records: usize,
    /// Where possible, hand new records out in ranges of so many, at the ends of batches.
    pub(crate) batch_size: usize,
}

/// The records of one partition, as one share group sees them.
#[derive(Clone, Debug)]
pub(crate) struct SharePartition {
    /// All before it are done.
    start: i64,
    /// The first that was never acquired.
    next_new: i64,
    in_flight: BTreeMap<i64, InFlight>,
    /// The leader epoch under which they were acquired.
    leader_epoch: i32,
}

impl SharePartition {
    pub(crate) fn new(start: i64, leader_epoch: i32) -> Self {
        Self { start, next_new: start, in_flight: BTreeMap::new(), leader_epoch }
    }

    /// All records before it are done.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    pub(crate) fn in_flight(&self) -> &BTreeMap<i64, InFlight> {
        &self.in_flight
    }

    /// Goes on under a new leader: it knows nothing of what was acquired from the old one. And under a log that begins
    /// or ends elsewhere.
    pub(crate) fn settle(&mut self, leader_epoch: i32, log_start: i64, log_end: i64) {
        if self.leader_epoch != leader_epoch {
            self.leader_epoch = leader_epoch;
            for record in self.in_flight.values_mut() {
                if matches!(record.state, State::Acquired { .. }) {
                    record.state = State::Available;
                    record.deliveries -= 1;
                }
            }
        }
        self.in_flight.retain(|offset, _| (log_start..log_end).contains(offset));
        self.start = self.start.clamp(log_start, log_end);
        self.next_new = self.next_new.clamp(log_start, log_end);
        self.advance();
    }

    /// The first offset to be delivered next.
    pub(crate) fn next_offset(&self) -> i64 {
        let available = self.in_flight.iter().find(|(_, record)| record.state == State::Available);
        available.map_or(self.next_new, |(offset, _)| *offset)
    }

    /// Acquires records of these batches, given by their first and last offsets, and returns the ranges.
    pub(crate) fn acquire(
        &mut self,
        asked: Asked<'_>,
        batches: &[(i64, i64)],
        settings: &Settings,
        now: Duration,
    ) -> Vec<Acquired> {
        let mut ranges = Ranges::default();
        let (member, until) = (asked.member, now + settings.lock);
        for (base, last) in batches {
            let known: Vec<i64> = self.in_flight.range(*base..=*last).map(|(offset, _)| *offset).collect();
            for offset in known {
                if ranges.count >= asked.records {
                    return ranges.done;
                }
                if let Some(record) = self.in_flight.get_mut(&offset).filter(|known| known.state == State::Available) {
                    record.state = State::Acquired { member: member.to_owned(), until };
                    record.deliveries += 1;
                    ranges.add(offset, offset, record.deliveries, 1);
                }
            }
            let first = if ranges.has_new { self.next_new } else { self.next_new.max(*base) };
            if *last < self.next_new || ranges.count >= asked.records {
                continue;
            }
            if self.in_flight.len() >= settings.locks {
                break;
            }
            for offset in first..=*last {
                let state = State::Acquired { member: member.to_owned(), until };
                self.in_flight.insert(offset, InFlight { state, deliveries: 1 });
            }
            self.next_new = last + 1;
            ranges.add_new(first, *last, asked.batch_size);
        }
        ranges.done
    }

    /// Takes in what a member says of records. All of it holds, or nothing.
    ///
    /// # Errors
    /// - `INVALID_REQUEST` if a range contradicts itself or the one before, or ends after all that was acquired.
    /// - `INVALID_RECORD_STATE` if a record isn't with this member, or no longer is.
    pub(crate) fn acknowledge(
        &mut self,
        member: &str,
        acknowledgements: &[Acknowledgement],
        settings: &Settings,
    ) -> Result<(), ResponseError> {
        check(acknowledgements)?;
        let mut changed = self.clone();
        for said in acknowledgements {
            changed.acknowledge_one(member, said, settings)?;
        }
        changed.advance();
        *self = changed;
        Ok(())
    }

    fn acknowledge_one(
        &mut self,
        member: &str,
        said: &Acknowledgement,
        settings: &Settings,
    ) -> Result<(), ResponseError> {
        if said.last < self.start {
            return Ok(());
        }
        if self.in_flight.is_empty() {
            return Err(ResponseError::InvalidRecordState);
        }
        if said.last >= self.next_new {
            return Err(ResponseError::InvalidRequest);
        }
        let first = said.first.max(self.start);
        for (offset, record) in self.in_flight.range_mut(first..=said.last) {
            if !matches!(&record.state, State::Acquired { member: holder, .. } if holder == member) {
                return Err(ResponseError::InvalidRecordState);
            }
            let place = usize::try_from(offset - said.first).unwrap_or(0);
            match said.kinds.get(place).or_else(|| said.kinds.first()) {
                Some(&RELEASE) => record.release(settings),
                _ => record.state = State::Done,
            }
        }
        Ok(())
    }

    /// Takes back what a member has.
    pub(crate) fn release(&mut self, member: &str, settings: &Settings) {
        for record in self.in_flight.values_mut() {
            if matches!(&record.state, State::Acquired { member: holder, .. } if holder == member) {
                record.release(settings);
            }
        }
        self.advance();
    }

    /// Takes back what members have had for too long. Tells whether there was anything.
    pub(crate) fn on_time(&mut self, settings: &Settings, now: Duration) -> bool {
        let mut is_changed = false;
        for record in self.in_flight.values_mut() {
            if matches!(record.state, State::Acquired { until, .. } if until <= now) {
                record.release(settings);
                is_changed = true;
            }
        }
        self.advance();
        is_changed
    }

    /// When [`Self::on_time`] is due.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        let until = |record: &InFlight| match record.state {
            State::Acquired { until, .. } => Some(until),
            _ => None,
        };
        self.in_flight.values().filter_map(until).min()
    }

    /// Forgets records that are done with, up to the first that isn't.
    fn advance(&mut self) {
        while self.in_flight.first_key_value().is_some_and(|(_, record)| record.state == State::Done) {
            self.in_flight.pop_first();
        }
        let first = self.in_flight.first_key_value().map_or(self.next_new, |(offset, _)| *offset);
        self.start = self.start.max(first);
    }
}

impl InFlight {
    /// Back to be delivered again, unless it was delivered often enough.
    fn release(&mut self, settings: &Settings) {
        let is_over = self.deliveries >= settings.deliveries;
        self.state = if is_over { State::Done } else { State::Available };
    }
}

/// Checks acknowledgements for what can be told without the records.
fn check(acknowledgements: &[Acknowledgement]) -> Result<(), ResponseError> {
    let mut end = -1;
    for said in acknowledgements {
        let offsets = usize::try_from(said.last - said.first + 1).unwrap_or(0);
        let has_kinds = said.kinds.len() == 1 || (said.kinds.len() == offsets && offsets > 0);
        let are_kinds = said.kinds.iter().all(|kind| matches!(*kind, GAP | ACCEPT | RELEASE | REJECT));
        if said.first > said.last || said.first < end || !has_kinds || !are_kinds {
            return Err(ResponseError::InvalidRequest);
        }
        end = said.last;
    }
    Ok(())
}

/// Ranges of what was acquired: offsets that follow one another, delivered equally often.
#[derive(Debug, Default)]
struct Ranges {
    done: Vec<Acquired>,
    count: usize,
    has_new: bool,
    /// The last range may grow.
    is_open: bool,
}

impl Ranges {
    fn add(&mut self, first: i64, last: i64, deliveries: i16, count: usize) {
        self.count += count;
        match self.done.last_mut() {
            Some(open) if self.is_open && open.last + 1 == first && open.deliveries == deliveries => open.last = last,
            _ => self.done.push(Acquired { first, last, deliveries }),
        }
        self.is_open = true;
    }

    fn add_new(&mut self, first: i64, last: i64, batch_size: usize) {
        self.is_open &= self.has_new;
        self.add(first, last, 1, usize::try_from(last - first + 1).unwrap_or(0));
        self.has_new = true;
        let size = self.done.last().map_or(0, |open| open.last - open.first + 1);
        self.is_open = usize::try_from(size).unwrap_or(0) < batch_size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const SETTINGS: Settings = Settings {
        reset: super::super::Reset::Earliest,
        lock: Duration::from_secs(30),
        deliveries: 2,
        locks: 10,
        session_timeout: Duration::from_secs(45),
        heartbeat_interval: Duration::from_secs(5),
    };

    fn acquire(
        partition: &mut SharePartition,
        member: &str,
        records: usize,
        batches: &[(i64, i64)],
    ) -> Vec<(i64, i64, i16)> {
        let asked = Asked { member, records, batch_size: 4 };
        let acquired = partition.acquire(asked, batches, &SETTINGS, NOW);
        acquired.iter().map(|range| (range.first, range.last, range.deliveries)).collect()
    }

    fn acknowledge(
        partition: &mut SharePartition,
        member: &str,
        said: &[(i64, i64, &[i8])],
    ) -> Result<(), ResponseError> {
        let said = said.iter().map(|(first, last, kinds)| Acknowledgement {
            first: *first,
            last: *last,
            kinds: kinds.to_vec(),
        });
        partition.acknowledge(member, &said.collect::<Vec<_>>(), &SETTINGS)
    }

    #[test]
    fn new_records_are_acquired_in_whole_batches_and_handed_out_in_ranges() {
        let mut partition = SharePartition::new(0, 0);
        let batches = [(0, 2), (3, 4), (5, 5), (6, 9)];
        assert_eq!(acquire(&mut partition, "a", 6, &batches), [(0, 4, 1), (5, 5, 1)]);
        assert_eq!(partition.next_offset(), 6);
        assert_eq!(acquire(&mut partition, "b", 1, &batches[3..]), [(6, 9, 1)], "a batch is not divided");
    }

    #[test]
    fn a_partition_begins_within_a_batch_if_it_must() {
        let mut partition = SharePartition::new(1, 0);
        assert_eq!(acquire(&mut partition, "a", 9, &[(0, 2)]), [(1, 2, 1)]);
    }

    #[test]
    fn only_so_many_records_are_under_way() {
        let mut partition = SharePartition::new(0, 0);
        assert_eq!(acquire(&mut partition, "a", 100, &[(0, 10)]), [(0, 10, 1)]);
        assert_eq!(acquire(&mut partition, "b", 100, &[(11, 12)]), []);
        acknowledge(&mut partition, "a", &[(0, 10, &[ACCEPT])]).unwrap();
        assert_eq!(acquire(&mut partition, "b", 100, &[(11, 12)]), [(11, 12, 1)]);
    }

    #[test]
    fn what_is_accepted_rejected_or_a_gap_is_done_and_what_is_released_comes_again() {
        let mut partition = SharePartition::new(0, 0);
        acquire(&mut partition, "a", 4, &[(0, 3)]);
        acknowledge(&mut partition, "a", &[(0, 3, &[ACCEPT, RELEASE, REJECT, GAP])]).unwrap();
        assert_eq!((partition.start(), partition.next_offset()), (1, 1));
        assert_eq!(acquire(&mut partition, "b", 4, &[(0, 3)]), [(1, 1, 2)]);
        acknowledge(&mut partition, "b", &[(1, 1, &[RELEASE])]).unwrap();
        assert_eq!((partition.start(), partition.next_offset()), (4, 4), "it was delivered often enough");
    }

    #[test]
    fn only_who_has_a_record_may_speak_of_it_and_all_or_nothing_holds() {
        let mut partition = SharePartition::new(0, 0);
        acquire(&mut partition, "a", 2, &[(0, 1)]);
        acquire(&mut partition, "b", 2, &[(2, 3)]);
        let refused = acknowledge(&mut partition, "a", &[(0, 1, &[ACCEPT]), (2, 3, &[ACCEPT])]);
        assert_eq!(refused, Err(ResponseError::InvalidRecordState));
        assert_eq!(acknowledge(&mut partition, "a", &[(0, 1, &[ACCEPT])]), Ok(()), "nothing had been done");
        assert_eq!(acknowledge(&mut partition, "a", &[(0, 1, &[ACCEPT])]), Ok(()), "before the start all is done");
        assert_eq!(acknowledge(&mut partition, "b", &[(2, 4, &[ACCEPT])]), Err(ResponseError::InvalidRequest));
    }

    #[test]
    fn acknowledgements_that_contradict_themselves_are_refused() {
        let mut partition = SharePartition::new(0, 0);
        acquire(&mut partition, "a", 4, &[(0, 3)]);
        let wrong: [&[(i64, i64, &[i8])]; 5] = [
            &[(1, 0, &[ACCEPT])],
            &[(2, 3, &[ACCEPT]), (0, 1, &[ACCEPT])],
            &[(0, 3, &[])],
            &[(0, 3, &[ACCEPT, ACCEPT])],
            &[(0, 3, &[4])],
        ];
        for said in wrong {
            assert_eq!(acknowledge(&mut partition, "a", said), Err(ResponseError::InvalidRequest), "{said:?}");
        }
    }

    #[test]
    fn a_lock_runs_out() {
        let mut partition = SharePartition::new(0, 0);
        acquire(&mut partition, "a", 2, &[(0, 1)]);
        assert_eq!(partition.wake_at(), Some(NOW + SETTINGS.lock));
        assert!(!partition.on_time(&SETTINGS, NOW));
        assert!(partition.on_time(&SETTINGS, NOW + SETTINGS.lock));
        assert_eq!(acknowledge(&mut partition, "a", &[(0, 1, &[ACCEPT])]), Err(ResponseError::InvalidRecordState));
        assert_eq!(acquire(&mut partition, "b", 1, &[(0, 1)]), [(0, 0, 2)], "one is as many as was asked for");
    }

    #[test]
    fn a_member_that_goes_gives_back_what_it_has() {
        let mut partition = SharePartition::new(0, 0);
        acquire(&mut partition, "a", 2, &[(0, 1)]);
        acquire(&mut partition, "b", 2, &[(2, 3)]);
        partition.release("a", &SETTINGS);
        assert_eq!(acquire(&mut partition, "c", 9, &[(0, 3)]), [(0, 1, 2)]);
    }

    #[test]
    fn a_new_leader_knows_nothing_of_what_was_acquired() {
        let mut partition = SharePartition::new(0, 0);
        acquire(&mut partition, "a", 4, &[(0, 3)]);
        partition.settle(1, 0, 4);
        assert_eq!(acquire(&mut partition, "b", 4, &[(0, 3)]), [(0, 3, 1)]);
        partition.settle(1, 2, 4);
        assert_eq!((partition.start(), partition.in_flight().len()), (2, 2), "the log begins later now");
    }
}
