//! What histories have found, each with its seed.

use simulation::run;
use simulation::workload::Workload;

fn passes(workload: Workload, seed: u64) {
    let history = run::history(workload, seed);
    assert_eq!(history.failure, None, "{history}");
}

#[test]
fn a_partition_whose_answer_could_not_be_read_under_its_last_leader_was_never_fetched_again() {
    passes(Workload::Transact, 411);
}

#[test]
fn a_broker_that_does_not_answer_the_first_request_is_given_up_after_the_request_timeout() {
    passes(Workload::Admin, 1_688);
}

#[test]
fn a_member_that_was_to_join_by_a_pattern_kept_a_core_busy_until_metadata_came() {
    passes(Workload::Groups, 327);
}
