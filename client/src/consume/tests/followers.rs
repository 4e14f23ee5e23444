//! Which replica is read from (KIP-392).

use super::*;

/// `orders[0]` led by broker 1, with a replica on broker 2.
fn replicated(epoch: i32, replicas: &[i32], offline: &[i32]) -> Metadata {
    let mut metadata = metadata(1, &[(1, epoch)]);
    let topic = metadata.topics.get_mut("orders").map(Arc::make_mut).unwrap();
    (topic.partitions[0].replicas, topic.partitions[0].offline) = (replicas.to_vec(), offline.to_vec());
    for id in [1, 2] {
        let address = crate::net::Address { host: "localhost".to_owned(), port: 9_000 };
        metadata.brokers.insert(id, crate::cluster::Broker { address, rack: None });
    }
    metadata
}

impl Fixture {
    /// Broker 1 sends the consumer to broker 2.
    fn at_a_follower() -> Self {
        let mut fixture = Self::reading(&[], &[(1, 5)]);
        fixture.state.on_metadata(&replicated(5, &[1, 2], &[]));
        let plan = fixture.plan(1).unwrap();
        let answer = Answer {
            asked: plan.asked[0].clone(),
            code: Code::None,
            records: Bytes::new(),
            bounds: Bounds::default(),
            diverging: None,
            aborted: vec![],
            leader: None,
            preferred: Some(2),
        };
        assert!(fixture.state.on_fetched(plan.kind, vec![answer], fixture.now).moves);
        fixture.state.fetch_ended(&plan);
        assert_eq!(fixture.state.positions.brokers(), [1, 2].into());
        assert_eq!(asked(fixture.plan(1)), [], "the leader is not asked any more");
        fixture
    }
}

/// edge 45
#[test]
fn a_follower_is_read_from_until_metadata_would_be_too_old() {
    let mut fixture = Fixture::at_a_follower();
    for _ in 0..3 {
        let plan = fixture.plan(2).unwrap();
        assert_eq!((plan.asked[0].is_follower, plan.asked[0].leader_epoch), (true, 5));
        fixture.answer(&plan, &[(0, Code::None, Bytes::new())]);
        fixture.now += 99 * SECOND;
    }
    fixture.now += 4 * SECOND;
    assert_eq!(asked(fixture.plan(1)), [(0, 0)]);
    assert_eq!(fixture.state.positions.brokers(), [1].into());
}

/// edge 45
#[test]
fn a_follower_that_fails_is_gone_or_is_not_one_any_more_is_left_for_the_leader() {
    for replaced in [replicated(5, &[1], &[]), replicated(5, &[1, 2], &[2]), replicated(6, &[1, 2], &[])] {
        let mut fixture = Fixture::at_a_follower();
        assert!(fixture.state.on_metadata(&replaced), "the leader's loop is woken");
        assert_eq!(asked(fixture.plan(1)), [(0, 0)]);
    }
    let mut fixture = Fixture::at_a_follower();
    let mut gone = replicated(5, &[1, 2], &[]);
    gone.brokers.remove(&2);
    assert!(fixture.state.on_metadata(&gone));
    let mut fixture = Fixture::at_a_follower();
    assert!(!fixture.state.on_metadata(&replicated(5, &[1, 2], &[])), "and else it stays");
    let plan = fixture.plan(2).unwrap();
    fixture.state.on_fetch_failed(&plan);
    assert_eq!(asked(fixture.plan(1)), [(0, 0)]);
    for code in [Code::NotLeaderOrFollower, Code::KafkaStorageError, Code::FencedLeaderEpoch, Code::OffsetNotAvailable]
    {
        let mut fixture = Fixture::at_a_follower();
        let plan = fixture.plan(2).unwrap();
        assert!(fixture.answer(&plan, &[(0, code, Bytes::new())]).moves);
        fixture.now += SECOND;
        assert_eq!(asked(fixture.plan(1)), [(0, 0)], "{code}");
    }
}

/// edge 42: only the leader's word resets a position.
#[test]
fn out_of_range_at_a_follower_is_asked_of_the_leader_at_once() {
    let mut fixture = Fixture::at_a_follower();
    let plan = fixture.plan(2).unwrap();
    let arrived = fixture.answer(&plan, &[(0, Code::OffsetOutOfRange, Bytes::new())]);
    assert!(arrived.moves && !arrived.resets);
    assert_eq!(fixture.position(0), Some(0));
    let plan = fixture.plan(1).unwrap();
    assert!(fixture.answer(&plan, &[(0, Code::OffsetOutOfRange, Bytes::new())]).resets);
    assert_eq!(fixture.look_ups().offsets.keys().collect::<Vec<_>>(), [&1], "and where to go on");
}
