//! `transaction.version` of a cluster that changes while a producer lives (edge 27).

use anyhow::{Result, ensure};
use real::{Cluster, ClusterOptions, unique};

use super::{Finished, producer, values, write};

/// Sets the feature, and starts the broker anew: clients learn of features when they connect.
fn set_version(cluster: &Cluster, command: &str, version: u8) -> Result<()> {
    let (bootstrap, feature) = (cluster.bootstrap(), format!("transaction.version={version}"));
    let arguments = ["--bootstrap-server", &bootstrap, command, "--feature", &feature];
    let output = cluster.tool("org.apache.kafka.tools.FeatureCommand", arguments)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    cluster.restart(1)
}

#[tokio::test]
async fn a_cluster_is_upgraded_and_downgraded_under_a_producer_that_follows_between_transactions() -> Result<()> {
    let cluster = Cluster::start(&ClusterOptions::default().brokers(1))?;
    let (topic, id) = (cluster.topic("upgraded", 2)?, unique("upgraded"));
    set_version(&cluster, "downgrade", 1)?;
    let producer = producer(&cluster, &id)?;
    producer.init().await?;
    let mut epochs = Vec::new();
    let mut due = Vec::new();
    for round in
        ["older", "also older", "across the upgrade", "newer", "also newer", "across the downgrade", "older again"]
    {
        let transaction = producer.begin().await?;
        epochs.push(cluster.transactional_state(&id)?.producer_epoch);
        let all = values(round, 20);
        write(&transaction, &topic, 2, &all[..10]).await?;
        match round {
            "across the upgrade" => set_version(&cluster, "upgrade", 2)?,
            "across the downgrade" => set_version(&cluster, "downgrade", 1)?,
            _ => {}
        }
        write(&transaction, &topic, 2, &all[10..]).await?;
        transaction.commit().await?;
        due.extend(all);
    }
    epochs.push(cluster.transactional_state(&id)?.producer_epoch);
    // One epoch for all transactions of the older protocol, another to change to the newer, where each end raises it.
    let rises: Vec<_> = epochs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    ensure!(rises == [0, 0, 1, 1, 1, 1, 0], "the epochs at each begin, and at the end: {epochs:?}");
    Finished::topic(&cluster, &topic).await?.is_committed(&due)
}
