//! Medians with what they lie between, and ratios to rdkafka: as Markdown, or a line per client.

use std::fmt::Write as _;

use super::Measured;
use super::build::Built;
use super::clients::MEASURE;
use super::job::{Outcome, Report};
use super::rows::Row;

/// Everything that was measured.
pub(super) struct Table<'a> {
    rows: &'a [Row],
    built: &'a Built,
    /// Number of the row, name of the broker, and each client's outcomes.
    measured: Vec<(usize, &'static str, Vec<Measured<'a>>)>,
}

/// One number of a report.
struct Column {
    heading: &'static str,
    of: fn(&Report) -> f64,
    show: fn(f64) -> String,
}

const CPU: Column =
    Column { heading: "CPU s per million", of: Report::cpu_seconds_per_million, show: |cpu| precise(cpu) };

const RSS: Column = Column { heading: "max RSS MB", of: Report::rss_mb, show: |mb| format!("{mb:.0}") };
const FIRST: Column =
    Column { heading: "first record ms", of: |report| report.first_ms.unwrap_or_default(), show: precise };

const SHARED: [Column; 3] = [
    Column { heading: "shared and read ms", of: |report| report.seconds * 1e3, show: precise },
    Column { heading: "shared ms", of: |report| report.assigned_ms.unwrap_or(f64::NAN), show: precise },
    Column { heading: "CPU ms", of: |report| report.cpu_seconds * 1e3, show: precise },
];

const RATE: Column = Column { heading: "records/s", of: Report::records_per_second, show: |rate| thousands(rate) };

const LATENCY: [Column; 3] = [
    Column { heading: "p50 ms", of: |report| report.p50_us.unwrap_or(f64::NAN) / 1e3, show: precise },
    Column { heading: "p99 ms", of: |report| report.p99_us.unwrap_or(f64::NAN) / 1e3, show: precise },
    Column { heading: "p99.9 ms", of: |report| report.p999_us.unwrap_or(f64::NAN) / 1e3, show: precise },
];

impl<'a> Table<'a> {
    pub(super) fn new(rows: &'a [Row], built: &'a Built) -> Self {
        Self { rows, built, measured: Vec::new() }
    }

    pub(super) fn add(&mut self, row: usize, broker: &'static str, measured: Vec<Measured<'a>>) {
        self.measured.push((row, broker, measured));
    }

    /// The Markdown table of one scenario on one broker.
    pub(super) fn row(&self, row: &Row, broker: &str, measured: &[Measured<'_>]) -> String {
        let columns = columns(row);
        let mut text = format!("\n### {}, {broker}\n\n| client |", row.name);
        for column in &columns {
            let _ = write!(text, " {} | × |", column.heading);
        }
        let _ = write!(text, "\n|---|{}", "--:|--:|".repeat(columns.len()));
        for one in measured {
            let _ = write!(text, "\n| {}", one.client.title);
            if let Some(why) = self.nothing(one, row) {
                let _ = write!(text, ": {why} |{}", " | |".repeat(columns.len()));
                continue;
            }
            if let Some(why) = one.outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
                let failed = one.outcomes.iter().filter(|outcome| outcome.is_err()).count();
                let _ = write!(text, ", **{failed} of {} FAILED**: {}", one.outcomes.len(), in_a_cell(why));
            }
            text.push_str(" |");
            for column in &columns {
                let _ = write!(text, " {} | {} |", column.spread(&one.outcomes), column.ratio(one, measured));
            }
        }
        text
    }

    /// CPU time by rdkafka's, of every client in every scenario.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        let mut brokers: Vec<_> = self.measured.iter().map(|(_, broker, _)| *broker).collect();
        brokers.dedup();
        for broker in brokers {
            let _ = write!(text, "\n### CPU time by {MEASURE}'s, {broker}\n\n| scenario |");
            let clients: Vec<_> = super::CLIENTS
                .iter()
                .filter(|client| self.measured.iter().any(|(_, _, all)| all.iter().any(|one| one.client == *client)))
                .collect();
            for client in &clients {
                let _ = write!(text, " {} |", client.name);
            }
            let _ = write!(text, "\n|---|{}", "--:|".repeat(clients.len()));
            for (row, _, measured) in self.measured.iter().filter(|(_, its, _)| *its == broker) {
                let _ = write!(text, "\n| {} |", self.rows[*row].name);
                for client in &clients {
                    let one = measured.iter().find(|one| one.client == *client);
                    let _ = write!(text, " {} |", one.map_or_else(String::new, |one| CPU.ratio(one, measured)));
                }
            }
            text.push('\n');
        }
        text
    }

    /// A line per client: its CPU time by rdkafka's first, then what it took on each broker.
    pub(super) fn lines(&self) -> String {
        let mut text = String::new();
        let Some((row, _, first)) = self.measured.first() else { return text };
        for (number, one) in first.iter().enumerate() {
            let title = one.client.title;
            if let Some(why) = self.not_run(one, &self.rows[*row]) {
                let _ = writeln!(text, "{:>6}  {title}: {why}", "-");
                continue;
            }
            let costs = self.measured.iter().map(|(_, broker, measured)| {
                let outcomes = &measured[number].outcomes;
                match outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
                    Some(why) => format!("{broker}: FAILED: {why}"),
                    None => format!(
                        "{broker}: {}, {} CPU s per million, {} records/s",
                        CPU.ratio(&measured[number], measured),
                        CPU.spread(outcomes),
                        median(RATE.values(outcomes)).map_or_else(String::new, RATE.show),
                    ),
                }
            });
            let costs = costs.collect::<Vec<_>>().join("; ");
            let _ = writeln!(text, "{:>6}  {title:<31} {costs}", CPU.ratio(one, first));
        }
        text
    }

    /// The jobs without which there is nothing to compare: those of Ottla and of rdkafka that failed.
    pub(super) fn failed(&self) -> Vec<String> {
        let mut failed = Vec::new();
        for (row, broker, measured) in &self.measured {
            for one in measured.iter().filter(|one| one.client.is_ottla() || one.client.name == MEASURE) {
                if one.outcomes.is_empty() || one.outcomes.iter().any(Result::is_err) {
                    failed.push(format!("{} ({}, {broker})", one.client.name, self.rows[*row].name));
                }
            }
        }
        failed
    }

    /// Why there is no figure of a client.
    fn nothing(&self, one: &Measured<'_>, row: &Row) -> Option<String> {
        if let Some(why) = self.not_run(one, row) {
            return Some(in_a_cell(&why));
        }
        let why = one.outcomes.iter().find_map(|outcome| outcome.as_ref().err())?;
        one.outcomes.iter().all(Result::is_err).then(|| format!("**FAILED**: {}", in_a_cell(why)))
    }

    /// Why a client has not run.
    fn not_run(&self, one: &Measured<'_>, row: &Row) -> Option<String> {
        let problem = self.built.problem(one.client).map(|why| format!("NOT BUILT: {why}"));
        problem.or_else(|| one.client.excused(row).map(|why| format!("not run: {why}")))
    }
}

impl Column {
    fn values(&self, outcomes: &[Outcome]) -> Vec<f64> {
        outcomes.iter().flatten().map(self.of).collect()
    }

    /// The median, and the least and the most if there are several.
    fn spread(&self, outcomes: &[Outcome]) -> String {
        let values = self.values(outcomes);
        let Some(middle) = median(values.clone()) else { return "-".to_owned() };
        let (least, most) =
            (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(0.0, f64::max));
        match values.len() {
            1 => (self.show)(middle),
            _ => format!("{} ({}–{})", (self.show)(middle), (self.show)(least), (self.show)(most)),
        }
    }

    /// The median by rdkafka's.
    fn ratio(&self, one: &Measured<'_>, all: &[Measured<'_>]) -> String {
        let measure = all.iter().find(|one| one.client.name == MEASURE);
        let measure = measure.and_then(|measure| median(self.values(&measure.outcomes)));
        match (median(self.values(&one.outcomes)), measure) {
            (Some(its), Some(measure)) if measure > 0.0 => format!("{:.2}x", its / measure),
            _ => "-".to_owned(),
        }
    }
}

fn columns(row: &Row) -> Vec<Column> {
    if row.is_of_rebalancing() {
        return SHARED.into_iter().chain([RSS]).collect();
    }
    match (row.is_of_latency(), row.is_of_reading()) {
        (true, _) => LATENCY.into_iter().chain([CPU, RSS]).collect(),
        (false, true) => vec![CPU, RATE, RSS, FIRST],
        (false, false) => vec![CPU, RATE, RSS],
    }
}

/// A word on one job.
pub(super) fn brief(outcome: &Outcome, row: &Row) -> String {
    match outcome {
        Ok(report) => {
            let shown = columns(row).into_iter().map(|it| format!("{} {}", (it.show)((it.of)(report)), it.heading));
            shown.collect::<Vec<_>>().join(", ")
        }
        Err(why) => format!("FAILED: {why}"),
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Three digits, or all before the point.
fn precise(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.3}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// In full thousands, with commas.
fn thousands(value: f64) -> String {
    let thousands = (value / 1e3).round() as u64;
    match (thousands / 1000, thousands % 1000) {
        (0, 0) => format!("{value:.0}"),
        (0, below) => format!("{below},000"),
        (above, below) => format!("{above},{below:03},000"),
    }
}

fn in_a_cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::peers::clients::CLIENTS;

    fn measured(name: &str, cpu_seconds: &[f64]) -> Measured<'static> {
        let client = CLIENTS.iter().find(|client| client.name == name).unwrap();
        Measured { client, outcomes: cpu_seconds.iter().map(|cpu| Ok(Report::of(*cpu))).collect() }
    }

    #[test]
    fn a_median_is_shown_with_its_spread_and_by_rdkafkas() {
        let all = [measured("ottla-awaited", &[0.3, 0.1, 0.2]), measured("rdkafka", &[1.2, 1.0])];
        assert_eq!(CPU.spread(&all[0].outcomes), "0.200 (0.100–0.300)");
        assert_eq!(CPU.spread(&all[1].outcomes), "1.100 (1.000–1.200)");
        assert_eq!(CPU.ratio(&all[0], &all), "0.18x");
        assert_eq!(CPU.ratio(&all[0], &all[..1]), "-");
    }

    #[test]
    fn a_failed_job_is_not_averaged() {
        let mut one = measured("krafka", &[0.3, 0.1]);
        one.outcomes.push(Err("999 of 1000 records acknowledged".to_owned()));
        assert_eq!(CPU.spread(&one.outcomes), "0.200 (0.100–0.300)");
        one.outcomes.drain(..2);
        assert_eq!(CPU.spread(&one.outcomes), "-");
    }

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!(precise(0.1234), "0.123");
        assert_eq!(precise(45.67), "45.7");
        assert_eq!(precise(456.7), "457");
        assert_eq!(thousands(4_320_400.0), "4,320,000");
        assert_eq!(thousands(50_000.0), "50,000");
        assert_eq!(thousands(312.0), "312");
    }
}
