//! The same requests to Kafka itself and to the embedded broker: both are to answer alike.
//!
//! A scenario sends requests and notes what matters of each answer. It runs once against each; then the notes are
//! compared. Ids that either side gives out are noted by what they are to one another, not by their numbers.

mod consumer_groups;
mod idempotence;
mod offsets;
mod producer;
mod reading;
mod sessions;
mod share;
mod transactions;

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiKey, BrokerId, CreateTopicsRequest, FindCoordinatorRequest, ListOffsetsRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};
use ottla_broker::Broker;
use real::{Connection, call, shared, unique, until};
use tokio::runtime::Runtime;

/// How long a side may take until it has a coordinator, or has completed a transaction.
const PATIENCE: Duration = Duration::from_secs(30);

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

fn address(bootstrap: &str) -> Result<SocketAddr> {
    let first = bootstrap.split(',').next().unwrap_or_default();
    first.to_socket_addrs()?.next().context("an address")
}

/// Kafka, or the embedded broker, and what a scenario has noted of it.
struct Side {
    bootstrap: SocketAddr,
    /// Of this scenario alone.
    topic: String,
    /// Makes names this scenario's own.
    prefix: String,
    notes: Vec<String>,
    /// Producer ids that came, in the order they came.
    producer_ids: Vec<i64>,
    /// The time of the records it sends: now, lest Kafka begin a new segment between them and their markers.
    timestamp: i64,
    /// To the leader of partition 0, where a scenario keeps one.
    connection: Option<Connection>,
}

/// Runs a scenario against both sides, on a topic of two partitions with these settings, and compares the notes.
fn alike(settings: &[(&str, &str)], scenario: impl Fn(&mut Side) -> Result<()>) -> Result<()> {
    let runtime = Runtime::new()?;
    let broker = runtime.block_on(Broker::start().try_start())?;
    let cluster = shared();
    let run = |bootstrap: &str| -> Result<Vec<String>> {
        let mut side = Side {
            bootstrap: address(bootstrap)?,
            topic: unique("alike"),
            prefix: unique("alike"),
            notes: Vec::new(),
            producer_ids: Vec::new(),
            timestamp: now_ms(),
            connection: None,
        };
        side.create(settings)?;
        scenario(&mut side).with_context(|| format!("after {:#?}", side.notes))?;
        Ok(side.notes)
    };
    let kafka = run(&cluster.bootstrap()).context("Kafka")?;
    let embedded = run(&broker.address()).context("the embedded broker")?;
    for (kafka, embedded) in kafka.iter().zip(&embedded) {
        ensure!(kafka == embedded, "Kafka:    {kafka}\nembedded: {embedded}");
    }
    ensure!(kafka.len() == embedded.len());
    Ok(())
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "Kafka reads the system's clock, and so must who talks to it")]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An error by its name, so that a difference can be read.
fn name(code: i16) -> String {
    ResponseError::try_from_code(code).map_or_else(|| "ok".to_owned(), |error| format!("{error:?}"))
}

impl Side {
    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// A name of this scenario's own: for a group or a transactional id.
    fn own(&self, name: &str) -> StrBytes {
        StrBytes::from_string(format!("{}-{name}", self.prefix))
    }

    /// A producer id as the how-manieth that came.
    fn producer_id(&mut self, id: i64) -> String {
        if id < 0 {
            return id.to_string();
        }
        let known = self.producer_ids.iter().position(|known| *known == id);
        let place = known.unwrap_or_else(|| {
            self.producer_ids.push(id);
            self.producer_ids.len() - 1
        });
        format!("producer {place}")
    }

    fn create(&self, settings: &[(&str, &str)]) -> Result<()> {
        let config = |(key, value): &(&str, &str)| {
            CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
        };
        let topic = CreatableTopic::default()
            .with_name(topic_name(&self.topic))
            .with_num_partitions(2)
            .with_replication_factor(-1)
            .with_configs(settings.iter().map(config).collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let response = call(self.bootstrap, 7, &request)?;
        ensure!(response.topics[0].error_code == 0, "{:?}", response.topics[0].error_message);
        for partition in 0..2 {
            until("a leader that knows it", PATIENCE, || Ok(self.is_led(partition).ok().filter(|is_led| *is_led)))?;
        }
        Ok(())
    }

    /// Whether a partition has a leader who has heard of it: others may tell before it has.
    fn is_led(&self, partition: i32) -> Result<bool> {
        let asked = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(-1);
        let topic = ListOffsetsTopic::default().with_name(topic_name(&self.topic)).with_partitions(vec![asked]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        let response = call(self.leader(partition)?, 5, &request)?;
        Ok(response.topics.iter().flat_map(|topic| &topic.partitions).all(|answer| answer.error_code == 0))
    }

    /// The broker that leads a partition of the topic.
    fn leader(&self, partition: i32) -> Result<SocketAddr> {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(&self.topic)));
        let metadata = call(self.bootstrap, 9, &MetadataRequest::default().with_topics(Some(vec![topic])))?;
        let brokers: BTreeMap<i32, String> = metadata
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, format!("{}:{}", broker.host, broker.port)))
            .collect();
        let mut partitions = metadata.topics.iter().flat_map(|topic| &topic.partitions);
        let leader = partitions.find(|known| known.partition_index == partition).context("the partition")?.leader_id.0;
        address(brokers.get(&leader).context("its leader")?)
    }

    fn coordinator(&self, kind: i8, key: &StrBytes) -> Result<SocketAddr> {
        let request = FindCoordinatorRequest::default().with_key_type(kind).with_key(key.clone());
        until("a coordinator", PATIENCE, || {
            let found = call(self.bootstrap, 3, &request)?;
            let address = || address(&format!("{}:{}", found.host, found.port));
            if found.error_code == 0 { address().map(Some) } else { Ok(None) }
        })
    }

    /// Asks the coordinator of a transactional id, or of a group; again while it says that it isn't ready.
    fn ask<R: Request>(
        &self,
        kind: i8,
        key: &StrBytes,
        version: i16,
        request: &R,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response> {
        let coordinator = self.coordinator(kind, key)?;
        let mut doubted = 0;
        until("an answer", PATIENCE, || {
            let response = call(coordinator, version, request)?;
            let is_doubtful = is_doubtful(R::KEY, version, code(&response), &mut doubted);
            Ok((!is_busy(code(&response)) && !is_doubtful).then_some(response))
        })
    }

    /// Asks the leader of a partition; again while it says that it isn't ready, or doesn't know the topic yet.
    fn ask_leader<R: Request>(
        &self,
        partition: i32,
        version: i16,
        request: &R,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response> {
        let leader = self.leader(partition)?;
        let mut doubted = 0;
        until("an answer", PATIENCE, || {
            let response = call(leader, version, request)?;
            let new = [ResponseError::NotLeaderOrFollower, ResponseError::UnknownTopicOrPartition];
            let is_new = new.iter().any(|error| error.code() == code(&response));
            let is_doubtful = is_doubtful(R::KEY, version, code(&response), &mut doubted);
            Ok((!is_new && !is_busy(code(&response)) && !is_doubtful).then_some(response))
        })
    }
}

/// What only Kafka answers, and only until it is done with something.
fn is_busy(code: i16) -> bool {
    use ResponseError::{
        ConcurrentTransactions, CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator, NotEnoughReplicas,
    };
    let busy =
        [ConcurrentTransactions, CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator, NotEnoughReplicas];
    busy.iter().any(|error| error.code() == code)
}

/// How often a request is sent again whose refusal may be worded for another.
const DOUBTS: u32 = 10;

/// Whether a refusal may be worded for another request, so that this one is to be sent again.
///
/// A broker that has several transactions to verify asks their coordinator about all of them at once, and then words
/// each refusal as the version of the first of these requests has it: `TRANSACTION_ABORTABLE` since KIP-890,
/// `INVALID_TXN_STATE` before. Other tests use the same broker, so now and then the first is one of theirs.
fn is_doubtful(api: i16, version: i16, code: i16, doubted: &mut u32) -> bool {
    let abortable_from = match ApiKey::try_from(api) {
        Ok(ApiKey::Produce) => 11,
        Ok(ApiKey::TxnOffsetCommit) => 4,
        _ => return false,
    };
    let others =
        if version < abortable_from { ResponseError::TransactionAbortable } else { ResponseError::InvalidTxnState };
    let is_doubtful = code == others.code() && *doubted < DOUBTS;
    *doubted += u32::from(is_doubtful);
    is_doubtful
}
