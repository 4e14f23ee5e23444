//! Histories that once failed.

use simulation::run;
use simulation::workload::Workload;

fn passes(workload: Workload, seed: u64) {
    let history = run::history(workload, seed);
    assert!(history.failure.is_none(), "{history}");
}

#[test]
fn a_broker_that_does_not_answer_the_first_request_is_given_up_after_the_request_timeout() {
    passes(Workload::Admin, 1_688);
}
