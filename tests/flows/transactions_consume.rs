//! What consumers see of transactions, and what a transaction gets from the consumer whose records it holds.

use std::time::Duration;

use bytes::Bytes;
use ottla_broker::Broker;
use ottla_wire::records::{BodyCrc, BodyEncoder};
use tokio::time::Instant;

use crate::SOON;
use crate::consume::{builder, partition, read};
use crate::consume_stream::next;
use crate::groups::{join, member};

async fn orders() -> Broker {
    Broker::start().topic("orders", 1).group_initial_rebalance_delay(Duration::ZERO).in_memory_only().await
}

fn append(broker: &Broker, values: std::ops::Range<usize>) {
    broker.append("orders", 0, values.map(|n| n.to_string())).unwrap();
}

/// A COMMIT marker.
fn marker() -> Bytes {
    let mut encoder = BodyEncoder::new(1_000);
    let mut body = Vec::new();
    encoder.push(&mut body, 1_000, Some(&[0, 0, 0, 1]), Some(&[0; 6]), [].into_iter()).unwrap();
    let mut header = encoder.header();
    (header.control, header.transactional) = (true, true);
    (header.producer_id, header.producer_epoch) = (7, 0);
    [&header.encode(&BodyCrc::of(&body)), body.as_slice()].concat().into()
}

/// A poll that waits comes back, so that what it moved past can be committed.
#[tokio::test(start_paused = true)]
async fn a_marker_at_the_end_moves_the_position_and_holds_up_nobody() {
    let broker = orders().await;
    append(&broker, 0..2);
    let consumer = builder(&broker).group("billing").enable_auto_commit(false).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    assert_eq!(read(&consumer, 2).await[&0].len(), 2);
    broker.append_batch("orders", 0, marker()).unwrap();

    let records = consumer.poll(SOON).await.unwrap();

    assert!(records.is_empty());
    let next = records.next_offsets();
    assert_eq!(next.iter().map(|(of, next)| (of.partition, next.offset)).collect::<Vec<_>>(), [(0, 3)]);
    assert_eq!(next[&partition(0)].leader_epoch, broker.leader_epoch("orders", 0));
    assert_eq!(consumer.position(&partition(0)).await.unwrap(), 3);
    assert_eq!(consumer.end_offsets(&[partition(0)]).await.unwrap()[&partition(0)], 3);
    consumer.commit_offsets(next).await.unwrap();
    assert_eq!(broker.committed("billing", "orders", 0).unwrap().offset, 3);

    let waited = Instant::now();
    let records = consumer.poll(Duration::from_secs(5)).await.unwrap();
    assert!(records.next_offsets().is_empty() && waited.elapsed() >= Duration::from_secs(5), "the marker comes once");
}

/// A stream has no items for markers; it asks on, and so says that what it gave before is done with.
#[tokio::test(start_paused = true)]
async fn a_stream_that_met_a_marker_last_lets_others_into_its_group() {
    let broker =
        Broker::start().topic("orders", 2).group_initial_rebalance_delay(Duration::ZERO).in_memory_only().await;
    let first = join(member(&broker, "first")).await;
    append(&broker, 0..1);
    broker.append_batch("orders", 0, marker()).unwrap();
    let mut stream = first.stream();
    assert_eq!(next(&mut stream).await.unwrap().unwrap().offset, 0);
    let streaming = tokio::spawn(async move { next(&mut stream).await });
    while first.position(&partition(0)).await.unwrap() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let second = join(member(&broker, "second")).await;

    let deadline = Instant::now() + SOON;
    while second.assignment().len() != 1 {
        assert!(Instant::now() < deadline, "{:?}", broker.group("billing"));
        second.poll(Duration::from_millis(10)).await.unwrap();
    }
    streaming.abort();
}
