//! Metrics that clients push to brokers that ask for them (KIP-714).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ottla::{Admin, Consumer, Kind, Producer, Record, TopicPartition, Uuid};
use real::{Cluster, ClusterOptions, need, shared, unique, until};

const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(unique("telemetry"));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// What the brokers' plugin received: a line for each push.
    fn received(&self) -> PathBuf {
        self.0.join("received")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays there harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What one client pushed.
#[derive(Debug, Default)]
struct Pushed {
    instances: BTreeSet<String>,
    names: BTreeSet<String>,
    pushes: usize,
    /// Whether the last one was said to be that, and came last.
    is_over: bool,
}

impl Pushed {
    fn by(client: &str, file: &Path) -> Result<Self> {
        let mut pushed = Self::default();
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            let [its, instance, is_last, names] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            if its == client {
                ensure!(!pushed.is_over, "{client} pushed after its last push");
                pushed.instances.insert(instance.to_owned());
                pushed.names.extend(names.split(',').map(str::to_owned));
                pushed.pushes += 1;
                pushed.is_over = is_last == "true";
            }
        }
        Ok(pushed)
    }
}

/// One broker that takes the metrics of all clients, and asks for them every 100 ms.
fn receiving(folder: &Folder) -> Result<Cluster> {
    need("javac", &["openjdk-17-jdk-headless"])?;
    let jars = real::Release::ready(real::VERSION)?.folder().join("*");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/java/TelemetryReceiver.java");
    let compiled = Command::new("javac").arg("-cp").arg(jars).arg("-d").arg(&folder.0).arg(source).output()?;
    ensure!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let options = ClusterOptions::default()
        .brokers(1)
        .classes(&folder.0)
        .property("metric.reporters", "TelemetryReceiver")
        .property("telemetry.file", folder.received().to_str().context("a path")?);
    let cluster = Cluster::start(&options)?;
    let bootstrap = cluster.bootstrap();
    let arguments = ["--bootstrap-server", &bootstrap, "--alter", "--name", "all", "--metrics", "*"];
    let output = cluster
        .tool("org.apache.kafka.tools.ClientMetricsCommand", arguments.into_iter().chain(["--interval", "100"]))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(cluster)
}

/// A `Uuid` as Kafka writes it.
fn shown(id: Uuid) -> String {
    id.to_string()
}

/// edge 85: each kind of client, with nothing set, is heard by a broker's plugin, and says which push is its last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_asks_hears_of_every_client() -> Result<()> {
    let folder = Folder::create()?;
    let cluster = receiving(&folder)?;
    let bootstrap = cluster.bootstrap();
    let topic = cluster.topic("watched", 1)?;
    let producer = Producer::builder(&bootstrap).client_id("a-producer").build()?;
    let consumer =
        Consumer::builder(&bootstrap).client_id("a-consumer").set("auto.offset.reset", "earliest").build()?;
    let admin = Admin::builder(&bootstrap).client_id("an-admin").build()?;
    consumer.assign([TopicPartition::new(&*topic, 0)]).await?;
    producer.send(Record::to(&topic).value("tea")).await?;
    let ids = [
        ("a-producer", producer.client_instance_id(LIMIT).await?),
        ("a-consumer", consumer.client_instance_id(LIMIT).await?),
        ("an-admin", admin.client_instance_id(LIMIT).await?),
    ];
    let mut seen = 0;
    for _ in 0..10 {
        seen += consumer.poll(POLL).await?.len();
    }
    ensure!(seen == 1, "{seen} records");
    let of = |client| Pushed::by(client, &folder.received());
    for (client, id) in ids {
        until(&format!("{client} to push more than once"), LIMIT, || Ok((of(client)?.pushes > 1).then_some(())))?;
        let pushed = of(client)?;
        ensure!(pushed.instances == BTreeSet::from([shown(id)]), "{client}: {pushed:?}");
        ensure!(!pushed.is_over, "{client} is open");
    }

    producer.close(LIMIT).await?;
    consumer.close(LIMIT).await?;
    admin.close();
    let telling = [
        ("a-producer", "org.apache.kafka.producer.record.send.total"),
        ("a-consumer", "org.apache.kafka.consumer.fetch.manager.records.consumed.total"),
        ("an-admin", "org.apache.kafka.admin.client.request.total"),
    ];
    for (client, name) in telling {
        until(&format!("the last push of {client}"), LIMIT, || Ok(of(client)?.is_over.then_some(())))?;
        let pushed = of(client)?;
        println!("{client}: {} metrics in {} pushes", pushed.names.len(), pushed.pushes);
        ensure!(pushed.names.contains(name), "{client} does not tell {name}: {:?}", pushed.names);
    }
    Ok(())
}

/// Most brokers have no such plugin: nothing is asked of them, and the client works.
#[tokio::test]
async fn a_broker_without_a_plugin_is_not_asked() -> Result<()> {
    let cluster = shared();
    let consumer = Consumer::builder(cluster.bootstrap()).build()?;
    let error = consumer.client_instance_id(LIMIT).await.unwrap_err();
    ensure!(error.kind() == Kind::UnsupportedVersion, "{error}");
    Ok(())
}
