//! Whatever gives a loop that fetches something to do wakes it: it may wait for nothing else.

use std::pin::pin;
use std::task::{Context, Waker};

use super::*;

impl Fixture {
    /// Broker 1 is full of `orders[0]`, so that nothing is fetched of `orders[1]`, and its loop waits.
    fn full_of_one() -> Self {
        let mut fixture = Self::reading(&[("fetch.max.bytes", "150")], &[(1, 5), (1, 5)]);
        let plan = fixture.plan(1).unwrap();
        let batches = [in_epoch_5(0), in_epoch_5(5)].concat();
        fixture.answer(&plan, &[(0, Code::None, batches.into()), (1, Code::None, Bytes::new())]);
        fixture
    }

    /// There is nothing to fetch from broker 1 for now.
    fn waits(&mut self) {
        self.state.fetchers.entry(1).or_default();
        let next = self.state.next_fetch(1, self.now);
        assert!(matches!(next, Next::Wait(None)), "{next:?}");
        self.is_woken();
    }

    /// Whether the loop of broker 1 was woken since the last look.
    fn is_woken(&self) -> bool {
        let woken = pin!(self.state.fetchers[&1].notified());
        woken.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Where the memory of the first batch of `orders[0]` is.
    fn memory(&mut self) -> *const u8 {
        let queue = &mut self.state.positions.get_mut(&orders(0)).unwrap().queue;
        let Some(decode::Item::Raw(batch)) = queue.pop() else { panic!("there is no batch") };
        let memory = batch.bytes().as_ptr();
        queue.unpop(decode::Item::Raw(batch));
        memory
    }
}

fn in_epoch_5(base: i64) -> Bytes {
    testing::bytes_with(base, &[(None, Some(&b"x"[..]), &[][..]); 5], |header| header.partition_leader_epoch = 5)
}

#[test]
fn a_partition_that_is_fetched_again_after_a_flaw() {
    let mut fixture = Fixture::reading(&[], &[(1, 5)]);
    let plan = fixture.plan(1).unwrap();
    let mut old = values(3, 3).to_vec();
    old[16] = 1;
    fixture.answer(&plan, &[(0, Code::None, [values(0, 3), old.into()].concat().into())]);
    fixture.waits();
    assert_eq!(fixture.poll(10).len(), 3);
    assert!(fixture.is_woken());
    let Next::Wait(Some(at)) = fixture.state.next_fetch(1, fixture.now) else { panic!("it is not fetched again") };
    fixture.now = at;
    assert_eq!(asked(fixture.plan(1)), [(0, 3)]);
}

#[test]
fn room_that_a_partition_leaves_which_waits_to_be_validated() {
    let mut fixture = Fixture::full_of_one();
    fixture.state.on_metadata(&metadata(1, &[(1, 6), (1, 6)]));
    // Since it has been asked about nothing was fetched, nor looked at whether there is room.
    fixture.waits();
    assert_eq!(fixture.poll(5), (0..5).map(|offset| (0, offset)).collect::<Vec<_>>());
    assert!(fixture.is_woken());
    assert_eq!(asked(fixture.plan(1)), [(1, 0)]);
}

#[test]
fn room_that_a_partition_leaves_which_goes() {
    let mut fixture = Fixture::full_of_one();
    fixture.waits();
    fixture.state.assign([orders(1)].into(), fixture.now).unwrap();
    assert!(fixture.is_woken());
    assert_eq!(asked(fixture.plan(1)), [(1, 0)]);
}

/// edge 47
#[test]
fn room_that_a_partition_leaves_which_is_paused() {
    let mut fixture = Fixture::full_of_one();
    fixture.waits();
    assert!(fixture.state.pause(&orders(0)));
    assert!(fixture.is_woken());
    assert_eq!(asked(fixture.plan(1)), [(1, 0)]);
}

#[test]
fn a_partition_that_is_paused_again_is_not_copied_again() {
    let mut fixture = Fixture::full_of_one();
    let fetched = fixture.memory();
    fixture.state.pause(&orders(0));
    let copied = fixture.memory();
    assert_ne!(fetched, copied, "it shares no memory with what else was fetched");
    fixture.state.pause(&orders(0));
    assert_eq!(fixture.memory(), copied);
}
