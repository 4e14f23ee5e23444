//! Groups: who reads what, what is committed when, and what a rebalance waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla::config::AssignmentStrategy;
use ottla::{Code, Consumer, ConsumerBuilder, TopicPartition};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::SOON;
use crate::consume::{builder, partition, read, values};

pub(crate) async fn orders(partitions: u16) -> Broker {
    cluster(1, partitions).await
}

async fn cluster(nodes: u16, partitions: u16) -> Broker {
    Broker::start()
        .nodes(nodes)
        .topic("orders", partitions)
        .group_initial_rebalance_delay(Duration::ZERO)
        .in_memory_only()
        .await
}

pub(crate) fn member(broker: &Broker, name: &str) -> ConsumerBuilder {
    builder(broker).group("billing").client_id(name)
}

pub(crate) async fn join(builder: ConsumerBuilder) -> Consumer {
    let consumer = builder.build().unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    consumer
}

/// Waits until it is so, while the consumers poll and throw away what they get.
pub(crate) async fn poll_until(consumers: &[&Consumer], mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "{:?}",
            consumers.iter().map(|consumer| consumer.assignment()).collect::<Vec<_>>()
        );
        for consumer in consumers {
            consumer.poll(Duration::from_millis(10)).await.unwrap();
        }
    }
}

pub(crate) fn has(consumer: &Consumer, count: usize) -> bool {
    consumer.assignment().len() == count
}

pub(crate) fn append(broker: &Broker, number: i32, values: std::ops::Range<i32>) {
    broker.append("orders", number, values.map(|n| n.to_string())).unwrap();
}

pub(crate) fn committed(broker: &Broker, number: i32) -> Option<i64> {
    broker.committed("billing", "orders", number).map(|committed| committed.offset)
}

#[tokio::test(start_paused = true)]
async fn a_lone_member_reads_all_and_its_successor_goes_on_where_it_committed() {
    let broker = orders(3).await;
    for number in 0..3 {
        append(&broker, number, 0..10);
    }
    let first = join(member(&broker, "first").enable_auto_commit(false)).await;
    read(&first, 30).await;
    first.commit().await.unwrap();
    append(&broker, 1, 10..12);
    read(&first, 2).await;
    first.close(SOON).await.unwrap();

    let second = join(member(&broker, "second")).await;
    assert_eq!(read(&second, 2).await, BTreeMap::from([(1, vec!["10".to_owned(), "11".to_owned()])]));
}

#[tokio::test(start_paused = true)]
async fn two_members_share_the_partitions_and_one_that_leaves_gives_its_own_to_the_other() {
    for strategy in [AssignmentStrategy::Range, AssignmentStrategy::RoundRobin] {
        let broker = orders(4).await;
        let builder = |name| member(&broker, name).partition_assignment_strategy(vec![strategy]);
        let first = join(builder("first")).await;
        let second = join(builder("second")).await;
        poll_until(&[&first, &second], || has(&first, 2) && has(&second, 2)).await;
        let both: BTreeSet<_> = first.assignment().into_iter().chain(second.assignment()).collect();
        assert_eq!(both, (0..4).map(partition).collect());
        let is_run = first.assignment().windows(2).all(|pair| pair[0].partition + 1 == pair[1].partition);
        assert_eq!(is_run, strategy == AssignmentStrategy::Range);

        second.close(SOON).await.unwrap();
        poll_until(&[&first], || has(&first, 4)).await;
        assert_eq!(broker.group("billing").unwrap().members.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn members_keep_what_they_have_as_far_as_shares_allow_whichever_way_they_rebalance() {
    for strategy in [AssignmentStrategy::Sticky, AssignmentStrategy::CooperativeSticky] {
        let broker = orders(7).await;
        let builder = |name| member(&broker, name).partition_assignment_strategy(vec![strategy]);
        let first = join(builder("first")).await;
        let second = join(builder("second")).await;
        poll_until(&[&first, &second], || has(&first, 4) && has(&second, 3)).await;
        let before = [first.assignment(), second.assignment()];

        let third = join(builder("third")).await;
        poll_until(&[&first, &second, &third], || has(&third, 2)).await;
        for (member, before) in [&first, &second].into_iter().zip(&before) {
            assert!(member.assignment().iter().all(|kept| before.contains(kept)), "{strategy:?}");
        }

        let before = [first.assignment(), second.assignment()];
        third.close(SOON).await.unwrap();
        poll_until(&[&first, &second], || first.assignment().len() + second.assignment().len() == 7).await;
        for (member, before) in [&first, &second].into_iter().zip(&before) {
            assert!(before.iter().all(|kept| member.assignment().contains(kept)), "{strategy:?}");
        }
    }
}

/// What a poll handed out is done with once the next begins; until then a rebalance waits, and heartbeats go on.
#[tokio::test(start_paused = true)]
async fn a_rebalance_waits_for_the_next_poll_and_commits_before_it_joins() {
    let broker = orders(2).await;
    append(&broker, 0, 0..5);
    let first = join(member(&broker, "first").auto_commit_interval(SOON * 100)).await;
    assert_eq!(first.poll(SOON).await.unwrap().len(), 5);
    broker.forget_requests();
    let second = join(member(&broker, "second")).await;

    // The user is busy with what that poll handed out.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(broker.seen([ApiKey::OffsetCommit]), "");
    let of_first =
        |api| broker.requests().iter().filter(|request| request.api == api && request.client_id == "first").count();
    assert_eq!(of_first(ApiKey::JoinGroup), 0);
    assert!(of_first(ApiKey::Heartbeat) >= 9);
    assert!(has(&first, 2) && has(&second, 0));

    poll_until(&[&first, &second], || has(&first, 1) && has(&second, 1)).await;
    assert_eq!(committed(&broker, 0), Some(5));
    let mut order: Vec<_> =
        broker.requests().iter().filter(|request| request.client_id == "first").map(|request| request.api).collect();
    order.retain(|api| [ApiKey::OffsetCommit, ApiKey::JoinGroup].contains(api));
    assert_eq!(order, [ApiKey::OffsetCommit, ApiKey::JoinGroup]);
}

/// While no record is in the user's hands there is nothing to wait for.
#[tokio::test(start_paused = true)]
async fn a_member_that_holds_no_records_rebalances_without_a_poll() {
    let broker = orders(2).await;
    let first = join(member(&broker, "first")).await;
    poll_until(&[&first], || has(&first, 2)).await;
    let second = join(member(&broker, "second")).await;
    broker.until(|_| has(&first, 1) && has(&second, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_skipped_and_nothing_committed_unread_while_members_come_and_go() {
    let broker = orders(6).await;
    let writer = tokio::spawn({
        let broker = broker.clone();
        async move {
            for n in 0..300 {
                for number in 0..6 {
                    append(&broker, number, n..n + 1);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    let mut all: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    let builder =
        |name| member(&broker, name).auto_commit_interval(Duration::from_millis(500)).max_poll_records(20_usize);
    let steady = join(builder("steady")).await;
    let mut visitor = None;
    let deadline = Instant::now() + SOON;
    let mut round = 0;
    while all.values().map(|values| values.iter().collect::<BTreeSet<_>>().len()).sum::<usize>() < 1_800 {
        assert!(
            Instant::now() < deadline,
            "{:?}",
            all.iter().map(|(number, values)| (number, values.len())).collect::<Vec<_>>()
        );
        values(&steady.poll(Duration::from_millis(50)).await.unwrap(), &mut all);
        round += 1;
        match visitor.take() {
            None => visitor = Some(join(builder("visitor")).await),
            Some(consumer) => {
                values(&consumer.poll(Duration::from_millis(50)).await.unwrap(), &mut all);
                match round % 60 {
                    // Goes without a word, or says goodbye.
                    20 => drop(consumer),
                    50 => consumer.close(SOON).await.unwrap(),
                    _ => visitor = Some(consumer),
                }
            }
        }
    }
    writer.await.unwrap();
    for (number, values) in &all {
        let distinct: BTreeSet<_> = values.iter().collect();
        assert_eq!(distinct.len(), 300, "partition {number}");
    }
}

/// edge 65: what was not handed out, or is still in work, is never committed.
#[tokio::test(start_paused = true)]
async fn automatic_commits_cover_what_earlier_polls_handed_out_and_no_more() {
    let broker = orders(1).await;
    append(&broker, 0, 0..10);
    let consumer = join(member(&broker, "m").max_poll_records(4_usize)).await;
    assert_eq!(consumer.poll(SOON).await.unwrap().len(), 4);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(committed(&broker, 0), None, "the first four may still be in work");
    assert_eq!(consumer.poll(SOON).await.unwrap().len(), 4);
    broker.until(|broker| committed(broker, 0) == Some(4)).await;
    // Within the interval a poll releases and commits nothing.
    assert_eq!(consumer.poll(SOON).await.unwrap().len(), 2);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(committed(&broker, 0), Some(4));
    // Closing says that all are done with.
    consumer.close(SOON).await.unwrap();
    assert_eq!(committed(&broker, 0), Some(10));
    assert_eq!(broker.group("billing").unwrap().members.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_consumer_leaves_and_commits_only_what_is_done_with() {
    let broker = orders(1).await;
    append(&broker, 0, 0..10);
    let consumer = join(member(&broker, "m").max_poll_records(4_usize).auto_commit_interval(SOON * 100)).await;
    assert_eq!(consumer.poll(SOON).await.unwrap().len(), 4);
    assert_eq!(consumer.poll(SOON).await.unwrap().len(), 4);
    drop(consumer);
    broker.until(|broker| broker.group("billing").unwrap().members.is_empty()).await;
    assert_eq!(committed(&broker, 0), Some(4));
}

#[tokio::test(start_paused = true)]
async fn commits_by_hand_are_what_was_handed_out_or_what_was_said() {
    let broker = orders(2).await;
    append(&broker, 0, 0..10);
    let consumer = join(member(&broker, "m").enable_auto_commit(false).max_poll_records(4_usize)).await;
    read(&consumer, 4).await;
    consumer.commit().await.unwrap();
    assert_eq!((committed(&broker, 0), committed(&broker, 1)), (Some(4), Some(0)));
    consumer.commit_offsets([(partition(0), 2), (TopicPartition::new("orders", 1), 7)]).await.unwrap();
    let all = consumer.committed(&[partition(0), partition(1)]).await.unwrap();
    assert_eq!(all[&partition(0)].as_ref().map(|committed| committed.offset), Some(2));
    assert_eq!(all[&partition(1)].as_ref().map(|committed| committed.offset), Some(7));
    tokio::time::sleep(Duration::from_secs(60)).await;
    consumer.poll(Duration::ZERO).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(committed(&broker, 0), Some(2), "nothing is committed by itself");
    consumer.close(SOON).await.unwrap();
    assert_eq!(committed(&broker, 0), Some(2));
}

/// edge 59
#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_poll_loses_its_partitions_and_joins_again_with_its_next_poll() {
    let broker = orders(2).await;
    append(&broker, 0, 0..3);
    append(&broker, 1, 0..3);
    let slow = join(member(&broker, "slow").max_poll_interval(Duration::from_secs(60))).await;
    assert!(!slow.poll(SOON).await.unwrap().is_empty());
    let quick = join(member(&broker, "quick")).await;
    let start = Instant::now();
    poll_until(&[&quick], || has(&quick, 2)).await;
    assert!((55..70).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(slow.assignment().is_empty());
    let error = slow.commit_offsets([(partition(0), 3)]).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::UnknownMemberId), "{error}");

    poll_until(&[&slow, &quick], || has(&slow, 1) && has(&quick, 1)).await;
}

/// A poll that waits is a poll, however long it waits.
#[tokio::test(start_paused = true)]
async fn a_long_wait_in_a_poll_is_no_reason_to_leave() {
    let broker = orders(1).await;
    let consumer = join(member(&broker, "m").max_poll_interval(Duration::from_secs(10))).await;
    consumer.poll(Duration::from_secs(60)).await.unwrap();
    assert!(has(&consumer, 1));
    assert_eq!(broker.group("billing").unwrap().generation, 1);
}

/// edge 52
#[tokio::test(start_paused = true)]
async fn a_member_joins_with_the_id_it_was_given() {
    let broker = orders(1).await;
    let consumer = join(member(&broker, "m")).await;
    poll_until(&[&consumer], || has(&consumer, 1)).await;
    assert_eq!(broker.seen([ApiKey::JoinGroup, ApiKey::SyncGroup]), "JoinGroup JoinGroup SyncGroup");
}

#[tokio::test(start_paused = true)]
async fn new_partitions_are_read_without_anybody_asking() {
    let broker = orders(1).await;
    let consumer = join(member(&broker, "m").metadata_max_age(Duration::from_secs(5))).await;
    poll_until(&[&consumer], || has(&consumer, 1)).await;
    broker.add_partitions("orders", 3).unwrap();
    append(&broker, 2, 0..4);
    assert_eq!(read(&consumer, 4).await.keys().copied().collect::<Vec<_>>(), [2]);
    assert!(has(&consumer, 3));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_comes_later_is_read_once_it_is_there() {
    let broker = Broker::start().auto_create_topics(false).in_memory_only().await;
    let consumer = join(member(&broker, "m")).await;
    assert!(consumer.poll(Duration::from_secs(20)).await.unwrap().is_empty());
    broker.create_topic("orders", 2).unwrap();
    append(&broker, 1, 0..2);
    let start = Instant::now();
    read(&consumer, 2).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn another_subscription_brings_other_partitions() {
    let broker = orders(2).await;
    broker.create_topic("bills", 1).unwrap();
    broker.append("bills", 0, ["b"]).unwrap();
    let consumer = join(member(&broker, "m")).await;
    poll_until(&[&consumer], || has(&consumer, 2)).await;
    consumer.subscribe(["bills"]).await.unwrap();
    assert_eq!(read(&consumer, 1).await[&0], ["b"]);
    assert_eq!(consumer.assignment(), [TopicPartition::new("bills", 0)]);
    consumer.unsubscribe().await.unwrap();
    assert!(consumer.assignment().is_empty());
    assert!(broker.group("billing").unwrap().members.is_empty());
    consumer.subscribe(["orders"]).await.unwrap();
    poll_until(&[&consumer], || has(&consumer, 2)).await;
}

/// KIP-345: a member that comes back under its name within the session finds its partitions; nobody rebalances.
#[tokio::test(start_paused = true)]
async fn a_static_member_that_restarts_moves_nothing() {
    let broker = orders(4).await;
    let other = join(member(&broker, "other")).await;
    let build = || member(&broker, "fixed").group_instance_id("till-1");
    let fixed = join(build()).await;
    poll_until(&[&other, &fixed], || has(&other, 2) && has(&fixed, 2)).await;
    let generation = broker.group("billing").unwrap().generation;
    let before = fixed.assignment();
    fixed.close(SOON).await.unwrap();
    let again = join(build()).await;
    poll_until(&[&other, &again], || has(&again, 2)).await;
    assert_eq!(again.assignment(), before);
    assert_eq!(broker.group("billing").unwrap().generation, generation);
    assert!(has(&other, 2));
}

/// edge 55
#[tokio::test(start_paused = true)]
async fn a_member_whose_name_another_took_says_so_and_stays_away() {
    let broker = orders(1).await;
    let first = join(member(&broker, "first").group_instance_id("till-1")).await;
    poll_until(&[&first], || has(&first, 1)).await;
    let second = join(member(&broker, "second").group_instance_id("till-1")).await;
    poll_until(&[&second], || has(&second, 1)).await;
    for _ in 0..2 {
        let error = loop {
            match first.poll(Duration::from_secs(10)).await {
                Ok(_) => continue,
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), Some(Code::FencedInstanceId), "{error}");
        assert!(first.assignment().is_empty());
    }
    assert!(has(&second, 1));
}

#[tokio::test(start_paused = true)]
async fn an_unsubscribed_consumer_reads_what_it_is_assigned_and_commits_as_nobody() {
    let broker = orders(2).await;
    append(&broker, 1, 0..6);
    broker.commit("billing", "orders", 1, 2);
    let consumer = member(&broker, "m").auto_commit_interval(Duration::from_secs(1)).build().unwrap();
    consumer.assign([partition(1)]).await.unwrap();
    assert_eq!(read(&consumer, 4).await[&1], ["2", "3", "4", "5"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    consumer.poll(Duration::ZERO).await.unwrap();
    broker.until(|broker| committed(broker, 1) == Some(6)).await;
    assert_eq!(broker.count(ApiKey::JoinGroup), 0);
    // What stays assigned goes on where it was.
    consumer.assign([partition(0), partition(1)]).await.unwrap();
    append(&broker, 1, 6..7);
    assert_eq!(read(&consumer, 1).await[&1], ["6"]);
}

/// What a poll found to be due was asked for before what its caller commits afterwards.
#[tokio::test(start_paused = true)]
async fn an_automatic_commit_does_not_undo_the_commit_that_was_asked_for_after_it() {
    let broker = orders(1).await;
    append(&broker, 0, 0..10);
    let interval = Duration::from_secs(1);
    let consumer = join(member(&broker, "m").auto_commit_interval(interval).max_poll_records(5_usize)).await;
    assert_eq!(read(&consumer, 5).await[&0].len(), 5);
    tokio::time::sleep(2 * interval).await;
    broker.forget_requests();
    assert_eq!(consumer.poll(SOON).await.unwrap().len(), 5);
    consumer.commit().await.unwrap();
    let commits = |broker: &Broker| broker.requests().iter().filter(|r| r.api == ApiKey::OffsetCommit).count();
    broker.until(|broker| commits(broker) == 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(committed(&broker, 0), Some(10));
}
