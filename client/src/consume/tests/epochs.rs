//! Positions and the logs of new leaders (KIP-320).

use super::*;
use crate::consume::epochs::EpochEnd;
use crate::consume::position::EpochQuery;

impl Fixture {
    /// Reads values 0.. of `orders[0]` under leader epoch 5, hands out `polled` of them, and hears of epoch 6 on broker 2.
    fn after_an_election(settings: &[(&str, &str)], polled: usize) -> (Self, EpochQuery) {
        let mut fixture = Self::reading(settings, &[(1, 5)]);
        let plan = fixture.plan(1).unwrap();
        let in_epoch = |base: i64, epoch: i32| {
            testing::bytes_with(base, &[(None, Some(&b"x"[..]), &[][..]); 5], |header| {
                header.partition_leader_epoch = epoch;
            })
        };
        fixture.answer(&plan, &[(0, Code::None, [in_epoch(0, 4), in_epoch(5, 5)].concat().into())]);
        assert_eq!(fixture.poll(polled).len(), polled);
        assert_eq!(fixture.look_ups(), LookUps::default(), "its own leader has it");
        fixture.state.on_metadata(&metadata(1, &[(2, 6)]));
        assert_eq!(asked(fixture.plan(2)), [], "nothing is fetched before it is validated");
        let query = fixture.epoch_query(2);
        assert_eq!((query.offset, query.epoch, query.leader_epoch), (10, 5, 6));
        assert_eq!(fixture.look_ups(), LookUps::default(), "it is asked once");
        (fixture, query)
    }

    fn epoch_query(&mut self, broker: i32) -> EpochQuery {
        self.look_ups().epochs[&broker][0].clone()
    }

    fn says(&mut self, query: &EpochQuery, epoch: i32, offset: i64) {
        self.state.on_epoch(query, Ok(EpochEnd { epoch, offset }), self.now);
    }
}

#[test]
fn a_new_leader_that_has_what_was_read_is_read_on_from() {
    let (mut fixture, query) = Fixture::after_an_election(&[], 3);
    assert_eq!(fixture.poll(1), [(0, 3)], "what is buffered is handed out meanwhile");
    fixture.says(&query, 5, 10);
    assert_eq!(asked(fixture.plan(2)), [(0, 10)]);
    assert_eq!(fixture.poll(100).len(), 6);
    assert_eq!(fixture.look_ups(), LookUps::default());
}

/// edge 43
#[test]
fn a_position_behind_where_the_logs_part_goes_back_to_there() {
    let (mut fixture, query) = Fixture::after_an_election(&[], 10);
    fixture.says(&query, 5, 7);
    let position = fixture.state.positions.get(&orders(0)).unwrap().position();
    assert_eq!(position, Some(Position { offset: 7, epoch: 5 }));
    assert_eq!(fixture.look_ups(), LookUps::default(), "that is the leader's word");
    assert_eq!(asked(fixture.plan(2)), [(0, 7)]);
}

/// What nobody has seen is no loss: it is fetched again as it is now.
#[test]
fn what_was_only_buffered_of_a_truncated_log_is_dropped_and_the_position_asked_about_by_itself() {
    let (mut fixture, query) = Fixture::after_an_election(&[("auto.offset.reset", "none")], 3);
    fixture.says(&query, 5, 7);
    let query = fixture.epoch_query(2);
    assert_eq!((query.offset, query.epoch), (3, 4), "the epoch of what was handed out last");
    fixture.says(&query, 4, 5);
    assert_eq!(asked(fixture.plan(2)), [(0, 3)]);
    assert!(fixture.state.next_fault().is_none());
}

/// edge 43
#[test]
fn without_a_policy_a_truncation_is_told_with_both_offsets_until_a_seek() {
    for (epoch, offset, known) in [(5, 7, Some(7)), (-1, -1, None)] {
        let (mut fixture, mut query) = Fixture::after_an_election(&[("auto.offset.reset", "none")], 10);
        for _ in 0..2 {
            fixture.says(&query, epoch, offset);
            let fault = fixture.state.next_fault().unwrap();
            assert_eq!(fault.kind(), Kind::LogTruncation { position: 10, diverging_offset: known });
            assert_eq!(fault.partition(), Some(&orders(0)));
            assert!(fault.to_string().starts_with("orders[0]: the log was truncated below the position 10"), "{fault}");
            assert_eq!(fixture.position(0), Some(10));
            fixture.now += SECOND;
            query = fixture.epoch_query(2);
        }
        fixture.state.go_to(&orders(0), Place::At(Position { offset: 7, epoch: -1 }));
        assert_eq!(asked(fixture.plan(2)), [(0, 7)]);
    }
}

#[test]
fn a_leader_that_knows_no_such_epoch_leaves_it_to_the_policy() {
    let (mut fixture, query) = Fixture::after_an_election(&[], 10);
    fixture.says(&query, -1, -1);
    assert_eq!(fixture.look_ups().offsets[&2][0].timestamp, EARLIEST);
}

/// edge 43: an error says nothing about the log.
#[test]
fn errors_of_validation_are_tried_again_and_never_reset_a_position() {
    let (mut fixture, mut query) = Fixture::after_an_election(&[], 10);
    let codes = [
        Code::FencedLeaderEpoch,
        Code::UnknownLeaderEpoch,
        Code::NotLeaderOrFollower,
        Code::UnknownServerError,
        Code::Unknown(999),
    ];
    for code in codes {
        assert!(fixture.state.on_epoch(&query, Err(code), fixture.now), "{code}");
        assert_eq!(fixture.look_ups(), LookUps::default(), "not at once");
        assert!(fixture.state.next_fault().is_none());
        fixture.now += 2 * SECOND;
        query = fixture.epoch_query(2);
    }
    let error = Error::new(Kind::Connection, "no such host");
    let key = (&query.partition, query.stamp);
    fixture.state.on_look_up_failed(Subject::Fetch(2), [key].into_iter(), &error, fixture.now);
    fixture.now += 2 * SECOND;
    let query = fixture.epoch_query(2);
    assert_eq!(fixture.position(0), Some(10));
    fixture.state.on_epochs_unsupported(std::slice::from_ref(&query));
    assert_eq!(asked(fixture.plan(2)), [(0, 10)], "a broker that cannot be asked is believed");
}

/// edges 44, 49
#[test]
fn an_answer_of_a_leader_that_is_none_any_more_does_not_count() {
    let (mut fixture, query) = Fixture::after_an_election(&[], 10);
    fixture.state.on_epoch(&query, Err(Code::NotLeaderOrFollower), fixture.now);
    fixture.state.on_metadata(&metadata(1, &[(3, 7)]));
    let newer = fixture.epoch_query(3);
    fixture.says(&query, 5, 2);
    assert_eq!(fixture.position(0), Some(10));
    fixture.says(&newer, 5, 10);
    assert_eq!(asked(fixture.plan(3)), [(0, 10)]);
    fixture.state.on_metadata(&metadata(1, &[(1, 6)]));
    assert_eq!(asked(fixture.plan(1)), [(0, 10)], "an older epoch is no reason to ask");
}

/// edge 64
#[test]
fn a_committed_offset_is_validated_by_the_epoch_that_was_committed_with_it() {
    for (epoch, asks) in [(Some(3), true), (Some(5), false), (None, false)] {
        let mut fixture = Fixture::new(&[("group.id", "g")]);
        fixture.state.assign([orders(0)].into(), fixture.now).unwrap();
        fixture.state.on_metadata(&metadata(1, &[(1, 5)]));
        let (partition, stamp) = fixture.look_ups().committed[0].clone();
        let committed = OffsetAndMetadata { offset: 7, leader_epoch: epoch, metadata: String::new() };
        fixture.state.on_committed(&partition, stamp, Ok(Some(committed)), fixture.now);
        assert_eq!(fixture.look_ups().epochs.contains_key(&1), asks, "{epoch:?}");
    }
}

#[test]
fn a_diverging_epoch_in_an_answer_counts_as_much_as_one_that_was_asked_for() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    fixture.state.positions.start_over(&orders(0), Place::At(Position { offset: 9, epoch: 5 }));
    let plan = fixture.plan(1).unwrap();
    let answer = Answer {
        asked: plan.asked[0].clone(),
        code: Code::None,
        records: Bytes::new(),
        bounds: Bounds::default(),
        diverging: Some(EpochEnd { epoch: 4, offset: 6 }),
        aborted: vec![],
        leader: None,
        preferred: None,
    };
    fixture.state.on_fetched(plan.kind, vec![answer], fixture.now);
    assert_eq!(fixture.position(0), Some(6));
}
