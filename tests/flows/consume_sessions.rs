//! Fetch sessions (KIP-227): what is fetched is the same with them, without them, and while they are lost.

use std::time::Duration;

use ottla::Consumer;
use ottla_broker::{ApiKey, Broker};
use ottla_wire::Code;
use tokio::time::Instant;

use crate::SOON;
use crate::consume::{builder, partition, read};

async fn cluster(nodes: u16, partitions: u16) -> Broker {
    Broker::start().nodes(nodes).topic("orders", partitions).in_memory_only().await
}

async fn reading(broker: &Broker, partitions: i32) -> Consumer {
    let consumer = builder(broker).build().unwrap();
    consumer.assign((0..partitions).map(partition)).await.unwrap();
    consumer
}

/// Writes one record to each partition, and reads it.
async fn round(broker: &Broker, consumer: &Consumer, partitions: i32, value: usize) {
    for number in 0..partitions {
        broker.append("orders", number, [value.to_string()]).unwrap();
    }
    let all = read(consumer, usize::try_from(partitions).unwrap()).await;
    assert!(all.values().all(|values| *values == [value.to_string()]), "{value}: {all:?}");
}

async fn until(consumer: &Consumer, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline);
        assert!(consumer.poll(Duration::from_millis(100)).await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn one_session_a_broker_holds_all_its_partitions_and_ends_with_the_consumer() {
    let broker = cluster(2, 6).await;
    let consumer = reading(&broker, 6).await;
    round(&broker, &consumer, 6, 0).await;
    until(&consumer, || broker.fetch_sessions().iter().map(|session| session.partitions.len()).sum::<usize>() == 6)
        .await;
    let ids = |broker: &Broker| broker.fetch_sessions().iter().map(|session| session.id).collect::<Vec<_>>();
    let before = ids(&broker);
    assert_eq!(before.len(), 2);
    for value in 1..5 {
        round(&broker, &consumer, 6, value).await;
    }
    assert_eq!(ids(&broker), before, "and they go on");
    consumer.close(SOON).await.unwrap();
    let deadline = Instant::now() + SOON;
    while !broker.fetch_sessions().is_empty() {
        assert!(Instant::now() < deadline, "{:?}", broker.fetch_sessions());
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_read_no_more_is_forgotten() {
    let broker = cluster(1, 3).await;
    let consumer = reading(&broker, 3).await;
    round(&broker, &consumer, 3, 0).await;
    consumer.assign([partition(0), partition(2)]).await.unwrap();
    let expected = vec![("orders".to_owned(), 0), ("orders".to_owned(), 2)];
    until(&consumer, || {
        let mut sessions = broker.fetch_sessions();
        sessions.iter_mut().for_each(|session| session.partitions.sort());
        sessions.len() == 1 && sessions[0].partitions == expected
    })
    .await;
}

/// edge 46
#[tokio::test(start_paused = true)]
async fn nothing_is_missed_while_sessions_are_lost_or_refused() {
    let broker = cluster(1, 3).await;
    let consumer = reading(&broker, 3).await;
    round(&broker, &consumer, 3, 0).await;
    let mut value = 0;
    for code in [Code::FetchSessionIdNotFound, Code::InvalidFetchSessionEpoch, Code::FetchSessionTopicIdError] {
        for times in [1, 3] {
            broker.times(times, ApiKey::Fetch, code.to_wire());
            value += 1;
            let start = Instant::now();
            round(&broker, &consumer, 3, value).await;
            assert!(start.elapsed() < Duration::from_secs(4), "{code} {times} times: {:?}", start.elapsed());
        }
    }
    for _ in 0..3 {
        broker.drop_fetch_sessions();
        value += 1;
        round(&broker, &consumer, 3, value).await;
    }
    assert_eq!(broker.fetch_sessions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_room_for_sessions_is_read_as_well() {
    let broker = cluster(1, 3).await;
    broker.set_fetch_session_slots(0);
    let consumer = reading(&broker, 3).await;
    for value in 0..3 {
        round(&broker, &consumer, 3, value).await;
    }
    assert!(broker.fetch_sessions().is_empty());
}

/// What is idle costs a fetch every `fetch.max.wait.ms`, and nothing that grows.
#[tokio::test(start_paused = true)]
async fn an_idle_consumer_of_many_partitions_fetches_once_each_wait() {
    let broker = cluster(1, 500).await;
    let consumer = reading(&broker, 500).await;
    round(&broker, &consumer, 500, 0).await;
    until(&consumer, || broker.fetch_sessions().first().is_some_and(|session| session.partitions.len() == 500)).await;
    broker.forget_requests();
    assert!(consumer.poll(Duration::from_secs(10)).await.unwrap().is_empty());
    let fetches = broker.count(ApiKey::Fetch);
    assert!((18..=22).contains(&fetches), "{fetches}");
}

/// edge 50: the session knows the topic by an id that is of none any more.
#[tokio::test(start_paused = true)]
async fn a_topic_created_anew_is_read_in_the_session_of_others() {
    let broker = Broker::start().topic("orders", 1).topic("bills", 1).in_memory_only().await;
    let consumer = builder(&broker).build().unwrap();
    consumer.assign([partition(0), ottla::TopicPartition::new("bills", 0)]).await.unwrap();
    broker.append("orders", 0, ["old"]).unwrap();
    broker.append("bills", 0, ["bill"]).unwrap();
    read(&consumer, 2).await;
    broker.recreate_topic("orders").unwrap();
    broker.append("orders", 0, ["new"]).unwrap();
    broker.append("bills", 0, ["another bill"]).unwrap();
    let mut values = read(&consumer, 2).await.remove(&0).unwrap();
    values.sort();
    assert_eq!(values, ["another bill", "new"]);
}
