//! In-process pipes instead of sockets.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::{Connecting, Connector, Stream};

type Open = dyn Fn(&str, u16) -> io::Result<Box<dyn Stream>> + Send + Sync;

/// A [`Connector`] that asks a function for each connection: an embedded broker's in-memory pipes, or a test's script.
#[derive(Clone)]
pub struct MemoryConnector(Arc<Open>);

impl MemoryConnector {
    /// Connects through `open`, which is given the host and port asked for.
    pub fn new<S: Stream>(open: impl Fn(&str, u16) -> io::Result<S> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |host, port| Ok(Box::new(open(host, port)?))))
    }
}

impl Connector for MemoryConnector {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move { (self.0)(host, port) })
    }
}

impl fmt::Debug for MemoryConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryConnector")
    }
}
