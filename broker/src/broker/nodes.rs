//! Nodes: where they are, and what can happen to them.

use std::io;

use tokio::io::DuplexStream;

use super::Broker;

/// One node of a broker; from [`Broker::node`].
#[derive(Clone, Debug)]
pub struct NodeHandle {
    broker: Broker,
    id: i32,
}

impl Broker {
    /// A node, by its id: 0 is the first.
    pub fn node(&self, id: i32) -> NodeHandle {
        NodeHandle { broker: self.clone(), id }
    }
}

impl NodeHandle {
    /// Its id.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// `host:port`, as clients are told; empty if there is no such node.
    pub fn address(&self) -> String {
        let address = |node: &crate::cluster::Node| node.address();
        self.broker.shared().with(|cluster, _| cluster.node(self.id).map(address)).unwrap_or_default()
    }

    /// Connects to it in memory, without a socket.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] if it is stopped or isn't there.
    pub fn connect(&self) -> io::Result<DuplexStream> {
        self.broker.shared().connect(self.id)
    }

    /// True unless it was stopped or isn't there.
    pub fn is_up(&self) -> bool {
        self.broker.shared().with(|cluster, _| cluster.is_up(self.id))
    }

    /// Stops it: its connections break, new ones are refused, other replicas take the lead of its partitions and
    /// other nodes coordinate its groups. A partition without another live replica has no leader.
    pub async fn stop(&self) {
        self.broker.shared().change(|cluster, now| cluster.set_up(self.id, false, now));
        self.broker.shared().close(self.id).await;
    }

    /// Starts it again where it was. It leads what nobody leads.
    ///
    /// # Errors
    /// If its port was taken meanwhile.
    pub async fn start(&self) -> io::Result<()> {
        if self.is_up() {
            return Ok(());
        }
        self.broker.shared().open(self.id).await?;
        self.broker.shared().change(|cluster, now| cluster.set_up(self.id, true, now));
        Ok(())
    }

    /// Stops it and starts it again.
    ///
    /// # Errors
    /// If its port was taken meanwhile.
    pub async fn restart(&self) -> io::Result<()> {
        self.stop().await;
        self.start().await
    }

    /// Makes it take requests and do nothing about them, as a process that hangs: until [`Self::resume`], which lets it
    /// do everything that has come in. Others aren't told; time goes on for the groups it coordinates.
    pub fn pause(&self) {
        self.broker.shared().change(|cluster, now| cluster.set_paused(self.id, true, now));
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.broker.shared().change(|cluster, now| cluster.set_paused(self.id, false, now));
    }

    /// Breaks all its connections, though it stays up.
    ///
    /// # Errors
    /// If its port was taken while it didn't listen, for a moment.
    pub async fn disconnect_clients(&self) -> io::Result<()> {
        self.broker.shared().close(self.id).await;
        self.broker.shared().open(self.id).await
    }
}
