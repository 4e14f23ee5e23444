//! The brokers of a cluster.

use kafka_protocol::protocol::StrBytes;

/// One broker, as clients are told of it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) host: StrBytes,
    pub(crate) port: i32,
    /// Where it stands (KIP-36).
    pub(crate) rack: Option<StrBytes>,
    pub(crate) is_up: bool,
    /// Takes requests but does nothing about them, as a process that is stopped.
    pub(crate) is_paused: bool,
}

/// The port of nodes that listen nowhere but in memory.
const MEMORY_PORT: i32 = 9092;

impl Node {
    /// A node reachable in memory, under a name of its own.
    pub(crate) fn new(id: i32, rack: Option<StrBytes>) -> Self {
        Self {
            id,
            host: StrBytes::from_string(format!("node-{id}.ottla")),
            port: MEMORY_PORT,
            rack,
            is_up: true,
            is_paused: false,
        }
    }

    /// `host:port`
    pub(crate) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}
