//! Logs that lose records under a new leader (KIP-320): what was read is compared with what is there.

use std::time::Duration;

use ottla::config::OffsetReset;
use ottla::{Consumer, Kind, OffsetAndMetadata};
use ottla_broker::{ApiKey, Broker};
use ottla_wire::Code;
use tokio::time::Instant;

use crate::consume::{builder, partition, read};

async fn cluster() -> Broker {
    Broker::start().nodes(2).replication_factor(2).topic("orders", 1).in_memory_only().await
}

/// Each in a batch of its own: a batch is cut off as a whole.
fn append(broker: &Broker, values: &[&str]) {
    for value in values {
        broker.append("orders", 0, [(*value).to_owned()]).unwrap();
    }
}

async fn reading(broker: &Broker, policy: OffsetReset) -> Consumer {
    let consumer = builder(broker).auto_offset_reset(policy).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    consumer.seek(&partition(0), 0).await.unwrap();
    consumer
}

fn other(broker: &Broker) -> i32 {
    1 - broker.leader("orders", 0).unwrap()
}

/// edge 43: neither the records that replaced those that were read are skipped, nor any before them repeated.
#[tokio::test(start_paused = true)]
async fn reading_goes_on_where_the_new_leaders_log_parts_from_what_was_read() {
    for policy in [OffsetReset::Earliest, OffsetReset::Latest] {
        let broker = cluster().await;
        let consumer = reading(&broker, policy).await;
        append(&broker, &["a", "b", "c", "d"]);
        read(&consumer, 4).await;
        broker.elect_unclean("orders", 0, other(&broker), 2).unwrap();
        append(&broker, &["C", "D", "E"]);
        assert_eq!(read(&consumer, 3).await[&0], ["C", "D", "E"]);
    }
}

/// edge 43
#[tokio::test(start_paused = true)]
async fn without_a_policy_the_poll_names_position_and_diverging_offset() {
    let broker = cluster().await;
    let consumer = reading(&broker, OffsetReset::None).await;
    append(&broker, &["a", "b", "c", "d"]);
    read(&consumer, 4).await;
    broker.elect_unclean("orders", 0, other(&broker), 2).unwrap();
    append(&broker, &["C", "D", "E"]);
    let deadline = Instant::now() + Duration::from_secs(10);
    let error = loop {
        assert!(Instant::now() < deadline);
        match consumer.poll(Duration::from_secs(1)).await {
            Ok(records) => assert!(records.is_empty(), "{records:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), Kind::LogTruncation { position: 4, diverging_offset: Some(2) });
    let seek_to = error.partition().cloned().unwrap();
    consumer.seek(&seek_to, 2).await.unwrap();
    assert_eq!(read(&consumer, 3).await[&0], ["C", "D", "E"]);
}

#[tokio::test(start_paused = true)]
async fn a_clean_election_costs_one_question_and_no_record() {
    let broker = cluster().await;
    let consumer = reading(&broker, OffsetReset::None).await;
    append(&broker, &["a", "b"]);
    read(&consumer, 2).await;
    assert_eq!(broker.count(ApiKey::OffsetForLeaderEpoch), 0);
    broker.move_leader("orders", 0, other(&broker)).unwrap();
    append(&broker, &["c"]);
    assert_eq!(read(&consumer, 1).await[&0], ["c"]);
    assert_eq!(broker.count(ApiKey::OffsetForLeaderEpoch), 1);
}

/// edge 43
#[tokio::test(start_paused = true)]
async fn errors_of_the_question_are_tried_again_and_reset_nothing() {
    for code in [Code::FencedLeaderEpoch, Code::UnknownLeaderEpoch, Code::NotLeaderOrFollower, Code::UnknownServerError]
    {
        let broker = cluster().await;
        let consumer = reading(&broker, OffsetReset::Latest).await;
        append(&broker, &["a", "b"]);
        read(&consumer, 2).await;
        broker.times(3, ApiKey::OffsetForLeaderEpoch, code.to_wire());
        broker.move_leader("orders", 0, other(&broker)).unwrap();
        append(&broker, &["c"]);
        assert_eq!(read(&consumer, 1).await[&0], ["c"], "{code}");
    }
}

/// edge 64: the epoch that was committed with an offset tells that the offset is of another log.
#[tokio::test(start_paused = true)]
async fn a_committed_offset_behind_a_truncation_is_not_believed() {
    let broker = cluster().await;
    append(&broker, &["a", "b", "c", "d"]);
    let before = builder(&broker).group("g").enable_auto_commit(false).build().unwrap();
    before.assign([partition(0)]).await.unwrap();
    read(&before, 4).await;
    before.commit().await.unwrap();
    let committed = before.committed([&partition(0)]).await.unwrap()[&partition(0)].clone().unwrap();
    assert_eq!(committed, OffsetAndMetadata { offset: 4, leader_epoch: Some(0), metadata: String::new() });
    before.close(Duration::from_secs(1)).await.unwrap();

    broker.elect_unclean("orders", 0, other(&broker), 2).unwrap();
    append(&broker, &["C", "D", "E"]);
    let after = builder(&broker).group("g").build().unwrap();
    after.assign([partition(0)]).await.unwrap();
    assert_eq!(read(&after, 3).await[&0], ["C", "D", "E"]);
}

#[tokio::test(start_paused = true)]
async fn a_seek_with_an_epoch_is_validated_as_well() {
    let broker = cluster().await;
    append(&broker, &["a", "b", "c", "d"]);
    broker.elect_unclean("orders", 0, other(&broker), 2).unwrap();
    append(&broker, &["C", "D", "E"]);
    let consumer = reading(&broker, OffsetReset::Latest).await;
    let to = OffsetAndMetadata { offset: 4, leader_epoch: Some(0), metadata: String::new() };
    consumer.seek(&partition(0), to).await.unwrap();
    assert_eq!(read(&consumer, 3).await[&0], ["C", "D", "E"]);
}
