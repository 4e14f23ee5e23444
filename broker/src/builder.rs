//! How a broker is to be: nodes, topics, addresses, and what it should pretend.

use std::io;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;

use crate::broker::Broker;
use crate::config::{Config, LATEST_TRANSACTION_VERSION, Topic};
use crate::telemetry::Telemetry;

/// Describes a broker; awaiting it starts the broker.
///
/// By default: one node on a free port of 127.0.0.1, topics created when first asked for, each with one partition.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// let broker = ottla_broker::Broker::builder().nodes(3).topic("orders", 6).seed(7).try_start().await?;
/// assert_eq!(broker.addresses().len(), 3);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is awaited"]
pub struct Builder {
    pub(crate) config: Config,
    pub(crate) listen: Option<String>,
    pub(crate) advertised: Option<(String, u16)>,
    pub(crate) started_at_ms: Option<i64>,
}

impl Default for Builder {
    fn default() -> Self {
        Self { config: Config::default(), listen: Some("127.0.0.1:0".into()), advertised: None, started_at_ms: None }
    }
}

impl Builder {
    /// Has so many nodes, numbered from 0; default 1, at least 1. They share their logs: none lags behind
    /// unless told to by [`Broker::hold_replica`].
    pub fn nodes(mut self, nodes: u16) -> Self {
        self.config.nodes = i32::from(nodes.max(1));
        self
    }

    /// Creates a topic with so many partitions.
    pub fn topic(mut self, name: impl Into<String>, partitions: u16) -> Self {
        self.config.topics.push(Topic { name: name.into(), partitions: i32::from(partitions), settings: Vec::new() });
        self
    }

    /// Creates a topic with so many partitions and these settings, by Kafka's names for them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// let broker = ottla_broker::Broker::start().topic_with("orders", 3, [("max.message.bytes", "1000")]).try_start().await?;
    /// # Ok(()) }
    /// ```
    pub fn topic_with<K: Into<String>, V: Into<String>>(
        mut self,
        name: impl Into<String>,
        partitions: u16,
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let settings = settings.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self.config.topics.push(Topic { name: name.into(), partitions: i32::from(partitions), settings });
        self
    }

    /// Listens on `address` (`host:port`) with node 0; further nodes take the next free ports. Default `127.0.0.1:0`:
    /// any free port.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// Opens no socket: clients come through [`Broker::connect`] alone. Each node is then called `node-N.ottla:9092`.
    pub fn in_memory_only(mut self) -> Self {
        self.listen = None;
        self
    }

    /// Tells clients that node 0 is at this host and port, node 1 at the next port, and so on. Default: where it
    /// listens.
    pub fn advertised(mut self, host: impl Into<String>, port: u16) -> Self {
        self.advertised = Some((host.into(), port));
        self
    }

    /// Checks and acknowledges what is produced, and keeps none of it: for benchmarks. Default false. CRCs and records
    /// are then not checked, unless [`Self::check_records`] comes after.
    pub fn discard(mut self, discard: bool) -> Self {
        self.config.discard = discard;
        self.config.check_records = !discard;
        self
    }

    /// Checks the CRC and each record of what is produced, as Kafka does. Default true.
    pub fn check_records(mut self, check: bool) -> Self {
        self.config.check_records = check;
        self
    }

    /// Creates a topic when a client that allows it asks for one that isn't there. Default true.
    pub fn auto_create_topics(mut self, create: bool) -> Self {
        self.config.auto_create_topics = create;
        self
    }

    /// Gives topics so many partitions where nobody says how many; default 1, at least 1.
    pub fn default_partitions(mut self, partitions: u16) -> Self {
        self.config.default_partitions = i32::from(partitions.max(1));
        self
    }

    /// Gives partitions so many replicas where nobody says how many; default 3, at most the number of nodes. With 1,
    /// a partition has no leader while its node is stopped.
    pub fn replication_factor(mut self, replicas: u16) -> Self {
        self.config.replication_factor = i16::try_from(replicas.max(1)).unwrap_or(i16::MAX);
        self
    }

    /// Puts the nodes into these racks, node 0 into the first; the others, and those whose rack is empty, are in none.
    /// Default: none.
    pub fn racks<R: Into<String>>(mut self, racks: impl IntoIterator<Item = R>) -> Self {
        self.config.racks = racks.into_iter().map(|rack| StrBytes::from_string(rack.into())).collect();
        self
    }

    /// Has leaders send clients that say where they are to a replica in their own rack (KIP-392), as Kafka does with
    /// `RackAwareReplicaSelector`. Default false. Any node with a replica serves those who read from it, in any case.
    pub fn rack_aware_reads(mut self, is_on: bool) -> Self {
        self.config.rack_aware_reads = is_on;
        self
    }

    /// Keeps at most so many fetch sessions (KIP-227) a node; default 1000, as Kafka. With 0 there are none: clients are
    /// told so and send full fetches. A session gives way to another when it was unused for two minutes, or is as old and
    /// has fewer partitions.
    pub fn fetch_session_slots(mut self, slots: usize) -> Self {
        self.config.fetch_session_slots = slots;
        self
    }

    /// Draws topic ids and the like from this seed, so that a run can be repeated. Default: a random one.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = Some(seed);
        self
    }

    /// Lets the broker's clock start at this time, in milliseconds since 1970. Default: the system's. It then runs as
    /// Tokio's clock does.
    pub fn started_at_ms(mut self, milliseconds: i64) -> Self {
        self.started_at_ms = Some(milliseconds);
        self
    }

    /// Offers an API up to this version only, as an older broker would.
    pub fn max_version(self, api: ApiKey, version: i16) -> Self {
        self.versions(api, 0..=version)
    }

    /// Offers only these versions of an API, as far as the broker speaks them.
    pub fn versions(mut self, api: ApiKey, versions: RangeInclusive<i16>) -> Self {
        self.config.versions.insert(api as i16, Some(versions.into_inner()));
        self
    }

    /// Doesn't offer an API at all: a request for it closes the connection.
    pub fn without(mut self, api: ApiKey) -> Self {
        self.config.versions.insert(api as i16, None);
        self
    }

    /// Waits so long for more members before an empty group's first rebalance; default zero (Kafka: three seconds).
    pub fn group_initial_rebalance_delay(mut self, delay: Duration) -> Self {
        self.config.group_initial_rebalance_delay = delay;
        self
    }

    /// Lets members ask for session timeouts in this range only; default six seconds to half an hour, as Kafka.
    pub fn group_session_timeouts(mut self, timeouts: RangeInclusive<Duration>) -> Self {
        self.config.group_session_timeouts = (*timeouts.start(), *timeouts.end());
        self
    }

    /// Misses members of groups whose coordinator assigns (KIP-848) after so long a silence; default 45 seconds, as
    /// Kafka's `group.consumer.session.timeout.ms`.
    pub fn consumer_group_session_timeout(mut self, timeout: Duration) -> Self {
        self.config.consumer_groups.session_timeout = timeout;
        self
    }

    /// Tells members of such groups to send heartbeats this often; default five seconds, as Kafka's
    /// `group.consumer.heartbeat.interval.ms`.
    pub fn consumer_group_heartbeat_interval(mut self, interval: Duration) -> Self {
        self.config.consumer_groups.heartbeat_interval = interval;
        self
    }

    /// Refuses further members of such groups with `GROUP_MAX_SIZE_REACHED`; default: any number may join.
    pub fn consumer_group_max_size(mut self, members: usize) -> Self {
        self.config.consumer_groups.max_size = members;
        self
    }

    /// Waits at least so long between two target assignments of such a group; default zero (Kafka since 4.3: one
    /// second, by `group.consumer.assignment.interval.ms`).
    pub fn consumer_group_assignment_interval(mut self, interval: Duration) -> Self {
        self.config.consumer_groups.assignment_interval = interval;
        self
    }

    /// Says that the cluster has agreed on this level of the feature `transaction.version`: 2, the default, for
    /// transactions after KIP-890, 1 or 0 for those before. Greater ones are taken as 2.
    /// [`Broker::set_transaction_version`] changes it later.
    ///
    /// Producers are told; what the broker does hangs on the versions they then use, as in Kafka.
    pub fn transaction_version(mut self, level: u16) -> Self {
        self.config.transaction_version = i16::try_from(level).unwrap_or(i16::MAX).min(LATEST_TRANSACTION_VERSION);
        self
    }

    /// Lets producers ask for transaction timeouts up to this one; default 15 minutes, as Kafka.
    pub fn transaction_max_timeout(mut self, timeout: Duration) -> Self {
        self.config.transaction_max_timeout = timeout;
        self
    }

    /// Forgets a producer when the last of its records is deleted, and answers its next batch with
    /// `UNKNOWN_PRODUCER_ID`, as brokers before KIP-360 did. Default false.
    pub fn unknown_producer_ids(mut self, unknown: bool) -> Self {
        self.config.unknown_producer_ids = unknown;
        self
    }

    /// Asks clients for their metrics (KIP-714); see [`Broker::pushed`]. Default: it isn't offered to them, as by a Kafka
    /// broker without a metrics reporter.
    pub fn telemetry(mut self, telemetry: Telemetry) -> Self {
        self.config.telemetry = Some(telemetry);
        self
    }

    /// Remembers so many requests, the newest; default 100,000.
    pub fn requests_kept(mut self, requests: usize) -> Self {
        self.config.requests_kept = requests;
        self
    }

    /// Starts the broker on the current Tokio runtime.
    ///
    /// # Errors
    /// If there is no such runtime, an address can't be listened on, or a topic can't be created.
    pub async fn try_start(self) -> io::Result<Broker> {
        Broker::try_from_builder(self).await
    }
}

impl IntoFuture for Builder {
    type Output = Broker;
    type IntoFuture = Pin<Box<dyn Future<Output = Broker> + Send>>;

    /// Starts the broker, come what may: a topic that can't be created is left out, and if an address can't be listened
    /// on there are in-memory connections alone. Both are logged as errors; [`Self::try_start`] returns them.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let (broker, problems) = Broker::from_builder(self).await;
            for problem in problems {
                tracing::error!(%problem, "the broker started without");
            }
            broker
        })
    }
}
