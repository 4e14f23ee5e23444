//! Sequence numbers against the rules by which brokers keep them: nothing is written twice, out of order, or lost
//! without a word, whatever happens to requests, answers and logs.

use std::time::Duration;

use ottla::{Code, Delivery, Kind, Producer, ProducerBuilder, Record};
use ottla_broker::{ApiKey, Broker};
use tokio::time::Instant;

use crate::{SOON, pipes};

/// One partition, whose batches have room for one record of 100 bytes.
async fn orders() -> Broker {
    Broker::start().nodes(2).topic("orders", 1).in_memory_only().await
}

fn builder(broker: &Broker) -> ProducerBuilder {
    Producer::builder(broker.address())
        .connector(pipes(broker))
        .runtime(tokio::runtime::Handle::current())
        .seed(7)
        .batch_size(200_usize)
        .linger(Duration::ZERO)
}

/// A value that fills a batch.
fn value(n: usize) -> String {
    format!("{n:0100}")
}

async fn put(producer: &Producer, n: usize) -> Delivery {
    producer.enqueue(Record::to("orders").value(value(n))).await.unwrap()
}

async fn put_all(producer: &Producer, numbers: std::ops::Range<usize>) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for n in numbers {
        deliveries.push(put(producer, n).await);
    }
    deliveries
}

fn written(broker: &Broker) -> Vec<usize> {
    broker.log("orders", 0).values().iter().map(|value| value.parse().unwrap()).collect()
}

fn epochs(broker: &Broker) -> Vec<i16> {
    let mut epochs: Vec<_> =
        broker.log("orders", 0).batches().iter().map(ottla_broker::BatchView::producer_epoch).collect();
    epochs.dedup();
    epochs
}

/// edge 1: five are in flight and the second is lost on its way: those behind it are refused, and go again in order.
#[tokio::test(start_paused = true)]
async fn a_batch_lost_among_five_in_flight_is_followed_in_order() {
    for lost in 1..5 {
        let broker = orders().await;
        let producer = builder(&broker).build().unwrap();
        put(&producer, 0).await.await.unwrap();
        broker.on(ApiKey::Produce).skip(lost).error(Code::NotEnoughReplicas.to_wire());
        for (n, delivery) in (1..).zip(put_all(&producer, 1..8).await) {
            assert_eq!(delivery.await.unwrap().offset(), Some(n));
        }
        assert_eq!(written(&broker), (0..8).collect::<Vec<_>>(), "lost {lost}");
        assert_eq!(epochs(&broker), [0], "no number was given up");
    }
}

/// edge 2: the first of five is refused for good. The others are written once, under the next epoch.
#[tokio::test(start_paused = true)]
async fn the_first_of_five_fails_for_good_and_the_others_are_written() {
    let broker = orders().await;
    broker.configure_topic("orders", "max.message.bytes", "1000").unwrap();
    let producer = builder(&broker).build().unwrap();
    put(&producer, 0).await.await.unwrap();
    broker.on(ApiKey::Produce).hold();
    let large = producer.enqueue(Record::to("orders").value(vec![b'x'; 2_000])).await.unwrap();
    let others = put_all(&producer, 1..5).await;
    tokio::time::timeout(SOON, broker.until(|broker| broker.held() > 0)).await.unwrap();
    broker.release();
    assert_eq!(large.await.unwrap_err().code(), Some(Code::MessageTooLarge));
    for other in others {
        other.await.unwrap();
    }
    assert_eq!(written(&broker), [0, 1, 2, 3, 4]);
    assert_eq!(epochs(&broker), [0, 1]);
}

/// edge 3: the log lost its end, and with it the numbers before the next: the epoch is raised, the record is written.
#[tokio::test(start_paused = true)]
async fn a_log_that_lost_its_end_costs_an_epoch() {
    let broker = orders().await;
    let producer = builder(&broker).build().unwrap();
    for delivery in put_all(&producer, 0..3).await {
        delivery.await.unwrap();
    }
    broker.truncate("orders", 0, 1).unwrap();
    put(&producer, 3).await.await.unwrap();
    assert_eq!(written(&broker), [0, 3], "what was lost was acknowledged by a leader that lost it");
    assert_eq!(epochs(&broker), [0, 1]);
}

/// edge 4: the broker remembers five batches, and says where each stands.
#[tokio::test(start_paused = true)]
async fn any_of_five_repeated_batches_keeps_its_offset() {
    let broker = orders().await;
    let producer = builder(&broker).build().unwrap();
    put(&producer, 0).await.await.unwrap();
    // All five are written, and every answer is lost.
    broker.on(ApiKey::Produce).times(5).drop_after();
    for (n, delivery) in (1..).zip(put_all(&producer, 1..6).await) {
        assert_eq!(delivery.await.unwrap().offset(), Some(n));
    }
    assert_eq!(written(&broker), [0, 1, 2, 3, 4, 5]);
}

/// edge 5: requests repeated and delayed on their way, one after the other.
#[tokio::test(start_paused = true)]
async fn repeated_and_delayed_requests_write_each_record_once() {
    let broker = orders().await;
    let producer = builder(&broker).request_timeout(Duration::from_secs(2)).build().unwrap();
    for n in 0..40 {
        match n % 4 {
            0 => broker.repeat(ApiKey::Produce),
            1 => broker.on(ApiKey::Produce).delay(Duration::from_secs(3)),
            2 => broker.refuse(ApiKey::Produce),
            _ => broker.drop_after(ApiKey::Produce),
        }
        put(&producer, n).await.await.unwrap();
    }
    assert_eq!(written(&broker), (0..40).collect::<Vec<_>>());
    assert_eq!(epochs(&broker), [0]);
}

/// edge 6: given up while its answer was on its way. It may have been written, and if it was, nothing is missing.
#[tokio::test(start_paused = true)]
async fn a_batch_given_up_in_flight_is_reported_and_leaves_no_gap_if_it_was_written() {
    let broker = orders().await;
    let producer = builder(&broker)
        .request_timeout(Duration::from_secs(2))
        .delivery_timeout(Duration::from_secs(4))
        .build()
        .unwrap();
    put(&producer, 0).await.await.unwrap();
    broker.on(ApiKey::Produce).always().drop_after();
    let error = put(&producer, 1).await.await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    broker.clear();
    put(&producer, 2).await.await.unwrap();
    assert_eq!(written(&broker), [0, 1, 2]);
    assert_eq!(epochs(&broker), [0], "the numbers went on");
}

/// edge 6: and if it was not, the next is refused once, and written under the next epoch.
#[tokio::test(start_paused = true)]
async fn a_batch_given_up_and_never_written_is_reported_and_costs_an_epoch() {
    let broker = orders().await;
    let producer = builder(&broker)
        .request_timeout(Duration::from_secs(2))
        .delivery_timeout(Duration::from_secs(4))
        .build()
        .unwrap();
    put(&producer, 0).await.await.unwrap();
    broker.on(ApiKey::Produce).always().refuse();
    let error = put(&producer, 1).await.await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    broker.clear();
    for delivery in put_all(&producer, 2..6).await {
        delivery.await.unwrap();
    }
    assert_eq!(written(&broker), [0, 2, 3, 4, 5]);
    assert_eq!(epochs(&broker), [0, 1]);
}

/// edge 7: retention removed all that the producer wrote, and a broker of before KIP-360 does not know it any more.
#[tokio::test(start_paused = true)]
async fn a_producer_that_retention_made_unknown_goes_on() {
    let broker = Broker::start().topic("orders", 1).unknown_producer_ids(true).in_memory_only().await;
    let producer = builder(&broker).build().unwrap();
    for delivery in put_all(&producer, 0..3).await {
        delivery.await.unwrap();
    }
    broker.delete_records("orders", 0, 3).unwrap();
    for delivery in put_all(&producer, 3..6).await {
        delivery.await.unwrap();
    }
    assert_eq!(written(&broker), [3, 4, 5]);
}

/// edge 7: within a transaction the numbers start over under the same epoch, and the transaction is committed.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_retention_made_unknown_is_committed() {
    let broker =
        Broker::start().topic("orders", 1).transaction_version(1).unknown_producer_ids(true).in_memory_only().await;
    let producer = builder(&broker).transactional_id("t").build_transactional().unwrap();
    for round in 0..2 {
        let transaction = producer.begin().await.unwrap();
        drop(transaction.enqueue(Record::to("orders").value(value(round))).await.unwrap());
        transaction.flush().await.unwrap();
        if round == 0 {
            transaction.commit().await.unwrap();
            let end = broker.log("orders", 0).end_offset();
            broker.delete_records("orders", 0, end).unwrap();
        } else {
            transaction.commit().await.unwrap();
        }
    }
    assert_eq!(broker.log("orders", 0).committed_values(), [value(1)]);
    assert_eq!(epochs(&broker), [0]);
}

/// edge 10: what the broker finds too large is split, and written once in order; what is behind it follows.
/// edge 11: after that, batches are made small enough.
#[tokio::test(start_paused = true)]
async fn a_batch_too_large_for_the_broker_is_split_and_the_next_are_smaller() {
    for codec in ["none", "lz4", "zstd"] {
        let broker = orders().await;
        broker.configure_topic("orders", "max.message.bytes", "1500").unwrap();
        let producer = builder(&broker)
            .set("compression.type", codec)
            .batch_size(100_000_usize)
            .linger(Duration::from_millis(5))
            .build()
            .unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        let mut noise = || (0..50).map(|_| random.alphanumeric()).collect::<String>();
        let mut sent = Vec::new();
        for round in 0..20 {
            let mut deliveries = Vec::new();
            for n in 0..100 {
                let value = format!("{round} {n} {}", noise());
                deliveries.push(producer.enqueue(Record::to("orders").value(value.clone())).await.unwrap());
                sent.push(value);
            }
            for (n, delivery) in (0..).zip(deliveries) {
                assert_eq!(delivery.await.unwrap().offset(), Some(round * 100 + n));
            }
        }
        assert_eq!(broker.log("orders", 0).values(), sent, "{codec}");
        assert_eq!(epochs(&broker), [0], "no number was given up");
        broker.forget_requests();
        let before = broker.log("orders", 0).batches().len();
        for n in 0..100 {
            drop(producer.enqueue(Record::to("orders").value(format!("{n} {}", noise()))).await.unwrap());
        }
        producer.flush().await.unwrap();
        let batches = broker.log("orders", 0).batches().len() - before;
        assert_eq!(broker.count(ApiKey::Produce), batches, "{codec}: none was refused");
    }
}

/// edge 10: a single record that is too large fails, and those that were in a batch with it do not.
#[tokio::test(start_paused = true)]
async fn a_record_too_large_for_the_broker_fails_alone() {
    let broker = orders().await;
    broker.configure_topic("orders", "max.message.bytes", "1500").unwrap();
    let producer = builder(&broker).batch_size(100_000_usize).linger(Duration::from_millis(5)).build().unwrap();
    let mut deliveries = Vec::new();
    for n in 0..7 {
        let size = if n == 3 { 3_000 } else { 100 };
        let record = Record::to("orders").value(format!("{n:0size$}"));
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    for (n, delivery) in deliveries.into_iter().enumerate() {
        match delivery.await {
            Ok(_) => assert_ne!(n, 3),
            Err(error) => assert_eq!((n, error.code()), (3, Some(Code::MessageTooLarge))),
        }
    }
    assert_eq!(written(&broker), [0, 1, 2, 4, 5, 6]);
}

/// edge 14: with a new leader known, there is no reason to wait for the backoff.
#[tokio::test(start_paused = true)]
async fn a_leader_that_an_answer_names_is_tried_at_once() {
    let broker = orders().await;
    let producer = builder(&broker).retry_backoff(Duration::from_secs(10)).build().unwrap();
    put(&producer, 0).await.await.unwrap();
    let old = broker.leader("orders", 0).unwrap();
    broker.move_leader("orders", 0, 1 - old).unwrap();
    let start = Instant::now();
    put(&producer, 1).await.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

/// edge 15: the leader of a new topic is asked for at once.
#[tokio::test(start_paused = true)]
async fn the_first_record_to_a_new_topic_waits_for_no_timer() {
    let broker = orders().await;
    let producer = builder(&broker).build().unwrap();
    put(&producer, 0).await.await.unwrap();
    broker.create_topic("new", 3).unwrap();
    let start = Instant::now();
    producer.send(Record::to("new").value("tea")).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
}

/// edge 16: a key goes where the partitions say that there are when it is sent.
#[tokio::test(start_paused = true)]
async fn keys_follow_the_number_of_partitions() {
    let broker = orders().await;
    let producer = builder(&broker).metadata_max_age(Duration::from_secs(1)).build().unwrap();
    let send = async |n: i32| {
        let record = Record::to("orders").key(format!("user-{n}")).value("tea");
        producer.send(record).await.unwrap().partition()
    };
    assert_eq!(send(0).await, 0);
    broker.add_partitions("orders", 5).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut used = std::collections::BTreeSet::new();
    for n in 0..100 {
        used.insert(send(n).await);
    }
    assert_eq!(used.len(), 5);
}

/// edge 18: a key is written where Java's client would write it, the empty one too; no key goes anywhere.
#[tokio::test(start_paused = true)]
async fn keys_are_written_where_java_would_write_them() {
    let broker = Broker::start().topic("orders", 7).in_memory_only().await;
    let producer = builder(&broker).build().unwrap();
    let mut vectors = 0;
    for line in include_str!("../vectors/murmur2.txt").lines() {
        let (key, hashes) = line.rsplit_once('"').unwrap_or((line, ""));
        let Some(key) = key.strip_prefix('"').filter(|key| !key.contains('\\')) else { continue };
        let positive: i32 = hashes.split(' ').next_back().unwrap().parse().unwrap();
        let ack = producer.send(Record::to("orders").key(key).value(line)).await.unwrap();
        assert_eq!(ack.partition(), positive % 7, "{line}");
        vectors += 1;
    }
    assert!(vectors > 10, "{vectors}");
    producer.send(Record::to("orders").value("no key")).await.unwrap();
}

/// edge 20: no authorization fails what was sent there, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_topic_without_authorization_fails_alone() {
    let broker = Broker::start().topic("orders", 1).topic("secret", 1).in_memory_only().await;
    let producer = builder(&broker).build().unwrap();
    for code in [Code::TopicAuthorizationFailed, Code::ClusterAuthorizationFailed, Code::UnsupportedForMessageFormat] {
        broker.on(ApiKey::Produce).topic("secret").error(code.to_wire());
        let secret = producer.enqueue(Record::to("secret").value("x")).await.unwrap();
        let open = producer.enqueue(Record::to("orders").value(value(0))).await.unwrap();
        assert_eq!(secret.await.unwrap_err().code(), Some(code));
        open.await.unwrap();
        assert_eq!(broker.log("secret", 0).len(), 0);
    }
    producer.send(Record::to("secret").value("y")).await.unwrap();
}

/// edge 21: a broker that refuses records says which, and the others are told why they went with them.
#[tokio::test(start_paused = true)]
async fn records_without_a_key_fail_by_name_on_a_compacted_topic() {
    let broker = Broker::start().topic_with("latest", 1, [("cleanup.policy", "compact")]).in_memory_only().await;
    let producer = builder(&broker).batch_size(10_000_usize).linger(Duration::from_millis(5)).build().unwrap();
    let mut deliveries = Vec::new();
    for n in 0..5 {
        let record = Record::to("latest").value("tea");
        let record = if n == 1 || n == 3 { record } else { record.key("user-7") };
        deliveries.push(producer.enqueue(record.partition(0)).await.unwrap());
    }
    for (n, delivery) in deliveries.into_iter().enumerate() {
        let error = delivery.await.unwrap_err();
        assert_eq!(error.code(), Some(Code::InvalidRecord), "{error}");
        let text = error.to_string();
        if n == 1 || n == 3 {
            assert!(text.contains(&format!("record {n} of its batch")), "{text}");
        } else {
            assert!(text.contains("record 1 of the same batch"), "{text}");
        }
    }
    assert!(broker.log("latest", 0).is_empty());
    producer.send(Record::to("latest").key("user-7").value("tea")).await.unwrap();
}
