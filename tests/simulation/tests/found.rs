//! Histories that once failed, each by its seed.

use simulation::run;
use simulation::workload::Workload;

fn passes(workload: Workload, seed: u64) {
    let history = run::history(workload, seed);
    assert!(history.failure.is_none(), "workload {workload:?}, {}", run::shrink(workload, &history));
}

#[test]
fn a_listener_was_told_of_partitions_that_were_going_and_never_that_they_were_gone() {
    passes(Workload::Groups, 37);
}

#[test]
fn a_commit_by_hand_was_taken_back_by_the_one_on_unsubscribing() {
    passes(Workload::Groups, 275);
}
