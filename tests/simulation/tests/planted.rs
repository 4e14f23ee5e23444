//! Every rule is seen to be broken: by a defect planted in the client, within a thousand histories.

use ottla::planted::Bug;
use simulation::check::Rule;
use simulation::run;
use simulation::workload::Workload;

/// Histories in which a defect must show.
const SEEDS: u64 = 1_000;

/// The histories of a workload find the defect, and say which rule it breaks.
fn is_found(workload: Workload, bug: Bug, rule: Rule) {
    let failing = run::first_failure(workload, bug, 0..SEEDS);
    let failing = failing.unwrap_or_else(|| panic!("{bug:?} is not found by {SEEDS} histories of {workload:?}"));
    println!("{bug:?}: seed {}", failing.seed);
    let failure = failing.failure.clone().unwrap_or_default();
    assert!(failure.contains(&format!("{rule:?}: ")), "{bug:?} is taken for something else: {failing}");
}

#[test]
fn a_write_that_is_acknowledged_and_lost_is_found() {
    is_found(Workload::Produce, Bug::LostWrite, Rule::NoLostWrite);
}

#[test]
fn a_record_written_twice_is_found() {
    is_found(Workload::Produce, Bug::Duplicate, Rule::NoDuplicate);
}

#[test]
fn records_out_of_order_are_found() {
    is_found(Workload::Produce, Bug::OutOfOrder, Rule::InOrder);
}

#[test]
fn a_record_without_an_outcome_is_found() {
    is_found(Workload::Produce, Bug::NoOutcome, Rule::OneOutcome);
}

#[test]
fn a_close_past_its_deadline_is_found() {
    is_found(Workload::Produce, Bug::LateClose, Rule::InTime);
}

#[test]
fn an_acknowledgement_of_a_share_group_that_is_lost_is_found() {
    is_found(Workload::Share, Bug::LostAcknowledgement, Rule::DoneOnce);
}

#[test]
fn a_record_of_a_share_group_that_nobody_saw_is_found() {
    is_found(Workload::Share, Bug::AcceptsUnseen, Rule::NoneSkipped);
}

#[test]
fn an_acknowledgement_of_a_share_group_without_an_answer_is_found() {
    is_found(Workload::Share, Bug::UnheardAcknowledgement, Rule::OneAnswer);
}

#[test]
fn a_topic_that_may_not_be_there_is_found() {
    is_found(Workload::Admin, Bug::UncertainTopic, Rule::Truth);
}

#[test]
fn a_topic_created_twice_is_found() {
    is_found(Workload::Admin, Bug::CreatedAgain, Rule::Topics);
}

#[test]
fn an_error_about_nothing_in_particular_is_found() {
    is_found(Workload::Admin, Bug::NamelessError, Rule::NamedErrors);
}

#[test]
fn memory_that_is_not_given_back_is_found() {
    is_found(Workload::Produce, Bug::KeptMemory, Rule::Memory);
}

#[test]
fn a_storm_of_requests_is_found() {
    is_found(Workload::Produce, Bug::NoBackoff, Rule::NoStorm);
    is_found(Workload::Admin, Bug::NoBackoff, Rule::NoStorm);
    is_found(Workload::Share, Bug::NoBackoff, Rule::NoStorm);
}

#[test]
fn a_caller_who_is_not_woken_is_found() {
    is_found(Workload::Produce, Bug::NoWakeUp, Rule::NotStuck);
}
