//! A cluster: start it, break it, inspect it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use crate::certificates;
use crate::java::{Archive, Role};
use crate::keeper::{KEEP_FILE, Keeper};
use crate::layout::{self, Layout};
use crate::listener::Listener;
use crate::node::Node;
use crate::options::ClusterOptions;
use crate::release::Release;

/// Brokers of Apache Kafka on this machine, each a controller too (KRaft), numbered from 1.
///
/// Dropping it kills every broker and removes their data. So does the end of the process that started it, be it a
/// panic, Ctrl-C or `kill -9`. A cluster of [`Cluster::up`] alone lives on.
///
/// Every method blocks its thread until what it does is done.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) folder: PathBuf,
    pub(crate) release: Release,
    heap_mib: u32,
    /// Number of tools started, to name the next one.
    pub(crate) tools: AtomicU32,
    /// None where the cluster outlives this process.
    keeper: Option<Keeper>,
}

/// How a broker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Killed, stopped or died.
    Dead,
    /// Standing still: connections to it open and nothing answers.
    Paused,
    /// Alive.
    Running,
}

/// A broker as [`Cluster::status`] found it.
#[derive(Clone, Debug)]
pub struct Status {
    /// Number of the broker.
    pub broker: u16,
    /// How it is.
    pub state: State,
    /// Its process, unless it is dead.
    pub pid: Option<u32>,
    /// Memory that it occupies, in MiB, unless it is dead.
    pub resident_mib: Option<u64>,
    /// What it writes.
    pub log: PathBuf,
}

impl Cluster {
    /// Starts a cluster that ends with this process at the latest.
    ///
    /// # Errors
    /// If the jars cannot be had (see [`Release::ready`]), or a broker dies while starting: with the last lines of its
    /// log.
    pub fn start(options: &ClusterOptions) -> Result<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let release = Release::ready(&options.version)?.with_classes(options.classes.clone());
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = layout::clusters_folder().join(format!("process-{}-{number}", process::id()));
        Self::begin(release, options, &folder, Archive::Use, true)
    }

    /// Starts a cluster that lives on when this process ends, until [`Cluster::down`]. There is one at a time.
    ///
    /// # Errors
    /// As [`Cluster::start`]; and if one is up.
    pub fn up(options: &ClusterOptions) -> Result<Self> {
        if let Ok(cluster) = Self::attach() {
            ensure!(
                cluster.status()?.iter().all(|status| status.state == State::Dead),
                "a cluster is up: {}",
                cluster.bootstrap()
            );
            cluster.down()?;
        }
        let release = Release::ready(&options.version)?;
        Self::begin(release, options, &layout::lasting_folder(), Archive::Use, false).inspect_err(|_| {
            // Some brokers may have started. Their logs stay until the next one comes up.
            drop(Self::attach().and_then(|cluster| cluster.kill_all()));
        })
    }

    /// The cluster that [`Cluster::up`] started.
    ///
    /// # Errors
    /// If there is none.
    pub fn attach() -> Result<Self> {
        let folder = layout::lasting_folder();
        let Layout { version, heap_mib, brokers } = layout::read(&folder)?;
        Ok(Self {
            nodes: (1..).zip(&brokers).map(|(id, listeners)| Node::new(id, &folder, listeners)).collect(),
            release: Release::at(&version)?,
            heap_mib,
            tools: AtomicU32::new(0),
            keeper: None,
            folder,
        })
    }

    /// Kills every broker and removes their data.
    ///
    /// # Errors
    /// If a broker does not die, or its files cannot be removed.
    pub fn down(self) -> Result<()> {
        self.kill_all()?;
        if self.keeper.is_none() {
            fs::remove_dir_all(&self.folder).with_context(|| format!("remove {}", self.folder.display()))?;
        }
        Ok(())
    }

    pub(crate) fn begin(
        release: Release,
        options: &ClusterOptions,
        folder: &Path,
        archive: Archive,
        ends_with_us: bool,
    ) -> Result<Self> {
        ensure!(options.brokers > 0, "a cluster has at least one broker");
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        for part in ["pids", "tmp"] {
            fs::create_dir_all(folder.join(part)).with_context(|| format!("create {}", folder.display()))?;
        }
        let keeper = ends_with_us.then(|| Keeper::of(folder)).transpose()?;
        if options.listeners.iter().any(|listener| listener.uses_tls()) {
            certificates::write(&folder.join("tls"))?;
        }
        let ports = layout::pick_ports(options)?;
        layout::write(&release, options, folder, &ports)?;
        let nodes = (1..).zip(&ports).map(|(id, ports)| Node::new(id, folder, &ports.listeners)).collect();
        let folder = folder.to_owned();
        let cluster = Self { nodes, folder, release, heap_mib: options.heap_mib, tools: AtomicU32::new(0), keeper };
        let begins =
            cluster.nodes.iter().map(|node| node.start(cluster.broker(archive)?)).collect::<Result<Vec<_>>>()?;
        for (node, begin) in cluster.nodes.iter().zip(begins) {
            node.wait_until_ready(begin)?;
        }
        Ok(cluster)
    }

    /// `bootstrap.servers` of the plaintext listener: every broker, as `127.0.0.1:port`, with commas.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.bootstrap_of(Listener::Plaintext).unwrap_or_default()
    }

    /// `bootstrap.servers` of a listener; none if the cluster was started without it.
    #[must_use]
    pub fn bootstrap_of(&self, listener: Listener) -> Option<String> {
        let addresses = self.nodes.iter().map(|node| Some(address(node, listener)?.to_string()));
        Some(addresses.collect::<Option<Vec<_>>>()?.join(","))
    }

    /// Version of Apache Kafka, such as `4.3.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.release.version()
    }

    /// The folder with all that the brokers and what runs beside them write.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves that folder where it is when the cluster ends: to find out what went wrong.
    ///
    /// # Errors
    /// If a file cannot be written there.
    pub fn keep_files(&self) -> Result<()> {
        Ok(fs::write(self.folder.join(KEEP_FILE), "")?)
    }

    /// The numbers of all brokers, dead or alive.
    pub fn brokers(&self) -> impl Iterator<Item = u16> + '_ {
        self.nodes.iter().map(|node| node.id)
    }

    /// Where the plaintext listener of a broker is.
    ///
    /// # Errors
    /// If there is no such broker.
    pub fn address(&self, broker: u16) -> Result<SocketAddr> {
        address(self.node(broker)?, Listener::Plaintext).context("every broker has a plaintext listener")
    }

    /// A Java properties file with what a client needs to use `listener` as the user alice.
    ///
    /// # Errors
    /// If the cluster was started without that listener.
    pub fn client_properties(&self, listener: Listener) -> Result<PathBuf> {
        let file = self.folder.join(format!("client-{}.properties", listener.name()));
        ensure!(file.exists(), "the cluster was started without a listener {}", listener.name());
        Ok(file)
    }

    /// The folder with this cluster's certificates, if it has a listener with TLS: `ca.pem`, and with a key and its
    /// certificate each, `broker.pem` and `alice.pem`.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.folder.join("tls")
    }

    /// How every broker is.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub fn status(&self) -> Result<Vec<Status>> {
        let status = |node: &Node| {
            Ok(Status {
                broker: node.id,
                state: node.state()?,
                pid: node.process.pid()?,
                resident_mib: node.process.resident_mib()?,
                log: node.log(),
            })
        };
        self.nodes.iter().map(status).collect()
    }

    /// Kills a broker as a power cut would, and returns once it is dead.
    ///
    /// # Errors
    /// If there is no such broker, or it does not die.
    pub fn kill(&self, broker: u16) -> Result<()> {
        self.node(broker)?.process.kill()
    }

    /// Ends a broker in an orderly way: its leaders move away first.
    ///
    /// # Errors
    /// If there is no such broker.
    pub fn stop(&self, broker: u16) -> Result<()> {
        self.node(broker)?.end()
    }

    /// Makes a broker stand still: it keeps its connections and answers nothing.
    ///
    /// # Errors
    /// If there is no such broker, or it is dead.
    pub fn pause(&self, broker: u16) -> Result<()> {
        self.node(broker)?.pause()
    }

    /// Lets a paused broker go on.
    ///
    /// # Errors
    /// If there is no such broker.
    pub fn resume(&self, broker: u16) -> Result<()> {
        self.node(broker)?.resume()
    }

    /// Ends a broker in an orderly way unless it is dead, starts it on its old ports and data, and waits until it serves.
    ///
    /// # Errors
    /// If there is no such broker, or it dies while starting: with the last lines of its log.
    pub fn restart(&self, broker: u16) -> Result<()> {
        let node = self.node(broker)?;
        node.end()?;
        let begin = node.start(self.broker(Archive::Use)?)?;
        node.wait_until_ready(begin)
    }

    fn kill_all(&self) -> Result<()> {
        self.nodes.iter().try_for_each(|node| node.process.kill())
    }

    fn broker(&self, archive: Archive) -> Result<Command> {
        let temporary = self.folder.join("tmp");
        self.release.java(Role::Broker, archive, self.heap_mib, &temporary, "kafka.Kafka")
    }

    pub(crate) fn node(&self, broker: u16) -> Result<&Node> {
        let count = self.nodes.len();
        self.nodes
            .iter()
            .find(|node| node.id == broker)
            .with_context(|| format!("there is no broker {broker}: they are numbered from 1 to {count}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The keeper would kill them too, but a dead child has to be fetched by its parent.
        if self.keeper.is_some() {
            drop(self.kill_all());
        }
    }
}

fn address(node: &Node, listener: Listener) -> Option<SocketAddr> {
    node.addresses.iter().find(|(its, _)| *its == listener).map(|(_, address)| *address)
}
