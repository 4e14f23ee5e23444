//! What a cluster is to be like.

use std::path::PathBuf;

use crate::listener::Listener;
use crate::release::VERSION;

/// What to start: by default three brokers of [`VERSION`] with a plaintext listener.
///
/// ```
/// let options = real::ClusterOptions::default().brokers(1).property("auto.create.topics.enable", "false");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ClusterOptions {
    pub(crate) brokers: u16,
    pub(crate) classes: Option<PathBuf>,
    pub(crate) has_racks: bool,
    pub(crate) heap_mib: u32,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) version: String,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            brokers: 3,
            classes: None,
            has_racks: false,
            heap_mib: 320,
            listeners: vec![Listener::Plaintext],
            properties: Vec::new(),
            version: VERSION.to_owned(),
        }
    }
}

impl ClusterOptions {
    /// Number of brokers, each of them a controller too; at least 1.
    pub fn brokers(mut self, brokers: u16) -> Self {
        self.brokers = brokers;
        self
    }

    /// Heap of each broker in MiB; 320 by default.
    pub fn heap_mib(mut self, heap_mib: u32) -> Self {
        self.heap_mib = heap_mib;
        self
    }

    /// A folder with compiled classes of one's own: for brokers to load as plugins.
    pub fn classes(mut self, folder: impl Into<PathBuf>) -> Self {
        self.classes = Some(folder.into());
        self
    }

    /// Adds a listener. The plaintext one is always there.
    pub fn listener(mut self, listener: Listener) -> Self {
        if !self.listeners.contains(&listener) {
            self.listeners.push(listener);
        }
        self
    }

    /// Sets a broker property. The last word on a key wins, over the cluster's own settings too.
    pub fn property(mut self, key: &str, value: &str) -> Self {
        self.properties.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Puts each broker into a rack of its own, `rack-1` and so on, and lets a consumer of a rack read from the replica
    /// that is there (KIP-392).
    pub fn racks(mut self) -> Self {
        self.has_racks = true;
        self
    }

    /// Version of Apache Kafka, as Maven Central has it.
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }
}
