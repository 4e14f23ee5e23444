//! What fails together is tried again together, and what goes together is looked for once.

use super::*;

/// Two hundred partitions whose leader is not ready yet: one request asks again, not one for each.
#[test]
fn partitions_that_fail_in_one_answer_are_asked_about_again_in_one_request() {
    const COUNT: i32 = 200;
    let mut fixture = Fixture::new(&[("auto.offset.reset", "earliest")]);
    fixture.state.assign((0..COUNT).map(orders).collect(), fixture.now).unwrap();
    fixture.state.on_metadata(&metadata(1, &[(1, 5); COUNT as usize]));
    let mut waits = Vec::new();
    for _ in 0..3 {
        let queries = fixture.look_ups().offsets.remove(&1).unwrap();
        assert_eq!(queries.len(), COUNT as usize);
        for query in &queries {
            assert!(fixture.state.on_offset(query, Err(Code::NotLeaderOrFollower), fixture.now));
        }
        assert_eq!(fixture.look_ups(), LookUps::default(), "nothing is asked at once");
        let next = fixture.state.positions.next_look_up().unwrap();
        waits.push(next - fixture.now);
        fixture.now = next;
    }
    assert!(waits[0] * 4 / 3 < waits[1] && waits[1] * 4 / 3 < waits[2], "each wait is longer: {waits:?}");
}

/// Half of them go: each that had a turn is looked at once, not once for each that goes.
#[test]
fn many_partitions_that_go_at_once_take_one_pass_over_those_that_have_a_turn() {
    const COUNT: i32 = 10_000;
    let mut fixture = Fixture::new(&[("auto.offset.reset", "earliest")]);
    fixture.state.assign((0..COUNT).map(orders).collect(), fixture.now).unwrap();
    for (partition, assigned) in &mut fixture.state.positions.partitions {
        fixture.state.turns.add(partition, &mut assigned.queue);
    }
    fixture.state.assign((0..COUNT / 2).map(orders).collect(), fixture.now).unwrap();
    assert_eq!((fixture.state.turns.looks, fixture.state.turns.len()), (10_000, 5_000));
}
