//! The handle of a running broker.

mod faults;
mod groups;
mod nodes;
mod observe;
mod raw;
mod replicas;
mod sessions;
mod shares;
mod telemetry;
mod topics;
mod transactions;

use std::io;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::builder::Builder;
use crate::cluster::topic_config::TopicConfig;
use crate::cluster::{Cluster, Node};
use crate::driver::{self, Shared};
use crate::log::batch::Refused;

/// A running Kafka cluster of one or more nodes, in this process.
///
/// Handles are cheap to clone. The broker ends, with all its connections, when the last one is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use ottla_broker::Broker;
///
/// let broker = Broker::start().topic("orders", 3).await;
/// println!("clients connect to {}", broker.address());
/// assert_eq!(broker.log("orders", 0).len(), 0);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Broker {
    running: Arc<Running>,
}

/// Ends everything when the last handle goes; the tasks themselves hold only what is shared.
#[derive(Debug)]
struct Running(Arc<Shared>);

pub use faults::{ErrorCode, Faults};
pub use groups::{GroupMember, GroupView};
pub use nodes::NodeHandle;
pub use sessions::FetchSession;
pub use shares::{ShareGroupMember, ShareGroupView, ShareSession, SharedRecord, SharedState};
pub use transactions::TransactionView;

impl Drop for Running {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

impl Broker {
    /// Begins the description of a broker; awaiting it starts the broker. The same as [`Self::builder`].
    pub fn start() -> Builder {
        Builder::default()
    }

    /// Begins the description of a broker.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) async fn try_from_builder(builder: Builder) -> io::Result<Self> {
        Handle::try_current().map_err(io::Error::other)?;
        let (broker, problems) = Self::from_builder(builder).await;
        problems.into_iter().next().map_or(Ok(broker), Err)
    }

    /// A broker, and what about it didn't come true.
    pub(crate) async fn from_builder(builder: Builder) -> (Self, Vec<io::Error>) {
        let Builder { mut config, listen, advertised, started_at_ms } = builder;
        let mut problems = Vec::new();
        config.started_ms = started_at_ms.unwrap_or_else(driver::system_time_ms);
        let topics = std::mem::take(&mut config.topics);
        let mut cluster = Cluster::new(config);

        let mut listeners = Vec::new();
        if let Some(address) = listen {
            match driver::listen(&address, cluster.nodes.len()).await {
                Ok(bound) => listeners = bound,
                Err(problem) => problems.push(problem),
            }
        }
        for (node, listener) in cluster.nodes.iter_mut().zip(&listeners) {
            problems.extend(name(node, listener).err());
        }
        if let Some((host, port)) = advertised {
            for node in &mut cluster.nodes {
                node.host = StrBytes::from_string(host.clone());
                node.port = i32::from(port) + node.id;
            }
        }
        for topic in topics {
            let created = TopicConfig::of(&topic.settings)
                .map_err(|message| Refused::new(ResponseError::InvalidConfig, message))
                .and_then(|config| cluster.create_topic(&topic.name, topic.partitions, None, config));
            problems.extend(created.map_err(|refused| refusal(&topic.name, &refused)).err());
        }

        let shared = Shared::start(cluster);
        for (node, listener) in (0..).zip(listeners) {
            problems.extend(shared.listen(node, listener).err());
        }
        (Self { running: Arc::new(Running(shared)) }, problems)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.running.0
    }

    /// Waits until `is_so`; looks again after every request and whenever time has brought something about.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let broker = ottla_broker::Broker::start().topic("orders", 1).await;
    /// # broker.append("orders", 0, ["tea"]).unwrap();
    /// broker.until(|broker| broker.log("orders", 0).len() == 1).await;
    /// # }
    /// ```
    pub async fn until(&self, mut is_so: impl FnMut(&Self) -> bool) {
        self.shared().until(|| is_so(self)).await;
    }

    /// Where clients find the cluster: `host:port` of all nodes, separated by commas, for `bootstrap.servers`.
    pub fn address(&self) -> String {
        self.addresses().join(",")
    }

    /// `host:port` of each node, in order of their ids; stopped ones too.
    pub fn addresses(&self) -> Vec<String> {
        self.shared().with(|cluster, _| cluster.nodes.iter().map(Node::address).collect())
    }

    /// Connects in memory, without a socket, to the node with this address: the one clients are told, or
    /// `node-N.ottla:9092`.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] if the node is stopped, [`io::ErrorKind::NotFound`] if no node has this
    /// address.
    pub fn connect(&self, address: &str) -> io::Result<DuplexStream> {
        let node = self.shared().with(|cluster, _| {
            let named = |node: &&Node| node.address() == address || Node::new(node.id, None).address() == address;
            cluster.nodes.iter().find(named).map(|node| node.id)
        });
        match node {
            Some(node) => self.shared().connect(node),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no node has the address {address}"))),
        }
    }
}

/// Gives a node the name under which it listens.
fn name(node: &mut Node, listener: &TcpListener) -> io::Result<()> {
    let address = listener.local_addr()?;
    // Clients can't connect to "any address", so they are told this host's own.
    let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
    node.host = StrBytes::from_string(host);
    node.port = i32::from(address.port());
    Ok(())
}

fn refusal(topic: &str, refused: &Refused) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("topic {topic:?}: {}", refused.message))
}
