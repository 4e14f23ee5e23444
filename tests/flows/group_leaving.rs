//! How members leave, or remain: by their names, by what they are told, and in the middle of things.

use std::time::Duration;

use ottla::config::GroupProtocol;
use ottla::{CloseOptions, Code, ConsumerBuilder, GroupMembershipOperation, Kind};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::SOON;
use crate::consume::{partition, read};
use crate::groups::{append, committed, has, join, member, orders, poll_until};

fn fixed(broker: &Broker) -> ConsumerBuilder {
    member(broker, "fixed").group_instance_id("till-1")
}

fn members(broker: &Broker) -> usize {
    broker.group("billing").map_or(0, |group| group.members.len())
}

/// KIP-1092, KIP-345
#[tokio::test(start_paused = true)]
async fn a_closed_member_leaves_or_remains_as_it_is_told() {
    use GroupMembershipOperation::{Default, LeaveGroup, RemainInGroup};
    for (is_fixed, operation, remains) in [
        (false, Default, false),
        (false, LeaveGroup, false),
        (false, RemainInGroup, true),
        (true, Default, true),
        (true, LeaveGroup, false),
        (true, RemainInGroup, true),
    ] {
        let broker = orders(1).await;
        append(&broker, 0, 0..3);
        let consumer = join(if is_fixed { fixed(&broker) } else { member(&broker, "m") }).await;
        read(&consumer, 3).await;
        let options = CloseOptions::new().timeout(SOON).group_membership(operation);
        consumer.close_with(options).await.unwrap();
        assert_eq!(members(&broker), usize::from(remains), "{is_fixed} {operation:?}");
        assert_eq!(committed(&broker, 0), Some(3), "committed either way");
        // The session of one that is gone for good ends by itself.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(members(&broker), 0);
    }
}

/// Else nobody reads its partitions until its session has timed out.
#[tokio::test(start_paused = true)]
async fn a_member_that_leaves_says_so_again_until_it_is_known_to_have_arrived() {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let api = match protocol {
            GroupProtocol::Classic => ApiKey::LeaveGroup,
            _ => ApiKey::ConsumerGroupHeartbeat,
        };
        for fault in ["moved", "loads", "closes the connection", "closes it instead of answering"] {
            let broker = orders(1).await;
            let consumer = join(member(&broker, "m").group_protocol(protocol)).await;
            poll_until(&[&consumer], || has(&consumer, 1)).await;
            let faults = broker.on(api).times(2);
            match fault {
                "moved" => faults.error(Code::NotCoordinator.to_wire()),
                "loads" => faults.error(Code::CoordinatorLoadInProgress.to_wire()),
                "closes the connection" => faults.refuse(),
                _ => faults.times(1).drop_after(),
            }
            let start = Instant::now();
            consumer.close(SOON).await.unwrap();
            assert_eq!(members(&broker), 0, "{protocol:?}, {fault}");
            assert!(start.elapsed() < Duration::from_secs(2), "{protocol:?}, {fault}: {:?}", start.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_that_is_asked_for_happens_and_says_why() {
    let broker = orders(2).await;
    let consumer = member(&broker, "m").build().unwrap();
    assert_eq!(consumer.enforce_rebalance("").await.unwrap_err().kind(), Kind::State);
    consumer.subscribe(["orders"]).await.unwrap();
    poll_until(&[&consumer], || has(&consumer, 2)).await;
    let generation = broker.group("billing").unwrap().generation;
    consumer.enforce_rebalance("moved to another rack").await.unwrap();
    consumer.poll(Duration::from_secs(1)).await.unwrap();
    broker.until(|broker| broker.group("billing").unwrap().generation == generation + 1).await;
    poll_until(&[&consumer], || has(&consumer, 2)).await;
}

/// edge 68: the rebalance is over, or not, and either way nothing hangs and nothing is left behind.
#[tokio::test(start_paused = true)]
async fn closing_in_any_phase_of_a_rebalance_is_soon_over_and_leaves_nothing_behind() {
    for api in [ApiKey::FindCoordinator, ApiKey::JoinGroup, ApiKey::SyncGroup, ApiKey::OffsetFetch, ApiKey::Heartbeat] {
        let broker = orders(2).await;
        broker.hold(api);
        let consumer = join(member(&broker, "m")).await;
        broker.until(|broker| broker.held() > 0).await;
        let start = Instant::now();
        // Where even the coordinator is not known, there is nobody to tell.
        let _ = consumer.close(Duration::from_secs(5)).await;
        assert!(start.elapsed() <= Duration::from_secs(5), "{api:?}: {:?}", start.elapsed());
        assert!(consumer.assignment().is_empty());
        assert_eq!(consumer.poll(SOON).await.unwrap_err().kind(), Kind::Closed);
        broker.clear();
        broker.release();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(members(&broker), 0, "{api:?}");
    }
}

/// edge 58: the group waits for its members longer than a request may take.
#[tokio::test(start_paused = true)]
async fn a_join_waits_for_the_other_members_as_long_as_they_may_take() {
    let broker = orders(2).await;
    let first = join(member(&broker, "first").max_poll_interval(Duration::from_secs(120))).await;
    append(&broker, 0, 0..1);
    read(&first, 1).await;
    let second = member(&broker, "second")
        .max_poll_interval(Duration::from_secs(120))
        .request_timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    second.subscribe(["orders"]).await.unwrap();
    // One is busy, longer than a request's timeout.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let joins = |broker: &Broker| {
        let is_join =
            |request: &&ottla_broker::Request| request.api == ApiKey::JoinGroup && request.client_id == "second";
        broker.requests().iter().filter(is_join).count()
    };
    assert_eq!(joins(&broker), 2, "with the id that it was given, and no more");
    poll_until(&[&first, &second], || has(&first, 1) && has(&second, 1)).await;
}

/// edge 55: the coordinator knows another under its name: that is told by every poll, and it stays away.
#[tokio::test(start_paused = true)]
async fn a_fenced_member_is_told_so_by_whatever_request_finds_out() {
    for api in [ApiKey::JoinGroup, ApiKey::SyncGroup, ApiKey::Heartbeat, ApiKey::OffsetCommit] {
        let broker = orders(1).await;
        append(&broker, 0, 0..3);
        let consumer = fixed(&broker).enable_auto_commit(false).build().unwrap();
        broker.once(api, Code::FencedInstanceId.to_wire());
        consumer.subscribe(["orders"]).await.unwrap();
        if matches!(api, ApiKey::Heartbeat | ApiKey::OffsetCommit) {
            read(&consumer, 3).await;
        }
        if api == ApiKey::OffsetCommit {
            assert_eq!(consumer.commit().await.unwrap_err().code(), Some(Code::FencedInstanceId));
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        for _ in 0..2 {
            let error = consumer.poll(SOON).await.unwrap_err();
            assert_eq!(error.code(), Some(Code::FencedInstanceId), "{api:?}");
        }
        assert!(consumer.assignment().is_empty());
    }
}

/// Commits in the background keep their order, and one for everything comes after them.
#[tokio::test(start_paused = true)]
async fn commits_are_made_in_the_order_in_which_they_were_asked_for() {
    let broker = orders(1).await;
    append(&broker, 0, 0..9);
    let consumer = join(member(&broker, "m").enable_auto_commit(false)).await;
    read(&consumer, 9).await;
    broker.hold(ApiKey::OffsetCommit);
    let earlier: Vec<_> =
        (1..=5).map(|offset| consumer.enqueue_commit_offsets([(partition(0), offset)]).unwrap()).collect();
    let committing = tokio::spawn({
        let consumer = consumer.clone();
        async move { consumer.commit_offsets([(partition(0), 6)]).await }
    });
    for expected in 1..=6 {
        broker.until(|broker| broker.held() == 1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((broker.held(), committed(&broker, 0)), (1, Some(expected)), "one after the other");
        assert!(broker.release_one());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for commit in earlier {
        commit.await.unwrap();
    }
    committing.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_commit_in_the_background_goes_on_without_anybody_and_closing_waits_for_it() {
    let broker = orders(1).await;
    append(&broker, 0, 0..9);
    let consumer = join(member(&broker, "m").enable_auto_commit(false)).await;
    read(&consumer, 9).await;
    broker.delay(ApiKey::OffsetCommit, Duration::from_secs(2));
    drop(consumer.enqueue_commit().unwrap());
    consumer.close(SOON).await.unwrap();
    assert_eq!(committed(&broker, 0), Some(9));
    assert_eq!(consumer.enqueue_commit().unwrap_err().kind(), Kind::Closed);
}

/// As with the Java client, a later commit makes up for one that failed.
#[tokio::test(start_paused = true)]
async fn a_commit_in_the_background_is_tried_once() {
    let broker = orders(1).await;
    append(&broker, 0, 0..9);
    let consumer = join(member(&broker, "m").enable_auto_commit(false)).await;
    read(&consumer, 9).await;
    broker.once(ApiKey::OffsetCommit, Code::CoordinatorLoadInProgress.to_wire());
    let error = consumer.enqueue_commit().unwrap().await.unwrap_err();
    assert!(error.is_retriable() && committed(&broker, 0).is_none(), "{error}");
    consumer.enqueue_commit().unwrap().await.unwrap();
    assert_eq!(committed(&broker, 0), Some(9));
}

/// What a member has committed itself is done with: what it commits on leaving, without being asked, does not lead back
/// behind that.
#[tokio::test(start_paused = true)]
async fn leaving_takes_back_no_commit() {
    for is_whole in [true, false] {
        let broker = orders(1).await;
        append(&broker, 0, 0..3);
        let consumer = join(member(&broker, "m")).await;
        read(&consumer, 3).await;
        if is_whole {
            consumer.commit().await.unwrap();
        } else {
            consumer.enqueue_commit_offsets([(partition(0), 2_i64)]).unwrap().await.unwrap();
        }
        consumer.unsubscribe().await.unwrap();
        assert_eq!(committed(&broker, 0), Some(if is_whole { 3 } else { 2 }));
    }
}
