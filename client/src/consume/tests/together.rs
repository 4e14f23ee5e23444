//! What fails together is tried again together.

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
