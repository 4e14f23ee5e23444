//! Records one by one, codecs, and what callers on other threads may do.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use ottla::config::{GroupProtocol, OffsetReset};
use ottla::{
    Called, Consumer, Error, OwnedRecord, Producer, RebalanceListener, Record, RecordStream, Subscription,
    TopicPartition,
};
use ottla_broker::Broker;
use tokio::time::Instant;

use crate::consume::{builder, partition, read};
use crate::{SOON, pipes};

pub(crate) async fn next(stream: &mut RecordStream) -> Option<Result<OwnedRecord, Error>> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// Waits on a thread that has no runtime.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

async fn orders() -> Broker {
    Broker::start().topic("orders", 1).group_initial_rebalance_delay(Duration::ZERO).in_memory_only().await
}

fn append(broker: &Broker, values: std::ops::Range<usize>) {
    broker.append("orders", 0, values.map(|n| n.to_string())).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_yields_every_record_as_it_comes_and_ends_with_close() {
    let broker = orders().await;
    append(&broker, 0..100);
    let consumer = builder(&broker).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    let mut stream = consumer.stream();
    for n in 0..100 {
        let record = next(&mut stream).await.unwrap().unwrap();
        assert_eq!((record.offset, record.value.as_deref()), (n, Some(n.to_string().as_bytes())));
    }
    let waiting = tokio::spawn(async move {
        let last = next(&mut stream).await.unwrap().unwrap();
        (last, Instant::now(), next(&mut stream).await.is_none(), next(&mut stream).await.is_none())
    });
    tokio::time::sleep(Duration::from_secs(600)).await;
    append(&broker, 100..101);
    let written = Instant::now();
    tokio::time::sleep(Duration::from_secs(10)).await;
    consumer.close(SOON).await.unwrap();
    let (last, at, ended, still) = waiting.await.unwrap();
    assert_eq!(last.offset, 100);
    assert!(at - written < Duration::from_millis(50));
    assert!(ended && still);
}

/// A Stream's item is done with when the next is asked for.
#[tokio::test(start_paused = true)]
async fn of_a_stream_that_is_committed_which_was_followed_by_another() {
    let broker = orders().await;
    append(&broker, 0..10);
    let consumer = builder(&broker).group("billing").auto_commit_interval(Duration::from_millis(1)).build().unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    let mut stream = consumer.stream();
    for _ in 0..4 {
        next(&mut stream).await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(broker.committed("billing", "orders", 0).unwrap().offset, 3);
    // Dropped, and nothing that it did not yield is lost.
    drop(stream);
    let mut stream = consumer.stream();
    assert_eq!(next(&mut stream).await.unwrap().unwrap().offset, 4);
}

/// edge 59: a stream whose item is awaited polls, however long that takes; one that nobody polls does not.
#[tokio::test(start_paused = true)]
async fn a_member_stays_while_its_stream_is_awaited_and_leaves_when_nobody_polls_that() {
    const INTERVAL: Duration = Duration::from_secs(60);
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let broker = orders().await;
        append(&broker, 0..1);
        let consumer =
            builder(&broker).group("billing").group_protocol(protocol).max_poll_interval(INTERVAL).build().unwrap();
        consumer.subscribe(["orders"]).await.unwrap();
        let members = || broker.group("billing").map_or(0, |group| group.members.len());
        let mut stream = consumer.stream();
        next(&mut stream).await.unwrap().unwrap();
        assert!(tokio::time::timeout(10 * INTERVAL, next(&mut stream)).await.is_err(), "there is nothing");
        assert_eq!(members(), 1, "{protocol:?}: it was awaited");
        // The wait is begun, and whoever awaited it has gone.
        tokio::time::sleep(INTERVAL / 2).await;
        assert_eq!(members(), 1, "{protocol:?}: not for too long yet");
        tokio::time::sleep(INTERVAL).await;
        assert_eq!(members(), 0, "{protocol:?}: its partitions are others' now");
        append(&broker, 1..2);
        assert_eq!(next(&mut stream).await.unwrap().unwrap().value.as_deref(), Some(&b"0"[..]), "nobody committed");
        assert_eq!(next(&mut stream).await.unwrap().unwrap().value.as_deref(), Some(&b"1"[..]));
        assert_eq!(members(), 1, "{protocol:?}: polled again");
    }
}

/// What does not poll is the wait for the listener, though the stream is awaited.
#[tokio::test(start_paused = true)]
async fn a_listener_that_hangs_in_a_stream_costs_the_membership() {
    struct Hangs;
    impl RebalanceListener for Hangs {
        fn on_partitions_assigned<'a>(&'a self, _: &'a Consumer, _: &'a [TopicPartition]) -> Called<'a> {
            Box::pin(std::future::pending())
        }
    }
    let broker = orders().await;
    let consumer = builder(&broker).group("billing").max_poll_interval(Duration::from_secs(60)).build().unwrap();
    consumer.subscribe_to(Subscription::topics(["orders"]).listener(Hangs)).await.unwrap();
    let mut stream = consumer.stream();
    assert!(tokio::time::timeout(Duration::from_secs(50), next(&mut stream)).await.is_err());
    assert_eq!(broker.group("billing").unwrap().members.len(), 1);
    assert!(tokio::time::timeout(Duration::from_secs(50), next(&mut stream)).await.is_err());
    assert!(broker.group("billing").is_none_or(|group| group.members.is_empty()));
}

/// A poll that outlasts a subscription, in either direction, is no poll of the next.
#[tokio::test(start_paused = true)]
async fn a_poll_of_an_earlier_subscription_keeps_no_later_one() {
    const INTERVAL: Duration = Duration::from_secs(60);
    let broker = orders().await;
    let consumer = builder(&broker).group("billing").max_poll_interval(INTERVAL).build().unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    let polling = tokio::spawn({
        let consumer = consumer.clone();
        async move { consumer.poll(INTERVAL / 2).await }
    });
    broker.until(|_| !consumer.assignment().is_empty()).await;
    consumer.unsubscribe().await.unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    assert!(polling.await.unwrap().unwrap().is_empty());
    consumer.unsubscribe().await.unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    broker.until(|_| !consumer.assignment().is_empty()).await;
    tokio::time::sleep(2 * INTERVAL).await;
    assert!(consumer.assignment().is_empty(), "nobody polls");
}

#[tokio::test(start_paused = true)]
async fn an_error_does_not_end_a_stream() {
    let broker = orders().await;
    append(&broker, 0..2);
    let consumer = builder(&broker).auto_offset_reset(OffsetReset::None).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    let mut stream = consumer.stream();
    assert!(next(&mut stream).await.unwrap().is_err());
    consumer.seek(&partition(0), 1).await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap().unwrap().offset, 1);
}

#[tokio::test(start_paused = true)]
async fn every_codec_is_read_with_headers_keys_and_nulls() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let broker = orders().await;
        let producer = Producer::builder(broker.address())
            .connector(pipes(&broker))
            .runtime(tokio::runtime::Handle::current())
            .set("compression.type", codec)
            .build()
            .unwrap();
        for n in 0..500 {
            let record = Record::to("orders").key(format!("key-{n}")).header("h", "1").null_header("h").timestamp(n);
            let record = if n % 7 == 0 { record } else { record.value(format!("value-{n}")) };
            producer.enqueue(record).await.unwrap();
        }
        producer.flush().await.unwrap();
        assert_eq!(broker.log("orders", 0).batches()[0].compression(), codec);
        let consumer = builder(&broker).max_poll_records(70_usize).build().unwrap();
        consumer.assign([partition(0)]).await.unwrap();
        let mut n = 0;
        while n < 500 {
            for record in &consumer.poll(SOON).await.unwrap() {
                assert_eq!((record.offset(), record.timestamp()), (n, n), "{codec}");
                assert_eq!(record.key(), Some(format!("key-{n}").as_bytes()));
                assert_eq!(record.value().is_none(), n % 7 == 0);
                let headers: Vec<_> = record.headers().collect();
                assert_eq!(headers, [(&b"h"[..], Some(&b"1"[..])), (b"h", None)]);
                n += 1;
            }
        }
    }
}

/// The client runs on a thread of its own; its callers need no runtime, whatever they call, whatever they drop.
#[test]
fn every_call_of_a_consumer_works_without_a_runtime_of_the_callers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = runtime
        .block_on(async { Broker::start().topic("orders", 1).group_initial_rebalance_delay(Duration::ZERO).await });
    append(&broker, 0..5);
    let soon = Duration::from_secs(10);
    let orders = partition(0);
    let builder = || {
        Consumer::builder(broker.address())
            .group("billing")
            .enable_auto_commit(false)
            .auto_offset_reset(OffsetReset::Earliest)
    };

    let consumer = builder().build().unwrap();
    wait(consumer.assign([orders.clone()])).unwrap();
    assert_eq!(wait(consumer.poll(soon)).unwrap().len(), 5);
    wait(consumer.seek(&orders, 3)).unwrap();
    assert_eq!(wait(consumer.poll(soon)).unwrap().len(), 2);
    assert_eq!(wait(consumer.poll(Duration::from_millis(20))).unwrap().len(), 0, "its timeout is the client's");
    assert_eq!(wait(consumer.poll(Duration::ZERO)).unwrap().len(), 0);
    wait(consumer.seek_to_beginning([&orders])).unwrap();
    assert_eq!(wait(consumer.position(&orders)).unwrap(), 0);
    wait(consumer.seek_to_end([&orders])).unwrap();
    assert_eq!(wait(consumer.position(&orders)).unwrap(), 5);
    wait(consumer.pause([&orders])).unwrap();
    wait(consumer.resume([&orders])).unwrap();
    wait(consumer.commit_offsets([(orders.clone(), 2)])).unwrap();
    wait(consumer.enqueue_commit_offsets([(orders.clone(), 3)]).unwrap()).unwrap();
    assert_eq!(wait(consumer.committed([&orders])).unwrap()[&orders].as_ref().unwrap().offset, 3);
    wait(consumer.seek_to_committed()).unwrap();
    assert_eq!(wait(consumer.position(&orders)).unwrap(), 3);
    assert_eq!(wait(consumer.beginning_offsets([&orders])).unwrap()[&orders], 0);
    assert_eq!(wait(consumer.end_offsets([&orders])).unwrap()[&orders], 5);
    assert_eq!(wait(consumer.offsets_for_times([(orders.clone(), 1)])).unwrap().len(), 1);
    assert_eq!(wait(consumer.partitions_for("orders")).unwrap(), std::slice::from_ref(&orders));
    wait(consumer.unsubscribe()).unwrap();
    wait(consumer.close(soon)).unwrap();

    let consumer = builder().build().unwrap();
    wait(consumer.subscribe(["orders"])).unwrap();
    let mut stream = consumer.stream();
    assert_eq!(wait(next(&mut stream)).unwrap().unwrap().offset, 3);
    wait(consumer.enforce_rebalance("")).unwrap();
    wait(consumer.unsubscribe()).unwrap();
    wait(consumer.subscribe(["orders"])).unwrap();
    assert_eq!(wait(next(&mut stream)).unwrap().unwrap().offset, 3);
    drop(stream);
    wait(consumer.commit()).unwrap();
    // What it has to say, it says behind its caller.
    drop(consumer);
    runtime.block_on(broker.until(|broker| broker.group("billing").is_none_or(|group| group.members.is_empty())));
    assert_eq!(broker.committed("billing", "orders", 0).unwrap().offset, 4);
}

/// The client runs on a thread of its own; its callers need no runtime.
#[test]
fn a_consumer_works_over_tcp_without_a_runtime_of_the_callers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = runtime.block_on(async { Broker::start().topic("orders", 1).await });
    append(&broker, 0..3);
    let consumer =
        Consumer::builder(broker.address()).group("billing").auto_offset_reset(OffsetReset::Earliest).build().unwrap();
    wait(consumer.subscribe(["orders"])).unwrap();
    let mut read = 0;
    while read < 3 {
        read += wait(consumer.poll(Duration::from_secs(10))).unwrap().len();
    }
    assert_eq!(wait(consumer.position(&partition(0))).unwrap(), 3);
    assert_eq!(wait(consumer.end_offsets(&[partition(0)])).unwrap()[&partition(0)], 3);
    wait(consumer.commit()).unwrap();
    wait(consumer.close(Duration::from_secs(10))).unwrap();
    assert_eq!(broker.committed("billing", "orders", 0).unwrap().offset, 3);
}

#[tokio::test]
async fn a_client_whose_runtime_ended_says_closed() {
    let broker = Broker::start().topic("orders", 1).await;
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let consumer = Consumer::builder(broker.address()).runtime(other.handle().clone()).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    other.shutdown_background();
    let error = consumer.poll(Duration::from_secs(10)).await.unwrap_err();
    assert_eq!(error.kind(), ottla::Kind::Closed);
    assert_eq!(consumer.end_offsets(&[partition(0)]).await.unwrap_err().kind(), ottla::Kind::Closed);
}

/// Two tasks that poll one consumer get each record once between them.
#[tokio::test(start_paused = true)]
async fn clones_that_poll_at_once_share_the_records() {
    let broker = orders().await;
    let consumer = builder(&broker).max_poll_records(3_usize).build().unwrap();
    consumer.assign([partition(0)]).await.unwrap();
    let poll = |consumer: Consumer| async move {
        let mut offsets = Vec::new();
        while offsets.len() < 30 {
            let records = consumer.poll(Duration::from_secs(5)).await.unwrap();
            if records.is_empty() {
                break;
            }
            offsets.extend(records.iter().map(|record| record.offset()));
            tokio::task::yield_now().await;
        }
        offsets
    };
    let both = [tokio::spawn(poll(consumer.clone())), tokio::spawn(poll(consumer.clone()))];
    for n in 0..40 {
        append(&broker, n..n + 1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut all = Vec::new();
    for task in both {
        all.extend(task.await.unwrap());
    }
    all.extend(read(&consumer, 40 - all.len()).await.values().flatten().map(|value| value.parse::<i64>().unwrap()));
    all.sort_unstable();
    assert_eq!(all, (0..40).collect::<Vec<_>>());
}

#[test]
fn every_future_can_cross_threads() {
    fn is_send<F: Future + Send>(_: F) {}
    let _ = |consumer: &Consumer| {
        let partition = partition(0);
        is_send(consumer.subscribe(["orders"]));
        is_send(consumer.unsubscribe());
        is_send(consumer.assign([partition.clone()]));
        is_send(consumer.poll(SOON));
        is_send(consumer.seek(&partition, 0));
        is_send(consumer.seek_to_end([&partition]));
        is_send(consumer.pause([&partition]));
        is_send(consumer.resume([&partition]));
        is_send(consumer.position(&partition));
        is_send(consumer.commit());
        is_send(consumer.commit_offsets([(partition.clone(), 1)]));
        is_send(consumer.committed([&partition]));
        is_send(consumer.beginning_offsets([&partition]));
        is_send(consumer.offsets_for_times([(partition.clone(), 1)]));
        is_send(consumer.partitions_for("orders"));
        is_send(consumer.close(SOON));
    };
    fn is_shared<T: Send + Sync + Clone>() {}
    is_shared::<Consumer>();
    is_shared::<ottla::Records>();
}
