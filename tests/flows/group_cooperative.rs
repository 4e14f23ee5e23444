//! Cooperative rebalances (KIP-429): only what another member gets is given up, and all else is read on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla::{
    Assignor, Code, Consumer, ConsumerBuilder, GroupMember, GroupTopics, MemberAssignment, RebalanceProtocol,
    Subscription, TopicPartition,
};
use ottla_broker::{ApiKey, Broker};

use crate::SOON;
use crate::consume::{partition, read};
use crate::group_listener::Diary;
use crate::groups::{append, committed, has, member, orders, poll_until};

/// Everybody keeps what it has, up to its share; what has no owner goes to those who have less.
struct Keep;

impl Assignor for Keep {
    fn name(&self) -> &str {
        "keep"
    }

    fn supported_protocols(&self) -> &[RebalanceProtocol] {
        &[RebalanceProtocol::Cooperative]
    }

    fn assign(
        &self,
        members: &[GroupMember],
        topics: &GroupTopics,
    ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>> {
        let owned: BTreeSet<_> = members.iter().flat_map(|member| member.owned_partitions.iter().cloned()).collect();
        let mut free = topics.iter().filter(|partition| !owned.contains(partition));
        let share = topics.iter().count().div_ceil(members.len());
        let mut assigned = BTreeMap::new();
        for member in members {
            let mut partitions: Vec<TopicPartition> = member.owned_partitions.iter().take(share).cloned().collect();
            partitions.extend(free.by_ref().take(share - partitions.len()));
            assigned.insert(member.member_id.clone(), partitions.into());
        }
        Ok(assigned)
    }
}

fn keeping(broker: &Broker, name: &str) -> ConsumerBuilder {
    member(broker, name).assignor(Keep)
}

async fn joined(builder: ConsumerBuilder, diary: &Diary) -> Consumer {
    let consumer = builder.build().unwrap();
    consumer.subscribe_to(Subscription::topics(["orders"]).listener(diary.clone())).await.unwrap();
    consumer
}

#[tokio::test(start_paused = true)]
async fn only_what_another_gets_is_revoked_and_the_rest_is_read_on_without_a_break() {
    let broker = orders(4).await;
    for number in 0..4 {
        append(&broker, number, 0..5);
    }
    let mine = Diary::default();
    let first = joined(keeping(&broker, "first"), &mine).await;
    read(&first, 20).await;
    broker.forget_requests();
    let second = joined(keeping(&broker, "second"), &Diary::default()).await;
    poll_until(&[&first, &second], || has(&first, 2) && has(&second, 2)).await;
    let moved: Vec<_> = mine.entries().into_iter().filter(|entry| entry != "assigned []").collect();
    assert_eq!(moved, ["assigned [0, 1, 2, 3]", "revoked [2, 3]"]);
    assert_eq!(first.assignment(), [partition(0), partition(1)]);
    assert_eq!(second.assignment(), [partition(2), partition(3)]);
    assert_eq!((committed(&broker, 2), committed(&broker, 3)), (Some(5), Some(5)), "before they went");
    // What stayed was not looked up again, and nothing of it is read twice.
    let looked_up = broker
        .requests()
        .iter()
        .filter(|request| request.api == ApiKey::OffsetFetch && request.client_id == "first")
        .count();
    assert_eq!(looked_up, 0);
    for number in 0..4 {
        append(&broker, number, 5..7);
    }
    assert_eq!(read(&first, 4).await, BTreeMap::from([0, 1].map(|n| (n, vec!["5".to_owned(), "6".to_owned()]))));
    assert_eq!(read(&second, 4).await, BTreeMap::from([2, 3].map(|n| (n, vec!["5".to_owned(), "6".to_owned()]))));
}

/// A member that keeps its partitions need not poll for others to join.
#[tokio::test(start_paused = true)]
async fn a_rebalance_that_takes_nothing_needs_no_poll_and_hands_out_all_the_while() {
    let broker = orders(1).await;
    append(&broker, 0, 0..3);
    let diary = Diary::default();
    let first = joined(keeping(&broker, "first").max_poll_records(1_usize), &diary).await;
    read(&first, 1).await;
    let second = joined(keeping(&broker, "second"), &Diary::default()).await;
    broker.until(|broker| broker.group("billing").is_some_and(|group| group.members.len() == 2)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(has(&first, 1) && has(&second, 0));
    assert_eq!(read(&first, 2).await[&0], ["1", "2"]);
    assert_eq!(diary.entries(), ["assigned [0]", "assigned []"]);
}

/// edge 56: what is kept may be committed amid the rebalance, whatever generation that ends in.
#[tokio::test(start_paused = true)]
async fn a_commit_amid_a_cooperative_rebalance_succeeds_for_what_is_kept() {
    for code in [Code::RebalanceInProgress, Code::None] {
        let broker = orders(2).await;
        append(&broker, 0, 0..5);
        let first = joined(keeping(&broker, "first").enable_auto_commit(false), &Diary::default()).await;
        read(&first, 5).await;
        let second = joined(keeping(&broker, "second"), &Diary::default()).await;
        if code == Code::RebalanceInProgress {
            broker.once(ApiKey::OffsetCommit, code.to_wire());
        }
        first.commit().await.unwrap();
        assert_eq!(committed(&broker, 0), Some(5), "{code}");
        poll_until(&[&first, &second], || has(&first, 1) && has(&second, 1)).await;
    }
}

/// edge 54
#[tokio::test(start_paused = true)]
async fn an_expelled_member_loses_all_that_it_had_and_claims_nothing() {
    let broker = orders(2).await;
    append(&broker, 0, 0..5);
    let diary = Diary::default();
    let consumer = joined(keeping(&broker, "m").enable_auto_commit(false), &diary).await;
    read(&consumer, 5).await;
    broker.once(ApiKey::Heartbeat, Code::UnknownMemberId.to_wire());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(read(&consumer, 5).await[&0].len(), 5, "read again from where nothing was committed");
    assert_eq!(diary.entries(), ["assigned [0, 1]", "lost [0, 1]", "assigned [0, 1]"]);
}

/// Three come, one leaves, and records are written all the while.
#[tokio::test(start_paused = true)]
async fn nothing_is_skipped_while_cooperative_members_come_and_go() {
    let broker = orders(6).await;
    let mut seen: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    let mut members = Vec::new();
    for round in 0..5 {
        for number in 0..6 {
            append(&broker, number, round * 10..round * 10 + 10);
        }
        match round {
            0..3 => members.push(joined(keeping(&broker, &format!("m{round}")), &Diary::default()).await),
            3 => members.remove(1).close(SOON).await.unwrap(),
            _ => {}
        }
        for _ in 0..30 {
            for consumer in &members {
                crate::consume::values(&consumer.poll(Duration::from_millis(100)).await.unwrap(), &mut seen);
            }
        }
    }
    let expected: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    for number in 0..6 {
        assert_eq!(seen[&number], expected, "partition {number}: all, in order, and none twice");
    }
}
