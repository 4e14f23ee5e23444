//! Reading from the replica nearest to the client (KIP-392).

use std::time::Duration;

use ottla::{Admin, Consumer, NewTopic, TopicPartition};
use ottla_broker::{ApiKey, Broker};
use ottla_wire::Code;

use crate::consume::{builder, partition, read};
use crate::pipes;

/// Three nodes in racks a, b and c, each with a replica; node 0 leads.
async fn cluster() -> Broker {
    Broker::start()
        .nodes(3)
        .racks(["a", "b", "c"])
        .replication_factor(3)
        .rack_aware_reads(true)
        .topic("orders", 1)
        .in_memory_only()
        .await
}

fn append(broker: &Broker, values: std::ops::Range<usize>) {
    broker.append("orders", 0, values.map(|n| n.to_string())).unwrap();
}

async fn reading_in(broker: &Broker, rack: &str) -> Consumer {
    let consumer = builder(broker).client_rack(rack).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    consumer
}

/// The nodes that were asked to fetch since the requests were last forgotten.
fn asked(broker: &Broker) -> Vec<i32> {
    let mut nodes: Vec<_> = broker.requests().iter().filter(|r| r.api == ApiKey::Fetch).map(|r| r.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

async fn reads_from(broker: &Broker, consumer: &Consumer, from: usize, node: i32) {
    broker.forget_requests();
    for value in from..from + 3 {
        append(broker, value..value + 1);
        assert_eq!(read(consumer, 1).await[&0], [value.to_string()]);
    }
    assert_eq!(asked(broker), [node]);
}

/// Reads on until nothing is refused any more, and the follower alone is asked again.
async fn reads_again_from(broker: &Broker, consumer: &Consumer, next: &mut usize, node: i32) {
    for _ in 0..10 {
        broker.forget_requests();
        for _ in 0..3 {
            append(broker, *next..*next + 1);
            assert_eq!(read(consumer, 1).await[&0], [next.to_string()]);
            *next += 1;
        }
        if asked(broker) == [node] {
            return;
        }
    }
    panic!("the follower is not asked again");
}

fn follower(broker: &Broker) -> (i32, &'static str) {
    let leader = broker.leader("orders", 0).unwrap();
    [(0, "a"), (1, "b"), (2, "c")].into_iter().find(|(node, _)| *node != leader).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_replica_in_the_clients_rack_is_read_from() {
    let broker = cluster().await;
    let (node, rack) = follower(&broker);
    append(&broker, 0..10);
    let consumer = reading_in(&broker, rack).await;
    assert_eq!(read(&consumer, 10).await[&0].len(), 10);
    reads_from(&broker, &consumer, 10, node).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_of_no_rack_reads_from_leaders() {
    let broker = cluster().await;
    append(&broker, 0..10);
    let consumer = reading_in(&broker, "").await;
    read(&consumer, 10).await;
    reads_from(&broker, &consumer, 10, broker.leader("orders", 0).unwrap()).await;
}

/// edge 45
#[tokio::test(start_paused = true)]
async fn a_follower_that_stops_or_refuses_costs_no_record() {
    let broker = cluster().await;
    let (node, rack) = follower(&broker);
    let consumer = reading_in(&broker, rack).await;
    append(&broker, 0..10);
    read(&consumer, 10).await;
    let mut next = 10;
    let refusals = [
        (Code::NotLeaderOrFollower, 2),
        (Code::ReplicaNotAvailable, 2),
        (Code::KafkaStorageError, 2),
        (Code::OffsetOutOfRange, 1),
    ];
    for (code, times) in refusals {
        // A leader that refuses an offset would be believed.
        reads_again_from(&broker, &consumer, &mut next, node).await;
        broker.times(times, ApiKey::Fetch, code.to_wire());
        append(&broker, next..next + 5);
        assert_eq!(read(&consumer, 5).await[&0].len(), 5, "{code}");
        next += 5;
    }
    broker.node(node).stop().await;
    for _ in 0..3 {
        append(&broker, next..next + 5);
        assert_eq!(read(&consumer, 5).await[&0].len(), 5, "stopped");
        next += 5;
    }
}

/// edge 45: the leader may know better by then.
#[tokio::test(start_paused = true)]
async fn the_leader_is_asked_again_when_metadata_is_old() {
    let broker = cluster().await;
    let (node, rack) = follower(&broker);
    let consumer = builder(&broker).client_rack(rack).metadata_max_age(Duration::from_secs(20)).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    append(&broker, 0..10);
    read(&consumer, 10).await;
    reads_from(&broker, &consumer, 10, node).await;
    broker.forget_requests();
    assert!(consumer.poll(Duration::from_secs(30)).await.unwrap().is_empty());
    let leader = broker.leader("orders", 0).unwrap();
    assert!(asked(&broker).contains(&leader) && asked(&broker).contains(&node), "{:?}", asked(&broker));
}

/// edge 42: a follower that is behind does not make the consumer start over.
#[tokio::test(start_paused = true)]
async fn a_position_that_a_follower_does_not_have_yet_is_read_from_the_leader() {
    let broker = cluster().await;
    let (node, rack) = follower(&broker);
    let consumer = reading_in(&broker, rack).await;
    append(&broker, 0..10);
    read(&consumer, 10).await;
    broker.hold_replica("orders", 0, node, 10).unwrap();
    append(&broker, 10..20);
    consumer.seek(&TopicPartition::new("orders", 0), 15).await.unwrap();
    assert_eq!(read(&consumer, 5).await[&0], ["15", "16", "17", "18", "19"]);
}

/// edges 36, 45: what waits for room is the follower's loop, not the leader's.
#[tokio::test(start_paused = true)]
async fn a_backlog_larger_than_the_buffer_is_read_from_a_follower_to_its_end() {
    let broker = cluster().await;
    let (node, rack) = follower(&broker);
    let consumer = builder(&broker).client_rack(rack).max_partition_fetch_bytes(1_000_u32).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    for value in 0..200 {
        append(&broker, value..value + 1);
    }
    let mut found = 0;
    while found < 200 {
        // Slower than it is fetched.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let records = consumer.poll(Duration::from_secs(10)).await.unwrap();
        assert!(!records.is_empty(), "{found} of 200");
        found += records.len();
    }
    assert!(asked(&broker).contains(&node), "{:?}", asked(&broker));
}

/// edge 86: the leader goes on naming it. While its fetch waits for another partition, refills ask it again.
#[tokio::test(start_paused = true)]
async fn a_follower_that_does_not_answer_is_no_reason_to_ask_its_leader_again_and_again() {
    const SECONDS: usize = 20;
    let broker = cluster().await;
    let admin = Admin::builder(broker.address())
        .connector(pipes(&broker))
        .runtime(tokio::runtime::Handle::current())
        .build()
        .unwrap();
    // Of which the leader has the only replica of some partition.
    let bills = NewTopic::new("bills").partitions(3).replication_factor(1);
    admin.create_topics([bills]).await.remove("bills").unwrap().unwrap();
    let leader = broker.leader("orders", 0).unwrap();
    let alone = (0..3).find(|number| broker.leader("bills", *number) == Some(leader)).unwrap();
    let (node, rack) = follower(&broker);
    broker.on(ApiKey::Fetch).node(node).always().refuse();
    let consumer = builder(&broker).client_rack(rack).build().unwrap();
    consumer.assign([partition(0), TopicPartition::new("bills", alone)]).await.unwrap();
    assert!(consumer.poll(Duration::from_secs(1)).await.unwrap().is_empty());
    broker.forget_requests();
    let timeout = Duration::from_secs(SECONDS as u64);
    assert!(consumer.poll(timeout).await.unwrap().is_empty());
    let fetches = broker.requests().iter().filter(|request| request.api == ApiKey::Fetch).count();
    // In a tenth of a second: one that waits, and two rounds of a refill that names the follower and a fetch that it refuses.
    assert!(fetches <= SECONDS * 10 * 5, "{fetches} fetches in {SECONDS} s");
    assert!(asked(&broker).contains(&node), "it is tried again");
}

#[tokio::test(start_paused = true)]
async fn the_metrics_say_which_replica_is_read_from() {
    let broker = cluster().await;
    let (node, rack) = follower(&broker);
    append(&broker, 0..10);
    let consumer = reading_in(&broker, rack).await;
    let told = || {
        let tags = [("topic", "orders"), ("partition", "0")];
        let metrics = consumer.metrics();
        metrics.find("consumer-fetch-manager-metrics", "preferred-read-replica", &tags).map(ottla::Metric::as_f64)
    };
    assert_eq!(told(), Some(-1.0));
    read(&consumer, 10).await;
    assert_eq!(told(), Some(f64::from(node)));
}
