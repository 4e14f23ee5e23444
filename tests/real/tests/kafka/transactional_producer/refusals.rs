//! Producers that are fenced, late or greedy, and what they are told.

use anyhow::{Context, Result, ensure};
use ottla::{Code, Error, Producer, Record, Retry};
use real::{Cluster, unique};

use super::{Finished, producer, speaks_kip_890, unfinished, until_aborted, values, with_both_protocols, write};

with_both_protocols! {
    a_second_producer_of_an_id_ends_what_the_first_left_open_and_fences_it
    a_fenced_producer_that_goes_on_sending_learns_it_too
    a_transaction_open_for_too_long_is_aborted_and_its_producer_is_told
    a_producer_that_aborts_what_was_open_for_too_long_goes_on_or_is_fenced
    a_timeout_over_the_brokers_maximum_is_an_error_that_names_it
}

fn is_fenced(error: &Error) -> Result<()> {
    ensure!(error.retry() == Retry::Restart && error.code() == Some(Code::ProducerFenced), "{error:?}");
    Ok(())
}

async fn a_second_producer_of_an_id_ends_what_the_first_left_open_and_fences_it(cluster: &Cluster) -> Result<()> {
    let (topic, id) = (cluster.topic("fenced", 1)?, unique("fenced"));
    let first = producer(cluster, &id)?;
    let open = first.begin().await?;
    write(&open, &topic, 1, &values("first", 3)).await?;

    let second = producer(cluster, &id)?;
    second.init().await?;

    is_fenced(unfinished(open.commit().await, "the commit of the first")?.error())?;
    is_fenced(&first.begin().await.err().context("the first begins another")?)?;
    let transaction = second.begin().await?;
    write(&transaction, &topic, 1, &values("second", 3)).await?;
    transaction.commit().await?;
    Finished::topic(cluster, &topic).await?.is_committed(&values("second", 3))
}

async fn a_fenced_producer_that_goes_on_sending_learns_it_too(cluster: &Cluster) -> Result<()> {
    let (topic, id) = (cluster.topic("fenced", 1)?, unique("fenced"));
    let first = producer(cluster, &id)?;
    let open = first.begin().await?;
    write(&open, &topic, 1, &values("first", 3)).await?;
    producer(cluster, &id)?.init().await?;

    // A broker says of a write that its epoch is old, and not who raised it: the coordinator knows (edge 9).
    let refused = open.send(Record::to(&topic).value("too late")).await.err().context("a fenced producer writes")?;
    ensure!(matches!(refused.code(), Some(Code::InvalidProducerEpoch | Code::ProducerFenced)), "{refused:?}");
    let refused = unfinished(open.commit().await, "the commit of the first")?;
    ensure!(matches!(refused.error().retry(), Retry::Abort | Retry::Restart), "{refused}");
    is_fenced(unfinished(refused.into_transaction().abort().await, "the abort of the first")?.error())?;
    Finished::topic(cluster, &topic).await?.is_committed(&[])
}

async fn a_transaction_open_for_too_long_is_aborted_and_its_producer_is_told(cluster: &Cluster) -> Result<()> {
    let (topic, id) = (cluster.topic("too-long", 1)?, unique("too-long"));
    let builder = Producer::builder(cluster.bootstrap()).transactional_id(&id);
    let slow = builder.set("transaction.timeout.ms", "1000").build_transactional()?;
    let transaction = slow.begin().await?;
    write(&transaction, &topic, 1, &values("late", 3)).await?;
    // The coordinator looks every ten seconds.
    until_aborted(cluster, &id)?;

    let late = unfinished(transaction.commit().await, "the commit of what was aborted")?;
    // The coordinator raised the epoch. With KIP-890 it sees a producer that does not know yet, as after any end.
    let told = if speaks_kip_890(cluster) { Code::InvalidTxnState } else { Code::ProducerFenced };
    ensure!(late.error().retry() == Retry::Restart && late.error().code() == Some(told), "{:?}", late.error());
    drop(late);
    let next = producer(cluster, &id)?;
    let transaction = next.begin().await?;
    write(&transaction, &topic, 1, &values("successor", 3)).await?;
    transaction.commit().await?;
    Finished::topic(cluster, &topic).await?.is_committed(&values("successor", 3))
}

/// With KIP-890 the epoch that the coordinator raised is the producer's own.
async fn a_producer_that_aborts_what_was_open_for_too_long_goes_on_or_is_fenced(cluster: &Cluster) -> Result<()> {
    let (topic, id) = (cluster.topic("goes-on", 1)?, unique("goes-on"));
    let builder = Producer::builder(cluster.bootstrap()).transactional_id(&id);
    let slow = builder.set("transaction.timeout.ms", "1000").build_transactional()?;
    let transaction = slow.begin().await?;
    write(&transaction, &topic, 1, &values("late", 3)).await?;
    until_aborted(cluster, &id)?;

    let late = transaction.send(Record::to(&topic).value("too late")).await.err().context("it is aborted")?;
    ensure!(late.code() == Some(Code::InvalidProducerEpoch), "{late:?}");
    let late = unfinished(transaction.commit().await, "the commit of what was aborted")?;
    ensure!(late.error().retry() == Retry::Abort, "{late}");
    let aborted = late.into_transaction().abort().await;
    if !speaks_kip_890(cluster) {
        return is_fenced(unfinished(aborted, "the abort of a fenced producer")?.error());
    }
    aborted?;
    let transaction = slow.begin().await?;
    write(&transaction, &topic, 1, &values("next", 3)).await?;
    transaction.commit().await?;
    Finished::topic(cluster, &topic).await?.is_committed(&values("next", 3))
}

async fn a_timeout_over_the_brokers_maximum_is_an_error_that_names_it(cluster: &Cluster) -> Result<()> {
    let builder = Producer::builder(cluster.bootstrap()).transactional_id(unique("greedy"));
    let producer = builder.set("transaction.timeout.ms", "900001").build_transactional()?;
    let error = producer.init().await.err().context("more than the broker's maximum is allowed")?;
    ensure!(error.code() == Some(Code::InvalidTransactionTimeout), "{error:?}");
    ensure!(error.to_string().contains("transaction.timeout.ms"), "{error}");
    Ok(())
}
