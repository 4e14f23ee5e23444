//! Share groups on real brokers, Java's share consumer among the members.
#![expect(clippy::disallowed_methods, reason = "real brokers take real time: waits end at a deadline")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla::{AcknowledgeType, Code, ConsumedRecord, Metric, Producer, Record, ShareConsumer};
use real::{Cluster, shared, shared_to_break, unique};

const LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(500);
/// How long a broker keeps what it delivered for who got it, unless it is told otherwise.
const LOCK: Duration = Duration::from_secs(30);

/// A group that starts at the beginning of its topics, with these settings.
fn group(cluster: &Cluster, settings: &str) -> Result<String> {
    let group = unique("share");
    let bootstrap = cluster.bootstrap();
    let arguments = ["--bootstrap-server", &bootstrap, "--alter", "--entity-type", "groups", "--entity-name", &group];
    let settings = format!("share.auto.offset.reset=earliest{settings}");
    let output = cluster.tool("kafka.admin.ConfigCommand", arguments.into_iter().chain(["--add-config", &settings]))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(group)
}

async fn member(cluster: &Cluster, group: &str, topic: &str, settings: &[(&str, &str)]) -> Result<ShareConsumer> {
    let consumer =
        ShareConsumer::builder(cluster.bootstrap()).group(group).set_all(settings.iter().copied()).build()?;
    consumer.subscribe([topic]).await?;
    Ok(consumer)
}

async fn write(cluster: &Cluster, topic: &str, values: impl IntoIterator<Item = String>) -> Result<()> {
    let producer = Producer::builder(cluster.bootstrap()).build()?;
    for value in values {
        producer.enqueue(Record::to(topic).value(&value)).await?;
    }
    Ok(producer.flush().await?)
}

fn value(record: &ConsumedRecord<'_>) -> String {
    String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned()
}

/// How often a member's partitions have changed.
fn rebalances(consumer: &ShareConsumer) -> f64 {
    let metrics = consumer.metrics();
    metrics.find("consumer-share-coordinator-metrics", "rebalance-total", &[]).map_or(f64::NAN, Metric::as_f64)
}

/// Value and delivery count of the records until `count` came.
async fn take(consumer: &ShareConsumer, count: usize) -> Result<Vec<(String, i16)>> {
    let mut seen = Vec::new();
    let start = Instant::now();
    while seen.len() < count {
        ensure!(start.elapsed() < LIMIT, "only these came: {seen:?}");
        let records = consumer.poll(POLL).await?;
        seen.extend(records.iter().map(|record| (value(&record), record.delivery_count().unwrap_or(0))));
    }
    Ok(seen)
}

/// Each record goes to one of two members and is delivered once; Java, after them, gets none of them.
#[tokio::test]
async fn members_share_the_records_and_each_is_delivered_once() -> Result<()> {
    const COUNT: usize = 2_000;
    let cluster = shared();
    let topic = cluster.topic("queue", 3)?;
    let group = group(&cluster, "")?;
    let seen: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let mut members = Vec::new();
    for _ in 0..2 {
        let consumer = member(&cluster, &group, &topic, &[("max.poll.records", "50")]).await?;
        let seen = seen.clone();
        members.push(tokio::spawn(async move {
            let start = Instant::now();
            let mut own = 0;
            while seen.lock().unwrap().len() < COUNT && start.elapsed() < LIMIT {
                for record in &consumer.poll(POLL).await? {
                    *seen.lock().unwrap().entry(value(&record)).or_default() += 1;
                    own += 1;
                }
            }
            let results = consumer.commit().await?;
            ensure!(results.values().all(Result::is_ok), "{results:?}");
            consumer.close(Duration::from_secs(10)).await?;
            anyhow::Ok(own)
        }));
    }
    write(&cluster, &topic, (0..COUNT).map(|n| n.to_string())).await?;
    for member in members {
        member.await??;
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), COUNT);
    assert!(seen.values().all(|times| *times == 1), "delivered again: {seen:?}");
    let bootstrap = cluster.bootstrap();
    let java = cluster.tool(
        "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
        ["--bootstrap-server", &bootstrap, "--topic", &topic, "--group", &group, "--timeout-ms", "5000"],
    )?;
    assert_eq!(String::from_utf8_lossy(&java.stdout), "");
    Ok(())
}

/// What this client leaves is Java's, with what it rejected left out.
#[tokio::test]
async fn released_records_come_again_with_a_higher_count_and_rejected_ones_do_not() -> Result<()> {
    let cluster = shared();
    let topic = cluster.topic("release", 1)?;
    let group = group(&cluster, "")?;
    write(&cluster, &topic, ["accept", "release", "reject"].map(str::to_owned)).await?;
    let consumer = member(&cluster, &group, &topic, &[("share.acknowledgement.mode", "explicit")]).await?;
    let mut decided = 0;
    let start = Instant::now();
    while decided < 3 && start.elapsed() < LIMIT {
        for record in &consumer.poll(POLL).await? {
            assert_eq!(record.delivery_count(), Some(1));
            let kind = match &*value(&record) {
                "accept" => AcknowledgeType::Accept,
                "release" => AcknowledgeType::Release,
                _ => AcknowledgeType::Reject,
            };
            consumer.acknowledge(&record, kind)?;
            decided += 1;
        }
        let results = consumer.commit().await?;
        assert!(results.values().all(Result::is_ok), "{results:?}");
    }
    let mut again = Vec::new();
    while again.is_empty() && start.elapsed() < LIMIT {
        for record in &consumer.poll(POLL).await? {
            again.push((value(&record), record.delivery_count()));
            consumer.acknowledge(&record, AcknowledgeType::Release)?;
        }
    }
    assert_eq!(again, [("release".to_owned(), Some(2))]);
    consumer.close(Duration::from_secs(10)).await?;
    let bootstrap = cluster.bootstrap();
    let java = cluster.tool(
        "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
        ["--bootstrap-server", &bootstrap, "--topic", &topic, "--group", &group, "--timeout-ms", "10000"],
    )?;
    assert_eq!(String::from_utf8_lossy(&java.stdout), "release\n");
    Ok(())
}

#[tokio::test]
async fn in_explicit_mode_every_record_is_acknowledged_before_the_next_poll() -> Result<()> {
    let cluster = shared();
    let topic = cluster.topic("explicit", 1)?;
    let group = group(&cluster, "")?;
    write(&cluster, &topic, ["one", "two"].map(str::to_owned)).await?;
    let consumer = member(&cluster, &group, &topic, &[("share.acknowledgement.mode", "explicit")]).await?;
    let start = Instant::now();
    let records = loop {
        let records = consumer.poll(POLL).await?;
        ensure!(start.elapsed() < LIMIT, "nothing came");
        if !records.is_empty() {
            break records;
        }
    };
    let error = consumer.poll(POLL).await.unwrap_err();
    assert!(error.to_string().contains("at offset 0 was not acknowledged"), "{error}");
    let mut renewed = 0;
    for record in &records {
        let kind = if record.offset() == 0 { AcknowledgeType::Renew } else { AcknowledgeType::Accept };
        consumer.acknowledge(&record, kind)?;
        renewed += usize::from(record.offset() == 0);
    }
    assert_eq!(renewed, 1);
    // The record that is renewed comes again, still its first delivery.
    let again = loop {
        let records = consumer.poll(POLL).await?;
        ensure!(start.elapsed() < LIMIT, "the renewed record did not come");
        if !records.is_empty() {
            break records;
        }
    };
    let seen: Vec<_> = again.iter().map(|record| (record.offset(), record.delivery_count())).collect();
    assert_eq!(seen[0], (0, Some(1)));
    for record in &again {
        consumer.acknowledge(&record, AcknowledgeType::Accept)?;
    }
    let results = consumer.commit().await?;
    assert!(results.values().all(Result::is_ok), "{results:?}");
    let late = again.iter().next().context("a record")?;
    assert!(consumer.acknowledge(&late, AcknowledgeType::Accept).is_err(), "it is done with");
    consumer.close(Duration::from_secs(10)).await?;
    Ok(())
}

/// A member that dies is missed at once; one that sleeps, once the lock has run out, and is told so.
#[tokio::test]
async fn what_a_dead_or_sleeping_member_held_is_delivered_again() -> Result<()> {
    let cluster = shared();
    let topic = cluster.topic("dead", 1)?;
    let group = group(&cluster, ",share.record.lock.duration.ms=15000")?;
    write(&cluster, &topic, ["job".to_owned()]).await?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let bootstrap = cluster.bootstrap();
    let dying = ShareConsumer::builder(&bootstrap).group(&group).runtime(runtime.handle().clone()).build()?;
    dying.subscribe([&*topic]).await?;
    assert_eq!(take(&dying, 1).await?, [("job".to_owned(), 1)]);
    runtime.shutdown_background();

    let sleeping = member(&cluster, &group, &topic, &[]).await?;
    assert_eq!(take(&sleeping, 1).await?, [("job".to_owned(), 2)]);
    assert_eq!(sleeping.acquisition_lock_timeout(), Some(Duration::from_secs(15)));
    let awake = member(&cluster, &group, &topic, &[]).await?;
    assert_eq!(take(&awake, 1).await?, [("job".to_owned(), 3)]);
    let results = sleeping.commit().await?;
    let codes: Vec<_> = results.values().map(|outcome| outcome.as_ref().err().and_then(ottla::Error::code)).collect();
    assert_eq!(codes, [Some(Code::InvalidRecordState)], "edge 70: {results:?}");
    assert!(awake.commit().await?.values().all(Result::is_ok));
    sleeping.close(Duration::from_secs(10)).await?;
    awake.close(Duration::from_secs(10)).await?;
    Ok(())
}

/// edge 69: what was taken is acknowledged though nothing more of its partition is wanted; and nothing more of it is
/// taken along, to lie locked where nobody reads it.
#[tokio::test]
async fn records_of_a_topic_that_is_not_read_any_more_can_be_acknowledged_and_no_more_of_it_are_taken() -> Result<()> {
    let cluster = shared();
    // One broker delivers both: acknowledgements may go with its fetches.
    let (old, new) = (cluster.topic_on("done-with", &[1], &[])?, cluster.topic_on("next", &[1], &[])?);
    let group = group(&cluster, ",share.heartbeat.interval.ms=500")?;
    write(&cluster, &old, ["one", "two"].map(str::to_owned)).await?;
    let explicit = [("share.acknowledgement.mode", "explicit")];
    let consumer = member(&cluster, &group, &old, &explicit).await?;
    consumer.subscribe([&*old, &*new]).await?;
    let start = Instant::now();
    let records = loop {
        let records = consumer.poll(POLL).await?;
        ensure!(start.elapsed() < LIMIT, "nothing came");
        if !records.is_empty() {
            break records;
        }
    };
    let taken: Vec<_> = records.iter().map(|record| value(&record)).collect();
    assert_eq!(taken, ["one", "two"]);
    let before = rebalances(&consumer);
    consumer.subscribe([&*new]).await?;
    while rebalances(&consumer) == before {
        ensure!(start.elapsed() < LIMIT, "the first topic is still assigned");
        tokio::time::sleep(POLL / 10).await;
    }
    for record in &records {
        let kind = if value(&record) == "one" { AcknowledgeType::Accept } else { AcknowledgeType::Renew };
        consumer.acknowledge(&record, kind)?;
    }
    // By the time that a record of the second topic comes, the broker has forgotten that the first was read.
    write(&cluster, &new, ["tea".to_owned()]).await?;
    let mut kinds = Vec::new();
    while !kinds.contains(&AcknowledgeType::Release) {
        ensure!(start.elapsed() < LIMIT, "this is what became of what came: {kinds:?}");
        let has_tea = kinds.contains(&AcknowledgeType::Accept);
        for record in &consumer.poll(POLL).await? {
            let kind = match &*value(&record) {
                "tea" => AcknowledgeType::Accept,
                _ if has_tea => AcknowledgeType::Release,
                _ => AcknowledgeType::Renew,
            };
            consumer.acknowledge(&record, kind)?;
            kinds.push(kind);
        }
    }
    write(&cluster, &old, ["three".to_owned()]).await?;
    // The fetch of this poll is what that last acknowledgement could ride on.
    assert!(consumer.poll(POLL).await?.is_empty());
    let other = member(&cluster, &group, &old, &[]).await?;
    // The one that was accepted does not come; that which the member gave back does, and what nobody has had.
    let since = Instant::now();
    assert_eq!(take(&other, 2).await?, [("two".to_owned(), 2), ("three".to_owned(), 1)]);
    assert!(since.elapsed() < LOCK / 2, "not because its lock ran out: {:?}", since.elapsed());
    consumer.close(Duration::from_secs(10)).await?;
    other.close(Duration::from_secs(10)).await?;
    Ok(())
}

/// edge 70: the broker that delivered dies with the session; the records come again from another, and none is lost.
#[tokio::test]
async fn a_broker_that_dies_loses_no_record() -> Result<()> {
    const COUNT: usize = 300;
    let cluster = shared_to_break();
    let topic = cluster.topic("restart", 3)?;
    let group = group(&cluster, "")?;
    write(&cluster, &topic, (0..COUNT / 2).map(|n| n.to_string())).await?;
    let consumer = member(&cluster, &group, &topic, &[("max.poll.records", "20")]).await?;
    let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
    for (seen, _) in take(&consumer, 30).await? {
        *accepted.entry(seen).or_default() += 1;
    }
    let leader = cluster.leader(&topic, 0)?.context("a leader")?;
    cluster.kill(leader)?;
    write(&cluster, &topic, (COUNT / 2..COUNT).map(|n| n.to_string())).await?;
    let start = Instant::now();
    let mut is_up = false;
    while accepted.len() < COUNT {
        ensure!(start.elapsed() < LIMIT * 2, "{} of {COUNT} came", accepted.len());
        match consumer.poll(POLL).await {
            Ok(records) => records.iter().for_each(|record| *accepted.entry(value(&record)).or_default() += 1),
            Err(error) => ensure!(error.is_retriable(), "{error}"),
        }
        if accepted.len() > COUNT * 2 / 3 && !is_up {
            cluster.restart(leader)?;
            is_up = true;
        }
    }
    consumer.close(Duration::from_secs(10)).await?;
    Ok(())
}
