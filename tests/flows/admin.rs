//! Administration: each item of a call with a result of its own, from whichever broker knows.

use std::time::Duration;

use ottla::{Admin, AdminBuilder, Code, Kind, NewTopic, OffsetSpec, Producer, Record, TopicPartition};
use ottla_broker::{ApiKey, Broker};

use crate::{SOON, pipes};

fn builder(broker: &Broker) -> AdminBuilder {
    Admin::builder(broker.address()).connector(pipes(broker)).runtime(tokio::runtime::Handle::current()).seed(7)
}

fn admin(broker: &Broker) -> Admin {
    builder(broker).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn of_several_topics_each_is_created_or_refused_by_itself() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let topics = [
        NewTopic::new("orders").partitions(3),
        NewTopic::new("payments").partitions(3).config("retention.ms", "1000"),
        NewTopic::new("audit").config("no.such.setting", "1"),
    ];

    let created = admin(&broker).create_topics(topics).await;

    let payments = created["payments"].as_ref().unwrap();
    assert_eq!((payments.partitions, payments.replication_factor), (Some(3), Some(1)));
    assert!(payments.id.is_some());
    let error = created["orders"].as_ref().unwrap_err();
    assert_eq!(error.code(), Some(Code::TopicAlreadyExists));
    assert!(error.to_string().starts_with("create topic orders: "), "{error}");
    assert_eq!(created["audit"].as_ref().unwrap_err().code(), Some(Code::InvalidConfig));
    assert_eq!(created.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn topics_are_listed_and_described_with_their_partitions_and_gone_once_deleted() {
    let broker = Broker::start().nodes(3).topic("orders", 2).topic("audit", 1).in_memory_only().await;
    let admin = admin(&broker);

    let listed = admin.list_topics().await.unwrap();
    let names: Vec<_> = listed.iter().map(|topic| (topic.name.as_str(), topic.partitions)).collect();
    assert_eq!(names, [("audit", 1), ("orders", 2)]);
    assert_eq!(listed[0].replication_factor, 3);

    let described = admin.describe_topics(["orders", "no-such-topic"]).await;
    let orders = described["orders"].as_ref().unwrap();
    assert_eq!(orders.partitions.iter().map(|partition| partition.partition).collect::<Vec<_>>(), [0, 1]);
    assert!(orders.partitions.iter().all(|partition| partition.leader == Some(partition.replicas[0])));
    assert_eq!(orders.id, listed[1].id);
    let error = described["no-such-topic"].as_ref().unwrap_err();
    assert_eq!(error.code(), Some(Code::UnknownTopicOrPartition));

    let deleted = admin.delete_topics(["orders", "no-such-topic"]).await;
    assert!(deleted["orders"].is_ok());
    assert_eq!(deleted["no-such-topic"].as_ref().unwrap_err().code(), Some(Code::UnknownTopicOrPartition));
    let left: Vec<_> = admin.list_topics().await.unwrap().into_iter().map(|topic| topic.name).collect();
    assert_eq!(left, ["audit"], "neither was a topic created by asking for it");
}

#[tokio::test(start_paused = true)]
async fn an_older_broker_is_told_names_and_needs_to_be_told_numbers() {
    let broker = Broker::start()
        .max_version(ApiKey::CreateTopics, 3)
        .max_version(ApiKey::DeleteTopics, 3)
        .max_version(ApiKey::Metadata, 7)
        .in_memory_only()
        .await;
    let admin = admin(&broker);

    let created = admin.create_topics([NewTopic::new("orders")]).await;
    let error = created["orders"].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::UnsupportedVersion);
    assert!(error.to_string().contains("number of partitions"), "{error}");

    let created = admin.create_topics([NewTopic::new("orders").partitions(2).replication_factor(1)]).await;
    assert_eq!(created["orders"].as_ref().unwrap().partitions, None, "it does not say");
    assert_eq!(admin.list_topics().await.unwrap()[0].id, None);
    assert!(admin.delete_topics(["orders"]).await["orders"].is_ok());
}

#[tokio::test(start_paused = true)]
async fn offsets_come_from_the_leader_of_each_partition() {
    let broker = Broker::start().nodes(3).topic("orders", 6).replication_factor(1).in_memory_only().await;
    let producer = Producer::builder(broker.address())
        .connector(pipes(&broker))
        .runtime(tokio::runtime::Handle::current())
        .build()
        .unwrap();
    for n in 0..6 {
        for _ in 0..n {
            let _ = producer.enqueue(Record::to("orders").partition(n).value("x")).await.unwrap();
        }
    }
    producer.flush().await.unwrap();

    let of = |partition| TopicPartition::new("orders", partition);
    let admin = admin(&broker);
    let ends = admin.list_offsets((0..7).map(of), OffsetSpec::Latest).await;
    let begins = admin.list_offsets([of(5)], OffsetSpec::Earliest).await;

    for n in 0..6 {
        assert_eq!(*ends[&of(n)].as_ref().unwrap(), i64::from(n));
    }
    assert_eq!(ends[&of(6)].as_ref().unwrap_err().code(), Some(Code::UnknownTopicOrPartition));
    assert_eq!(*begins[&of(5)].as_ref().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_broker_every_item_fails_when_the_time_is_up() {
    let admin = {
        let broker = Broker::start().in_memory_only().await;
        // A name that no node has.
        Admin::builder("nobody:9092")
            .connector(pipes(&broker))
            .runtime(tokio::runtime::Handle::current())
            .default_api_timeout(Duration::from_secs(5))
            .build()
            .unwrap()
    };
    let start = tokio::time::Instant::now();

    let created = admin.create_topics([NewTopic::new("a"), NewTopic::new("b")]).await;

    assert_eq!(created.len(), 2);
    for error in created.into_values().map(Result::unwrap_err) {
        assert_eq!(error.kind(), Kind::Timeout);
        assert!(error.to_string().contains("nobody"), "{error}");
    }
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_answers_that_it_is_closed_and_so_does_a_call_under_way() {
    let broker = Broker::start().in_memory_only().await;
    let admin = Admin::builder("nobody:9092")
        .connector(pipes(&broker))
        .runtime(tokio::runtime::Handle::current())
        .build()
        .unwrap();

    let closing = admin.clone();
    let under_way = tokio::spawn(async move { admin.list_topics().await });
    tokio::task::yield_now().await;
    closing.close();

    let error = tokio::time::timeout(SOON, under_way).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::Closed);
    assert_eq!(closing.list_topics().await.unwrap_err().kind(), Kind::Closed);
}

#[test]
fn calls_need_no_tokio_of_the_callers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime.block_on(async { Broker::start().topic("orders", 1).await });
    let admin = Admin::builder(broker.address()).build().unwrap();
    let mut listing = std::pin::pin!(admin.list_topics());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let deadline = std::time::Instant::now() + SOON;
    let listed = loop {
        if let std::task::Poll::Ready(listed) = listing.as_mut().poll(&mut context) {
            break listed.unwrap();
        }
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    };
    assert_eq!(listed[0].name, "orders");
}
