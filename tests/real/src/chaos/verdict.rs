//! What was read at the end, and what the coordinator's log says of the way there.

use std::fmt;

use anyhow::{Result, ensure};

use crate::cluster::Cluster;
use crate::tool::CONSOLE_CONSUMER;

/// Numbers shown of those that are missing, and so on.
const SHOWN: usize = 10;

/// How often each number was read.
#[derive(Debug)]
pub(super) struct Reading {
    who: &'static str,
    read: usize,
    missing: Vec<usize>,
    doubled: Vec<usize>,
    /// Lines that are no number that was sent.
    foreign: Vec<String>,
}

/// How many transactions ended, and how.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    committed: usize,
    aborted: usize,
}

impl Reading {
    /// Counts lines that are to be the numbers below `expected`.
    pub(super) fn of(who: &'static str, lines: &str, expected: usize) -> Self {
        let mut times = vec![0_usize; expected];
        let mut foreign = Vec::new();
        for line in lines.lines() {
            match line.parse().ok().and_then(|number: usize| times.get_mut(number)) {
                Some(times) => *times += 1,
                None => foreign.push(line.to_owned()),
            }
        }
        let which = |wrong: fn(usize) -> bool| {
            times.iter().enumerate().filter(|(_, times)| wrong(**times)).map(|(number, _)| number).collect()
        };
        let read = lines.lines().count();
        Self { who, read, missing: which(|times| times == 0), doubled: which(|times| times > 1), foreign }
    }

    pub(super) fn is_good(&self) -> bool {
        self.missing.is_empty() && self.doubled.is_empty() && self.foreign.is_empty()
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, read, missing, doubled, foreign } = self;
        write!(f, "{who}: {read} read, {} missing, {} more than once", missing.len(), doubled.len())?;
        for (what, numbers) in [("missing", missing), ("more than once", doubled)] {
            if !numbers.is_empty() {
                write!(f, "\n  {what}: {:?}", &numbers[..numbers.len().min(SHOWN)])?;
            }
        }
        if !foreign.is_empty() {
            write!(f, "\n  {} foreign: {:?}", foreign.len(), &foreign[..foreign.len().min(SHOWN)])?;
        }
        Ok(())
    }
}

impl fmt::Display for Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transactions: {} committed, {} aborted and done anew", self.committed, self.aborted)
    }
}

/// Every committed record of a topic by Java's consumer.
pub(super) fn read_by_java(cluster: &Cluster, topic: &str) -> Result<String> {
    let bootstrap = cluster.bootstrap();
    let arguments = ["--bootstrap-server", &bootstrap, "--topic", topic, "--from-beginning"];
    let committed = ["--isolation-level", "read_committed", "--timeout-ms", "10000"];
    // That it ends because nothing more comes is a failure to it.
    let output = cluster.tool(CONSOLE_CONSUMER, arguments.into_iter().chain(committed))?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Reads from the coordinators' log how the transactions of some ids ended.
pub(super) fn transactions(cluster: &Cluster, ids: &[String]) -> Result<Transactions> {
    let mut log = cluster.segments("__transaction_state")?;
    // All brokers have the same by now.
    log.retain(|file| file.contains("/n1/"));
    let arguments = ["--transaction-log-decoder", "--files", &log.join(",")];
    let output = cluster.tool(cluster.release.log_dump(), arguments)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    // As Kafka 4 prints it, and Kafka 3.
    let has = |line: &str, marks: [&str; 2]| marks.iter().any(|mark| line.contains(mark));
    let ours = |line: &&str| {
        ids.iter().any(|id| has(line, [&format!("\"transactionalId\":\"{id}\""), &format!("transactionalId={id} ")]))
    };
    let mut transactions = Transactions::default();
    for line in text.lines().filter(ours) {
        transactions.committed += usize::from(has(line, ["\"transactionStatus\":4,", "state=CompleteCommit,"]));
        transactions.aborted += usize::from(has(line, ["\"transactionStatus\":5,", "state=CompleteAbort,"]));
    }
    Ok(transactions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_once_in_any_order_is_good() {
        assert!(Reading::of("a test", "2\n0\n1\n", 3).is_good());
    }

    #[test]
    fn what_is_missing_twice_or_foreign_is_told() {
        let reading = Reading::of("a test", "0\n0\n3\ntea\n", 3);
        assert!(!reading.is_good());
        assert_eq!((reading.missing, reading.doubled), (vec![1, 2], vec![0]));
        assert_eq!(reading.foreign, ["3", "tea"]);
    }
}
