//! Rules of how often anybody is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_broker::{ApiKey, Request};

use crate::evidence::Evidence;
use crate::ledger::Operation;

/// How long one looks at a time: less than any two waits of `retry.backoff.ms` or four of `reconnect.backoff.ms`.
const WINDOW: Duration = Duration::from_millis(100);

/// What is asked once, and again only after a backoff. Several causes may ask for the same soon after one another.
const BACKED_OFF: [ApiKey; 5] = [
    ApiKey::Metadata,
    ApiKey::FindCoordinator,
    ApiKey::InitProducerId,
    ApiKey::ShareGroupHeartbeat,
    ApiKey::ListOffsets,
];

/// The most that one client may ask of one node within a window.
const ASKED: usize = 10;

/// The most connections that one life may try to one address within a window: it may have several clients, one after the
/// other, and each has connections for different purposes.
const CONNECTIONS: usize = 12;

/// Requests, and attempts to connect, that follow one another as if there were no backoff.
pub fn storms(evidence: &Evidence) -> Vec<String> {
    let mut asked: BTreeMap<(&str, i32, usize), Vec<Duration>> = BTreeMap::new();
    for request in &evidence.requests {
        let Request { client_id, node, api, at, .. } = request;
        if let Some(nth) = BACKED_OFF.iter().position(|known| known == api) {
            asked.entry((client_id, *node, nth)).or_default().push(*at);
        }
    }
    let mut storms = Vec::new();
    for ((client, node, api), times) in &asked {
        if let Some(at) = more_than(ASKED, times) {
            let api = BACKED_OFF[*api];
            storms.push(format!("{client} asked node {node} more than {ASKED} times for {api:?}, from {at:?} on"));
        }
    }
    let mut connected: BTreeMap<(&str, &str), Vec<Duration>> = BTreeMap::new();
    for entry in &evidence.entries {
        if let Operation::Connected { to } = &entry.operation {
            connected.entry((&entry.by, to)).or_default().push(entry.at);
        }
    }
    for ((by, to), times) in &connected {
        if let Some(at) = more_than(CONNECTIONS, times) {
            storms.push(format!("{by} connected to {to} more than {CONNECTIONS} times, from {at:?} on"));
        }
    }
    storms
}

/// When a window begins in which there are more than so many.
fn more_than(most: usize, times: &[Duration]) -> Option<Duration> {
    let windows = times.iter().zip(times.iter().skip(most));
    windows.filter(|(first, last)| **last - **first < WINDOW).map(|(first, _)| *first).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Entry;

    #[test]
    fn a_storm_is_more_than_backoffs_allow() {
        let every = |pause: u64| {
            let entry = |nth| Entry {
                at: Duration::from_millis(nth * pause),
                by: "a".into(),
                operation: Operation::Connected { to: "node-0:9092".to_owned() },
            };
            storms(&Evidence { entries: (0..30).map(entry).collect(), ..Evidence::default() })
        };
        assert_eq!(every(2), ["a connected to node-0:9092 more than 12 times, from 0ns on"]);
        assert_eq!(every(20), [""; 0]);
    }
}
