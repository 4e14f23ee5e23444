//! How far a consumer is behind.

use std::time::Duration;

use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::SOON;
use crate::consume::{builder, partition, read};

fn asked_for_offsets(broker: &Broker) -> usize {
    broker.count(ApiKey::ListOffsets)
}

#[tokio::test(start_paused = true)]
async fn the_lag_follows_what_is_written_and_read_without_a_request_of_its_own() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    broker.append("orders", 0, (0..10).map(|n| n.to_string())).unwrap();
    let consumer = builder(&broker).max_poll_records(4_usize).build().unwrap();
    assert_eq!(consumer.current_lag(&partition(0)), None, "not assigned");
    consumer.assign([partition(0)]).await.unwrap();
    read(&consumer, 4).await;
    let asked = asked_for_offsets(&broker);
    assert_eq!(consumer.current_lag(&partition(0)), Some(6));
    read(&consumer, 6).await;
    assert_eq!(consumer.current_lag(&partition(0)), Some(0));
    assert_eq!(asked_for_offsets(&broker), asked);
}

/// A partition that is not fetched, since it is paused before anything was.
#[tokio::test(start_paused = true)]
async fn an_end_that_no_answer_told_is_looked_up_for_the_lag() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    broker.append("orders", 0, (0..10).map(|n| n.to_string())).unwrap();
    let consumer = builder(&broker).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    consumer.pause([&partition(0)]).await.unwrap();
    consumer.seek(&partition(0), 3).await.unwrap();
    let deadline = Instant::now() + SOON;
    while consumer.current_lag(&partition(0)) != Some(7) {
        assert!(Instant::now() < deadline, "{:?}", consumer.current_lag(&partition(0)));
        assert!(consumer.poll(Duration::from_millis(100)).await.unwrap().is_empty());
    }
}
