//! Every call of every client is dropped at each of its await points, and after each time it may take: what its
//! documentation promises holds all the same, and the client goes on.

#![expect(clippy::disallowed_methods, reason = "drives clients, and looks how long it took")]
#![expect(clippy::needless_pass_by_value, reason = "a scenario is a closure")]
#![expect(clippy::unwrap_used, reason = "a test may fail so")]

mod admin;
mod consumer;
mod producer;
mod scene;
mod share;

use std::collections::BTreeSet;
use std::path::Path;

/// A call by its name, `Producer::send`, and what drops it.
type Call = (&'static str, fn());

/// Those of transactional producers are dropped in tests of their own.
const ELSEWHERE: [&str; 2] = ["Transaction", "TransactionalProducer"];

/// What can be awaited without being an `async fn`.
const FUTURES: [&str; 3] = ["Delivery::poll", "PendingCommit::poll", "RecordStream::poll_next"];

fn drop_each(calls: &[Call]) {
    for (name, anywhere) in calls {
        println!("{name}");
        anywhere();
    }
}

#[test]
fn a_producer_goes_on_wherever_a_call_is_dropped() {
    drop_each(producer::CALLS);
}

#[test]
fn a_consumer_goes_on_wherever_a_call_is_dropped() {
    drop_each(consumer::CALLS);
}

#[test]
fn a_share_consumer_goes_on_wherever_a_call_is_dropped() {
    drop_each(share::CALLS);
}

#[test]
fn an_admin_client_goes_on_wherever_a_call_is_dropped() {
    drop_each(admin::CALLS);
}

#[test]
fn no_call_is_missing_here() {
    let calls = [producer::CALLS, consumer::CALLS, share::CALLS, admin::CALLS].concat();
    let here: BTreeSet<String> = calls.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut there: BTreeSet<String> = FUTURES.map(str::to_owned).into();
    find_calls(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../client/src"), &mut there);
    assert!(there.len() > 40, "{there:?}");
    assert_eq!(here, there);
}

/// All `pub async fn` under a directory, each with the type it belongs to.
fn find_calls(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_calls(&path, found);
            continue;
        }
        let mut of = String::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            if let Some(name) = line.strip_prefix("impl ").and_then(|rest| rest.strip_suffix(" {")) {
                of = name.to_owned();
            }
            let call = line.strip_prefix("    pub async fn ").and_then(|rest| rest.split(['(', '<']).next());
            if let Some(call) = call.filter(|_| !ELSEWHERE.contains(&&*of)) {
                found.insert(format!("{of}::{call}"));
            }
        }
    }
}
