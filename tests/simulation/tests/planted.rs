//! Every rule is seen to be broken: by a defect planted in the client, within a thousand histories.

use ottla::planted::Bug;
use simulation::check::Rule;
use simulation::run;
use simulation::workload::Workload;

/// Histories in which a defect must show.
const SEEDS: u64 = 1_000;

/// The histories of a workload find the defect, and say which rule it breaks.
fn is_found(workload: Workload, bug: Bug, rule: Rule) {
    let failing = run::first_breach(workload, bug, rule, 0..SEEDS);
    let failing = failing.unwrap_or_else(|| panic!("{bug:?} breaks no {rule:?} in {SEEDS} histories of {workload:?}"));
    println!("{bug:?} breaks {rule:?}: seed {}", failing.seed);
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
fn a_read_of_an_aborted_record_is_found() {
    is_found(Workload::Transact, Bug::AbortedRead, Rule::NoAbortedRead);
}

#[test]
fn a_read_before_the_commit_is_found() {
    is_found(Workload::Transact, Bug::EarlyRead, Rule::NoEarlyRead);
}

#[test]
fn a_committed_record_that_is_taken_for_aborted_is_found() {
    is_found(Workload::Transact, Bug::EndlessAbort, Rule::ReadOnce);
}

#[test]
fn a_commit_without_all_its_records_is_found() {
    is_found(Workload::Transact, Bug::CommitInPart, Rule::NoTornTransaction);
}

#[test]
fn a_commit_that_did_not_happen_is_found() {
    is_found(Workload::Transact, Bug::CommitAnyway, Rule::NoTornTransaction);
}

#[test]
fn a_record_copied_by_who_lost_its_partition_is_found() {
    is_found(Workload::Copy, Bug::OffsetsAnyway, Rule::CopiedOnce);
}

#[test]
fn a_record_copied_again_while_its_commit_is_under_way_is_found() {
    is_found(Workload::Copy, Bug::UnstableOffsets, Rule::CopiedOnce);
}

#[test]
fn a_record_that_is_not_copied_again_after_an_abort_is_found() {
    is_found(Workload::Copy, Bug::NoWayBack, Rule::CopiedOnce);
}

#[test]
fn copies_out_of_order_are_found() {
    is_found(Workload::Copy, Bug::UnstableOffsets, Rule::CopiedInOrder);
}

#[test]
fn a_record_that_a_group_skips_is_found() {
    is_found(Workload::Groups, Bug::ForgottenRest, Rule::NoSkip);
}

#[test]
fn a_partition_that_is_kept_and_read_again_is_found() {
    is_found(Workload::Groups, Bug::KeptGoesBack, Rule::NoStep);
}

#[test]
fn partitions_that_nobody_reads_are_found() {
    is_found(Workload::Groups, Bug::UnseenPartitions, Rule::EveryRecord);
}

#[test]
fn a_commit_of_what_nobody_was_handed_is_found() {
    is_found(Workload::Groups, Bug::CommitFetched, Rule::CommitOfDone);
}

#[test]
fn a_commit_that_is_taken_back_is_found() {
    is_found(Workload::Groups, Bug::CommitTakenBack, Rule::CommitStands);
}

#[test]
fn a_member_that_does_not_join_again_is_found() {
    is_found(Workload::Groups, Bug::NoRejoin, Rule::AllJoined);
}

#[test]
fn two_owners_of_a_partition_are_found() {
    is_found(Workload::Groups, Bug::GivenTooEarly, Rule::OneOwner);
}

#[test]
fn a_listener_that_never_hears_what_is_gone_is_found() {
    is_found(Workload::Groups, Bug::ToldOfGoing, Rule::Listener);
}

#[test]
fn records_from_before_a_seek_are_found() {
    is_found(Workload::Seek, Bug::StaleBuffer, Rule::InPlace);
}

#[test]
fn records_of_a_paused_partition_are_found() {
    is_found(Workload::Seek, Bug::NoPause, Rule::Paused);
}

#[test]
fn damage_that_nobody_is_told_of_is_found() {
    is_found(Workload::Seek, Bug::SilentDamage, Rule::ReachesEnd);
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
