//! Groups when things go wrong: coordinators that move, load, hang or forget, commits that come too late.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla::config::AssignmentStrategy;
use ottla::{Code, Consumer, Retry};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::consume::{partition, read, values};
use crate::groups::{join, member};

async fn cluster(nodes: u16, partitions: u16) -> Broker {
    Broker::start()
        .nodes(nodes)
        .replication_factor(nodes)
        .topic("orders", partitions)
        .group_initial_rebalance_delay(Duration::ZERO)
        .in_memory_only()
        .await
}

async fn joined(broker: &Broker, partitions: usize) -> Consumer {
    let consumer = join(member(broker, "m")).await;
    broker.until(|_| consumer.assignment().len() == partitions).await;
    consumer
}

fn append(broker: &Broker, number: i32, values: std::ops::Range<usize>) {
    broker.append("orders", number, values.map(|n| n.to_string())).unwrap();
}

fn generation(broker: &Broker) -> i32 {
    broker.group("billing").unwrap().generation
}

fn committed(broker: &Broker, number: i32) -> Option<i64> {
    broker.committed("billing", "orders", number).map(|committed| committed.offset)
}

/// edge 57: a coordinator that moved, or still loads, costs no partition.
#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moves_is_found_again_and_the_assignment_stays() {
    let broker = cluster(3, 2).await;
    let consumer = joined(&broker, 2).await;
    let before = generation(&broker);
    for node in [0, 1, 2, 0] {
        broker.move_coordinator("billing", node).unwrap();
        append(&broker, 0, 0..2);
        read(&consumer, 2).await;
        consumer.commit().await.unwrap();
        consumer.poll(Duration::from_secs(5)).await.unwrap();
        assert_eq!(consumer.assignment().len(), 2);
    }
    assert_eq!(generation(&broker), before);
    assert_eq!(committed(&broker, 0), Some(8));
}

/// edge 57, on every request that a member makes.
#[tokio::test(start_paused = true)]
async fn every_passing_refusal_of_a_coordinator_is_waited_out() {
    for api in [
        ApiKey::FindCoordinator,
        ApiKey::JoinGroup,
        ApiKey::SyncGroup,
        ApiKey::OffsetFetch,
        ApiKey::Heartbeat,
        ApiKey::OffsetCommit,
    ] {
        for code in [Code::CoordinatorLoadInProgress, Code::CoordinatorNotAvailable, Code::NotCoordinator] {
            if (api, code) == (ApiKey::FindCoordinator, Code::NotCoordinator) {
                continue;
            }
            let broker = cluster(2, 2).await;
            append(&broker, 1, 0..3);
            broker.times(2, api, code.to_wire());
            let consumer = join(member(&broker, "m")).await;
            assert_eq!(read(&consumer, 3).await[&1].len(), 3, "{api:?} {code}");
            consumer.poll(Duration::from_secs(10)).await.unwrap();
            consumer.commit().await.unwrap();
            assert_eq!(committed(&broker, 1), Some(3), "{api:?} {code}");
            // Without the answer to its sync a member has to join again.
            assert!(generation(&broker) == 1 || api == ApiKey::SyncGroup, "{api:?} {code}");
        }
    }
}

/// A coordinator that hangs is left for the one that took over, within a second of that.
#[tokio::test(start_paused = true)]
async fn a_silent_coordinator_is_left_as_soon_as_there_is_another() {
    let broker = cluster(3, 1).await;
    let consumer = joined(&broker, 1).await;
    append(&broker, 0, 0..1);
    read(&consumer, 1).await;
    let silent = broker.coordinator("billing").unwrap();
    let leader = broker.leader("orders", 0).unwrap();
    let other = [0, 1, 2].into_iter().find(|node| *node != silent).unwrap();
    if leader == silent {
        broker.move_leader("orders", 0, other).unwrap();
        append(&broker, 0, 1..2);
        read(&consumer, 1).await;
    }
    broker.node(silent).pause();
    let commit = tokio::spawn({
        let consumer = consumer.clone();
        async move { (consumer.commit().await, Instant::now()) }
    });
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(!commit.is_finished());
    broker.move_coordinator("billing", other).unwrap();
    let moved = Instant::now();
    let (outcome, at) = commit.await.unwrap();
    outcome.unwrap();
    assert!(at - moved < Duration::from_secs(1), "{:?}", at - moved);
    // Membership goes on there as well: the session does not end.
    broker.forget_requests();
    consumer.poll(Duration::from_secs(60)).await.unwrap();
    let heartbeats =
        broker.requests().iter().filter(|request| request.api == ApiKey::Heartbeat && request.node == other).count();
    assert!(heartbeats >= 19, "{heartbeats}");
    assert_eq!((consumer.assignment().len(), generation(&broker)), (1, 1));
}

/// A join that waits at a coordinator that hangs is made again where the group went.
#[tokio::test(start_paused = true)]
async fn a_join_does_not_wait_for_ever_on_a_silent_coordinator() {
    let broker = cluster(3, 1).await;
    let silent = broker.coordinator("billing").unwrap();
    let other = [0, 1, 2].into_iter().find(|node| *node != silent).unwrap();
    broker.on(ApiKey::JoinGroup).node(silent).always().hold();
    let consumer = join(member(&broker, "m")).await;
    broker.until(|broker| broker.held() > 0).await;
    if broker.leader("orders", 0) == Some(silent) {
        broker.move_leader("orders", 0, other).unwrap();
    }
    broker.node(silent).pause();
    broker.move_coordinator("billing", other).unwrap();
    let start = Instant::now();
    append(&broker, 0, 0..1);
    read(&consumer, 1).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// edges 53, 54: the coordinator went on without this member: nothing is committed for what was lost, and it comes back.
#[tokio::test(start_paused = true)]
async fn an_expelled_member_drops_its_partitions_and_joins_again() {
    for code in [Code::UnknownMemberId, Code::IllegalGeneration] {
        let broker = cluster(1, 1).await;
        append(&broker, 0, 0..10);
        let consumer = join(member(&broker, "m").max_poll_records(4_usize)).await;
        assert_eq!(read(&consumer, 4).await[&0].len(), 4);
        broker.forget_requests();
        broker.once(ApiKey::Heartbeat, code.to_wire());
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(committed(&broker, 0), None);
        let again = read(&consumer, 4).await;
        assert_eq!(again[&0], ["0", "1", "2", "3"], "{code}: not committed, so read again");
        let joins = broker.seen([ApiKey::JoinGroup]);
        // Without its id it first has to get a new one.
        assert_eq!(joins.split(' ').count(), if code == Code::UnknownMemberId { 2 } else { 1 }, "{code}");
    }
}

/// edge 56
#[tokio::test(start_paused = true)]
async fn a_commit_amid_a_rebalance_says_to_poll_first() {
    let broker = cluster(1, 2).await;
    append(&broker, 0, 0..4);
    let consumer = join(member(&broker, "m").enable_auto_commit(false)).await;
    read(&consumer, 4).await;
    broker.once(ApiKey::OffsetCommit, Code::RebalanceInProgress.to_wire());
    let error = consumer.commit().await.unwrap_err();
    assert_eq!((error.code(), error.retry()), (Some(Code::RebalanceInProgress), Retry::Backoff), "{error}");
    assert!(error.to_string().contains("orders[0] at offset 4"), "{error}");
    // The rebalance that the coordinator spoke of waits for the next poll, and so can the commit.
    consumer.commit().await.unwrap();
    assert_eq!(committed(&broker, 0), Some(4));
    let before = generation(&broker);
    consumer.poll(Duration::from_secs(1)).await.unwrap();
    broker.until(|broker| generation(broker) > before && consumer.assignment().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_comes_too_late_fails_and_changes_nothing() {
    let broker = cluster(1, 1).await;
    append(&broker, 0, 0..4);
    let consumer = join(member(&broker, "m").enable_auto_commit(false)).await;
    read(&consumer, 4).await;
    broker.once(ApiKey::OffsetCommit, Code::IllegalGeneration.to_wire());
    let error = consumer.commit().await.unwrap_err();
    assert_eq!(error.code(), Some(Code::IllegalGeneration));
    assert!(!error.is_retriable());
    assert_eq!(committed(&broker, 0), None);
    assert_eq!(read(&consumer, 4).await[&0].len(), 4, "lost, and read again");
}

/// edge 63
#[tokio::test(start_paused = true)]
async fn an_offset_that_a_transaction_may_still_change_is_waited_for() {
    let broker = cluster(1, 1).await;
    append(&broker, 0, 0..4);
    broker.commit("billing", "orders", 0, 2);
    broker.times(3, ApiKey::OffsetFetch, Code::UnstableOffsetCommit.to_wire());
    let consumer = join(member(&broker, "m")).await;
    assert_eq!(read(&consumer, 2).await[&0], ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn what_waiting_cannot_mend_is_said_by_a_poll_and_tried_again() {
    for (api, code) in [
        (ApiKey::FindCoordinator, Code::GroupAuthorizationFailed),
        (ApiKey::JoinGroup, Code::GroupAuthorizationFailed),
        (ApiKey::JoinGroup, Code::InconsistentGroupProtocol),
        (ApiKey::JoinGroup, Code::GroupMaxSizeReached),
        (ApiKey::JoinGroup, Code::InvalidSessionTimeout),
        (ApiKey::SyncGroup, Code::GroupAuthorizationFailed),
        (ApiKey::Heartbeat, Code::GroupAuthorizationFailed),
        (ApiKey::OffsetFetch, Code::GroupAuthorizationFailed),
    ] {
        let broker = cluster(1, 1).await;
        append(&broker, 0, 0..4);
        broker.once(api, code.to_wire());
        let consumer = join(member(&broker, "m")).await;
        let mut errors = Vec::new();
        let mut all = BTreeMap::new();
        for _ in 0..6 {
            match consumer.poll(Duration::from_secs(2)).await {
                Ok(records) => values(&records, &mut all),
                Err(error) => errors.push(error),
            }
        }
        assert_eq!(errors.len(), 1, "{api:?} {code}: {errors:?}");
        assert_eq!(errors[0].code(), Some(code));
        assert!(errors[0].to_string().contains("billing"), "{}", errors[0]);
        assert!(all.get(&0).is_some_and(|values| values.len() >= 4), "{api:?} {code}: it went on, {errors:?}");
    }
}

/// edge 66: the leader asked about the topics of the assignment before; till it has joined anew, that goes on.
#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_topic_is_not_said_once_it_is_not_wanted_any_more() {
    let broker = cluster(1, 1).await;
    append(&broker, 0, 0..2);
    let consumer = member(&broker, "m").metadata_max_age(Duration::from_secs(1)).build().unwrap();
    consumer.subscribe(["no such topic!"]).await.unwrap();
    let error = consumer.poll(Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::InvalidTopicException));
    broker.until(|broker| broker.group("billing").is_some_and(|group| group.state == "Stable")).await;
    broker.hold(ApiKey::JoinGroup);
    consumer.subscribe(["orders"]).await.unwrap();
    for _ in 0..5 {
        assert!(consumer.poll(Duration::from_secs(1)).await.unwrap().is_empty());
    }
    broker.clear();
    broker.release();
    read(&consumer, 2).await;
}

/// edge 68
#[tokio::test(start_paused = true)]
async fn closing_amid_a_rebalance_does_not_hang() {
    let broker = cluster(1, 2).await;
    let first = joined(&broker, 2).await;
    append(&broker, 0, 0..4);
    // Holds records, so the rebalance waits for it.
    read(&first, 4).await;
    let second = join(member(&broker, "second")).await;
    broker.until(|broker| broker.group("billing").unwrap().state == "PreparingRebalance").await;
    let start = Instant::now();
    second.close(Duration::from_secs(5)).await.unwrap();
    first.close(Duration::from_secs(5)).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(broker.group("billing").unwrap().members.is_empty());
    assert_eq!(committed(&broker, 0), Some(4));
}

#[tokio::test(start_paused = true)]
async fn closing_without_a_coordinator_takes_no_longer_than_it_may() {
    let broker = cluster(1, 1).await;
    let consumer = joined(&broker, 1).await;
    append(&broker, 0, 0..4);
    read(&consumer, 4).await;
    broker.node(0).pause();
    let start = Instant::now();
    assert!(consumer.close(Duration::from_secs(3)).await.is_err());
    assert_eq!(start.elapsed().as_secs(), 3);
}

/// A member that dies says nothing; after its session its partitions go to the others, from where it committed.
#[tokio::test(start_paused = true)]
async fn what_a_member_had_when_it_died_is_read_by_another() {
    let broker = cluster(1, 2).await;
    for number in 0..2 {
        append(&broker, number, 0..10);
    }
    let builder = |name| member(&broker, name).session_timeout(Duration::from_secs(10)).max_poll_records(3_usize);
    let doomed = join(builder("doomed")).await;
    read(&doomed, 6).await;
    doomed.commit().await.unwrap();
    for api in [ApiKey::Heartbeat, ApiKey::OffsetCommit, ApiKey::JoinGroup, ApiKey::LeaveGroup, ApiKey::FindCoordinator]
    {
        broker.on(api).client_id("doomed").always().ignore();
    }
    let heir = join(builder("heir")).await;
    let start = Instant::now();
    let all = read(&heir, 14).await;
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    for number in 0..2 {
        let first = committed(&broker, number).unwrap();
        assert!(all[&number].contains(&"9".to_owned()) && all[&number].len() <= 10 && first > 0, "{all:?}");
    }
    assert_eq!(all.values().map(Vec::len).sum::<usize>(), 14, "what was committed is not read again");
    assert_eq!(heir.position(&partition(0)).await.unwrap(), 10);
}

/// edge 56: another member may have read on meanwhile. A partition that is back is not the one that was lost.
#[tokio::test(start_paused = true)]
async fn a_commit_whose_partition_was_lost_and_is_back_when_its_turn_comes_writes_nothing() {
    let broker = cluster(1, 1).await;
    append(&broker, 0, 0..9);
    let strategy = vec![AssignmentStrategy::CooperativeSticky];
    let consumer = join(member(&broker, "m").enable_auto_commit(false).partition_assignment_strategy(strategy)).await;
    read(&consumer, 9).await;
    broker.hold(ApiKey::OffsetCommit);
    let first = consumer.enqueue_commit_offsets([(partition(0), 5)]).unwrap();
    let second = tokio::spawn({
        let consumer = consumer.clone();
        async move { consumer.commit_offsets([(partition(0), 3)]).await }
    });
    broker.until(|broker| broker.held() == 1).await;
    let before = generation(&broker);
    broker.once(ApiKey::Heartbeat, Code::IllegalGeneration.to_wire());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((generation(&broker), consumer.assignment().len()), (before + 1, 1), "lost, and back");
    broker.clear();
    first.await.unwrap();
    assert_eq!(second.await.unwrap().unwrap_err().code(), Some(Code::IllegalGeneration));
    assert_eq!(committed(&broker, 0), Some(5));
    assert_eq!(read(&consumer, 4).await[&0], ["5", "6", "7", "8"]);
}

/// edge 54: what it holds may be others' by now, and the coordinator alone can tell.
#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_for_a_session_hands_out_nothing_before_it_knows_that_it_is_a_member() {
    let broker = cluster(1, 1).await;
    append(&broker, 0, 0..9);
    let consumer = join(member(&broker, "m").enable_auto_commit(false).max_poll_records(1_usize)).await;
    assert_eq!(read(&consumer, 1).await[&0], ["0"]);
    // The rest is fetched.
    tokio::time::sleep(Duration::from_secs(1)).await;
    tokio::time::advance(Duration::from_secs(50)).await;
    let start = Instant::now();
    assert!(consumer.poll(Duration::ZERO).await.unwrap().is_empty(), "it has to ask first");
    assert_eq!(read(&consumer, 1).await[&0], ["0"], "it was expelled, and starts where its group stands");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// The coordinator's silence is not the consumer's: what is there is read, as by Java's client.
#[tokio::test(start_paused = true)]
async fn records_are_handed_out_while_the_coordinator_is_silent_however_long_that_is() {
    let broker = cluster(1, 1).await;
    append(&broker, 0, 0..200);
    let consumer = join(member(&broker, "m").enable_auto_commit(false).max_poll_records(1_usize)).await;
    read(&consumer, 1).await;
    broker.on(ApiKey::Heartbeat).always().ignore();
    for _ in 0..100 {
        assert_eq!(consumer.poll(Duration::ZERO).await.unwrap().len(), 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_is_not_held_up_for_longer_than_its_question_may_take() {
    let broker = cluster(1, 1).await;
    append(&broker, 0, 0..9);
    let consumer = join(member(&broker, "m").enable_auto_commit(false).max_poll_records(1_usize)).await;
    read(&consumer, 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    broker.on(ApiKey::Heartbeat).always().ignore();
    tokio::time::advance(Duration::from_secs(50)).await;
    let start = Instant::now();
    assert_eq!(read(&consumer, 1).await[&0], ["1"]);
    let took = start.elapsed().as_secs();
    assert!((29..=31).contains(&took), "{took} s, of request.timeout.ms");
}
