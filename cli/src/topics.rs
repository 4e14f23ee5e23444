//! `ottla topics`: list, create, describe and delete.

use clap::Subcommand;
use ottla::{Code, NewTopic, OffsetSpec, TopicDescription, TopicPartition};
use serde::Serialize;

use crate::args::property;
use crate::failure::Failure;
use crate::output::{self, Table, list, or_dash};
use crate::settings::Settings;

/// Lists, creates, describes and deletes topics.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the topics of the cluster.
    List {
        /// Those as well that hold the cluster's own records.
        #[arg(long)]
        internal: bool,
    },

    /// Creates topics.
    Create {
        #[arg(required = true, value_name = "TOPIC")]
        names: Vec<String>,

        /// Number of partitions. Without it the brokers' default.
        #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,

        /// Replicas of each partition. Without it the brokers' default.
        #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
        replication_factor: Option<i16>,

        /// Sets one of the topics' own settings, such as `retention.ms=3600000`.
        #[arg(short = 'c', long = "topic-config", value_name = "KEY=VALUE", value_parser = property)]
        configs: Vec<(String, String)>,

        /// A topic that is already there is fine, however it was created.
        #[arg(long)]
        if_not_exists: bool,
    },

    /// Shows where the partitions are, and their first and end offsets. Without names, of all topics.
    Describe {
        #[arg(value_name = "TOPIC")]
        names: Vec<String>,
    },

    /// Deletes topics and all their records.
    Delete {
        #[arg(required = true, value_name = "TOPIC")]
        names: Vec<String>,

        /// A topic that is not there is fine.
        #[arg(long)]
        if_exists: bool,
    },
}

#[derive(Debug, Serialize)]
struct Listing {
    name: String,
    id: Option<String>,
    internal: bool,
    partitions: usize,
    replication_factor: usize,
}

/// What became of one topic.
#[derive(Debug, Serialize)]
struct Changed {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replication_factor: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Described {
    name: String,
    id: Option<String>,
    internal: bool,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Partition {
    partition: i32,
    leader: Option<i32>,
    leader_epoch: Option<i32>,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    offline: Vec<i32>,
    /// None where the leader could not be asked.
    start_offset: Option<i64>,
    end_offset: Option<i64>,
}

pub(crate) async fn run(args: Args, settings: &Settings, json: bool) -> Result<(), Failure> {
    let admin = settings.admin()?.build()?;
    match args.action {
        Action::List { internal } => print_list(&admin, internal, json).await,
        Action::Create { names, partitions, replication_factor, configs, if_not_exists } => {
            let topic = |name: String| {
                let topic = NewTopic::new(name)
                    .partitions(partitions.unwrap_or(-1))
                    .replication_factor(replication_factor.unwrap_or(-1));
                configs.iter().fold(topic, |topic, (key, value)| topic.config(key, value))
            };
            let created = admin.create_topics(names.into_iter().map(topic)).await;
            let changes = created.into_iter().map(|(name, result)| match result {
                Err(error) if !(if_not_exists && error.code() == Some(Code::TopicAlreadyExists)) => {
                    failed(name, &error)
                }
                result => {
                    let created = result.ok();
                    Changed {
                        name,
                        partitions: created.and_then(|created| created.partitions),
                        replication_factor: created.and_then(|created| created.replication_factor),
                        error: None,
                    }
                }
            });
            report(changes, "created", json)
        }
        Action::Describe { names } => describe(&admin, names, json).await,
        Action::Delete { names, if_exists } => {
            let deleted = admin.delete_topics(names).await;
            let changes = deleted.into_iter().map(|(name, result)| match result {
                Err(error) if !(if_exists && error.code() == Some(Code::UnknownTopicOrPartition)) => {
                    failed(name, &error)
                }
                _ => Changed { name, partitions: None, replication_factor: None, error: None },
            });
            report(changes, "deleted", json)
        }
    }
}

fn failed(name: String, error: &ottla::Error) -> Changed {
    Changed { name, partitions: None, replication_factor: None, error: Some(error.to_string()) }
}

/// Says for each topic what became of it.
fn report(changes: impl Iterator<Item = Changed>, done: &str, json: bool) -> Result<(), Failure> {
    let changes: Vec<Changed> = changes.collect();
    if json {
        output::json(&changes)?;
    } else {
        for change in changes.iter().filter(|change| change.error.is_none()) {
            match change.partitions {
                Some(1) => output::line(format_args!("{done} {} with 1 partition", change.name))?,
                Some(partitions) => output::line(format_args!("{done} {} with {partitions} partitions", change.name))?,
                None => output::line(format_args!("{done} {}", change.name))?,
            }
        }
    }
    let errors: Vec<String> = changes.into_iter().filter_map(|change| change.error).collect();
    if errors.is_empty() { Ok(()) } else { Err(Failure::Failed(errors.join("\n"))) }
}

async fn print_list(admin: &ottla::Admin, internal: bool, json: bool) -> Result<(), Failure> {
    let topics = admin.list_topics().await?.into_iter().filter(|topic| internal || !topic.is_internal);
    let topics: Vec<Listing> = topics
        .map(|topic| Listing {
            name: topic.name,
            id: topic.id.map(|id| id.to_string()),
            internal: topic.is_internal,
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
        })
        .collect();
    if json {
        return Ok(output::json(&topics)?);
    }
    let mut table = Table::new(&["TOPIC", ">PARTITIONS", ">REPLICAS"]);
    for topic in topics {
        table.row([topic.name, topic.partitions.to_string(), topic.replication_factor.to_string()]);
    }
    Ok(table.print()?)
}

async fn describe(admin: &ottla::Admin, mut names: Vec<String>, json: bool) -> Result<(), Failure> {
    if names.is_empty() {
        names = admin.list_topics().await?.into_iter().map(|topic| topic.name).collect();
    }
    let (mut topics, mut errors) = (Vec::new(), Vec::new());
    for result in admin.describe_topics(names).await.into_values() {
        match result {
            Ok(topic) => topics.push(topic),
            Err(error) => errors.push(error.to_string()),
        }
    }
    let topics = with_offsets(admin, topics).await;
    if json {
        output::json(&topics)?;
    } else {
        for (index, topic) in topics.iter().enumerate() {
            if index > 0 {
                output::line("")?;
            }
            print_description(topic)?;
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::Failed(errors.join("\n"))) }
}

/// Adds where the logs begin and end, as far as their leaders say so.
async fn with_offsets(admin: &ottla::Admin, topics: Vec<TopicDescription>) -> Vec<Described> {
    let led: Vec<TopicPartition> = topics
        .iter()
        .flat_map(|topic| {
            // A partition without a leader would be asked for until the time is up.
            let led = topic.partitions.iter().filter(|partition| partition.leader.is_some());
            led.map(|partition| TopicPartition::new(topic.name.as_str(), partition.partition))
        })
        .collect();
    let (starts, ends) = tokio::join!(
        admin.list_offsets(led.iter().cloned(), OffsetSpec::Earliest),
        admin.list_offsets(led.iter().cloned(), OffsetSpec::Latest),
    );
    let describe = |topic: TopicDescription| {
        let of = |partition: i32| TopicPartition::new(topic.name.as_str(), partition);
        let partitions = topic.partitions.iter().map(|partition| Partition {
            partition: partition.partition,
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            offline: partition.offline.clone(),
            start_offset: starts.get(&of(partition.partition)).and_then(|offset| offset.as_ref().ok().copied()),
            end_offset: ends.get(&of(partition.partition)).and_then(|offset| offset.as_ref().ok().copied()),
        });
        Described {
            id: topic.id.map(|id| id.to_string()),
            internal: topic.is_internal,
            partitions: partitions.collect(),
            name: topic.name,
        }
    };
    topics.into_iter().map(describe).collect()
}

fn print_description(topic: &Described) -> Result<(), Failure> {
    let internal = if topic.internal { ", internal" } else { "" };
    output::line(format_args!("{}  (id {}{internal})", topic.name, or_dash(topic.id.as_ref())))?;
    let headings = [">PARTITION", ">LEADER", ">EPOCH", "REPLICAS", "ISR", "OFFLINE", ">START", ">END"];
    let mut table = Table::new(&headings);
    for partition in &topic.partitions {
        table.row([
            partition.partition.to_string(),
            or_dash(partition.leader),
            or_dash(partition.leader_epoch),
            list(&partition.replicas),
            list(&partition.isr),
            list(&partition.offline),
            or_dash(partition.start_offset),
            or_dash(partition.end_offset),
        ]);
    }
    Ok(table.print()?)
}
