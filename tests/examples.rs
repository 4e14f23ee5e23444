//! The examples do what they say.
#![allow(dead_code, reason = "their `main` runs when they are run by themselves")]

#[path = "../examples/at_least_once/main.rs"]
mod at_least_once;
#[path = "../examples/at_most_once/main.rs"]
mod at_most_once;
#[path = "../examples/rewind/main.rs"]
mod rewind;
#[path = "../examples/simulation/main.rs"]
mod simulation;

use ottla_broker::Broker;

#[tokio::test]
async fn at_most_once_loses_what_was_committed_and_repeats_nothing() {
    let broker = Broker::start().await;
    let done = at_most_once::crash_and_go_on(&broker.address(), "jobs").await.unwrap();
    assert_eq!(done.join(" "), "0 1 4 5 6 7 8 9");
}

#[tokio::test]
async fn at_least_once_loses_nothing_and_repeats_what_was_not_committed() {
    let broker = Broker::start().await;
    let done = at_least_once::crash_and_go_on(&broker.address(), "jobs").await.unwrap();
    assert_eq!(done.join(" "), "0 1 0 1 2 3 4 5 6 7 8 9");
    assert_eq!(broker.committed("jobs-workers", "jobs", 0).unwrap().offset, 10);
}

#[test]
fn each_order_has_one_invoice_whatever_goes_wrong() {
    simulation::simulation().check(0..4, simulation::histories_invoice_each_order_once);
}

#[tokio::test]
async fn a_consumer_goes_on_where_it_sought_to() {
    let broker = Broker::start().await;
    assert_eq!(
        rewind::seek_and_read(&broker.address(), "hours").await.unwrap(),
        [
            "offset 7: 7:00 8:00 9:00",
            "beginning: 0:00 1:00",
            "last two: 8:00 9:00",
            "half past two: 3:00 4:00",
            "tomorrow: offset 10"
        ]
    );
}
