//! Where reading begins, and what is said when nobody can tell.

use std::time::Duration;

use ottla::Kind;
use ottla::config::OffsetReset;
use ottla_broker::{ApiKey, Broker};
use ottla_wire::Code;

use crate::consume::{builder, partition, read};

#[tokio::test(start_paused = true)]
async fn a_reset_by_duration_begins_with_the_first_record_that_is_young_enough() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let reset = OffsetReset::ByDuration(Duration::from_secs(3_600));
    // Its clock begins with it.
    let consumer = builder(&broker).auto_offset_reset(reset).build().unwrap();
    broker.append("orders", 0, ["old"]).unwrap();
    tokio::time::advance(Duration::from_secs(7_200)).await;
    broker.append("orders", 0, ["young"]).unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    assert_eq!(read(&consumer, 1).await[&0], ["young"]);
}

#[tokio::test(start_paused = true)]
async fn a_reset_by_duration_begins_at_the_end_if_all_is_too_old() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let consumer = builder(&broker).set("auto.offset.reset", "by_duration:PT1H").build().unwrap();
    broker.append("orders", 0, ["old"]).unwrap();
    tokio::time::advance(Duration::from_secs(7_200)).await;
    consumer.assign([partition(0)]).await.unwrap();
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 1);
    broker.append("orders", 0, ["new"]).unwrap();
    assert_eq!(read(&consumer, 1).await[&0], ["new"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_does_not_come_in_time_names_its_cause() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let consumer = builder(&broker).default_api_timeout(Duration::from_secs(3)).build().unwrap();
    broker.times(1_000, ApiKey::ListOffsets, Code::NotLeaderOrFollower.to_wire());
    consumer.assign([partition(0)]).await.unwrap();
    let error = consumer.position(&partition(0)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    let expected = "position of orders[0]: timed out after 3000 ms: offset of orders[0]: NOT_LEADER_OR_FOLLOWER";
    assert!(error.to_string().starts_with(expected), "{error}");
    assert_eq!(error.partition(), Some(&partition(0)));
}
