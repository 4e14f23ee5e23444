//! Topics by regular expression: what matches is read, what comes is found, what goes is left.

use std::collections::BTreeSet;
use std::time::Duration;

use ottla::config::AssignmentStrategy;
use ottla::{Consumer, ConsumerBuilder, Kind, Subscription, TopicPartition};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::SOON;
use crate::group_listener::Diary;
use crate::groups::member;

async fn broker(topics: &[&str]) -> Broker {
    let builder = Broker::start().group_initial_rebalance_delay(Duration::ZERO).in_memory_only();
    topics.iter().fold(builder, |builder, topic| builder.topic(*topic, 1)).await
}

fn seeker(broker: &Broker, name: &str) -> ConsumerBuilder {
    member(broker, name)
        .metadata_max_age(Duration::from_secs(30))
        .partition_assignment_strategy(vec![AssignmentStrategy::RoundRobin])
}

async fn matching(builder: ConsumerBuilder, pattern: &str) -> Consumer {
    let consumer = builder.build().unwrap();
    consumer.subscribe_to(Subscription::pattern(pattern).unwrap()).await.unwrap();
    consumer
}

fn topics(consumer: &Consumer) -> Vec<String> {
    consumer.assignment().iter().map(|partition| partition.topic.to_string()).collect()
}

/// Polls until these are assigned.
async fn until_assigned(consumer: &Consumer, expected: &[&str]) {
    let deadline = Instant::now() + SOON;
    while topics(consumer) != expected {
        assert!(Instant::now() < deadline, "{:?}", topics(consumer));
        consumer.poll(Duration::from_secs(1)).await.unwrap();
    }
}

fn append(broker: &Broker, topic: &str, value: &str) {
    broker.append(topic, 0, [value.to_owned()]).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pattern_reads_what_matches_as_a_whole_and_what_comes_within_the_age_of_metadata() {
    let broker = broker(&["orders-eu", "orders-us", "orders", "my-orders-eu"]).await;
    let consumer = matching(seeker(&broker, "m"), "orders-(eu|us|uk)").await;
    until_assigned(&consumer, &["orders-eu", "orders-us"]).await;
    assert_eq!(consumer.subscription(), ["orders-eu".into(), "orders-us".into()]);

    broker.create_topic("orders-uk", 1).unwrap();
    let start = Instant::now();
    until_assigned(&consumer, &["orders-eu", "orders-uk", "orders-us"]).await;
    assert!(start.elapsed() <= Duration::from_secs(35), "{:?}", start.elapsed());
    append(&broker, "orders-uk", "tea");
    let records = consumer.poll(SOON).await.unwrap();
    assert_eq!(records.iter().map(|record| record.topic()).collect::<Vec<_>>(), ["orders-uk"]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_deleted_leaves_and_the_listener_hears_of_it() {
    let broker = broker(&["orders-eu", "orders-us"]).await;
    let diary = Diary::default();
    let consumer = seeker(&broker, "m").build().unwrap();
    let subscription = Subscription::pattern("orders-.*").unwrap().listener(diary.clone());
    consumer.subscribe_to(subscription).await.unwrap();
    until_assigned(&consumer, &["orders-eu", "orders-us"]).await;
    consumer.poll(Duration::ZERO).await.unwrap();
    assert!(broker.delete_topic("orders-us"));
    until_assigned(&consumer, &["orders-eu"]).await;
    consumer.poll(Duration::ZERO).await.unwrap();
    assert_eq!(diary.entries(), ["assigned [0, 0]", "revoked [0, 0]", "assigned [0]"]);
    assert_eq!(consumer.subscription(), ["orders-eu".into()]);
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_pattern_matches_nothing_yet_is_a_member_all_the_same() {
    let broker = broker(&["bills"]).await;
    let consumer = matching(seeker(&broker, "m"), "orders.*").await;
    broker.until(|broker| broker.group("billing").is_some_and(|group| group.members.len() == 1)).await;
    assert!(consumer.assignment().is_empty());
    consumer.poll(Duration::from_secs(5)).await.unwrap();
    broker.create_topic("orders", 1).unwrap();
    until_assigned(&consumer, &["orders"]).await;
}

/// Another member may lead the group and see a topic first, or later.
#[tokio::test(start_paused = true)]
async fn members_with_patterns_share_what_they_match() {
    let broker = broker(&["orders-1", "orders-2", "bills-1"]).await;
    let first = matching(seeker(&broker, "first"), "orders-.*|bills-.*").await;
    let second = matching(seeker(&broker, "second"), "orders-.*").await;
    let all = |topics: &[&str]| -> BTreeSet<TopicPartition> {
        topics.iter().map(|topic| TopicPartition::new(*topic, 0)).collect()
    };
    let read = || first.assignment().into_iter().chain(second.assignment()).collect::<BTreeSet<_>>();
    let deadline = Instant::now() + SOON;
    while read() != all(&["orders-1", "orders-2", "bills-1"]) || second.assignment().is_empty() {
        assert!(Instant::now() < deadline, "{:?}", read());
        first.poll(Duration::from_millis(100)).await.unwrap();
        second.poll(Duration::from_millis(100)).await.unwrap();
    }
    assert!(second.assignment().iter().all(|partition| partition.topic.starts_with("orders")));
    broker.create_topic("bills-2", 1).unwrap();
    let deadline = Instant::now() + SOON;
    while !read().contains(&TopicPartition::new("bills-2", 0)) {
        assert!(Instant::now() < deadline, "{:?}", read());
        first.poll(Duration::from_millis(100)).await.unwrap();
        second.poll(Duration::from_millis(100)).await.unwrap();
    }
}

/// edge 66, and back: names take the place of a pattern, and a pattern that of names.
#[tokio::test(start_paused = true)]
async fn a_pattern_takes_the_place_of_names_and_names_that_of_a_pattern() {
    let broker = broker(&["orders-1", "bills-1"]).await;
    let consumer = matching(seeker(&broker, "m"), "orders-.*").await;
    until_assigned(&consumer, &["orders-1"]).await;
    consumer.subscribe(["bills-1"]).await.unwrap();
    until_assigned(&consumer, &["bills-1"]).await;
    consumer.subscribe_to(Subscription::pattern("(orders|bills)-1").unwrap()).await.unwrap();
    until_assigned(&consumer, &["bills-1", "orders-1"]).await;
    // Without one, nobody asks for all topics.
    consumer.subscribe(["bills-1"]).await.unwrap();
    until_assigned(&consumer, &["bills-1"]).await;
    consumer.poll(Duration::from_secs(1)).await.unwrap();
    broker.forget_requests();
    broker.create_topic("orders-2", 1).unwrap();
    consumer.poll(Duration::from_secs(65)).await.unwrap();
    assert!(broker.requests().iter().filter(|request| request.api == ApiKey::Metadata).count() >= 2);
    assert_eq!(topics(&consumer), ["bills-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_is_none_is_refused_and_an_empty_one_too() {
    let broker = broker(&["orders"]).await;
    assert_eq!(Subscription::pattern("orders(").unwrap_err().kind(), Kind::Config);
    let consumer = member(&broker, "m").build().unwrap();
    let empty = Subscription::pattern("").unwrap();
    assert_eq!(consumer.subscribe_to(empty).await.unwrap_err().kind(), Kind::State);
}
