//! The only sockets: TCP and in-process pipes, behind one [`Connector`].

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, Kind};

mod memory;
mod tcp;

pub use memory::MemoryConnector;
pub(crate) use tcp::TcpConnector;

/// A connected byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// A future of a connector.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// Makes connections to brokers.
///
/// TCP unless the builder is given another: tests and simulations hand out in-process pipes.
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Connects to `host:port`. A name is looked up anew at each call, and all of its addresses are tried. The caller
    /// bounds the time.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a>;
}

/// Where a broker listens.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads `host:port`, `[v6]:port`, or either behind `PROTOCOL://`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let parsed = bare.rsplit_once(':').and_then(|(host, port)| {
            let host = match host.strip_prefix('[') {
                Some(v6) => v6.strip_suffix(']')?,
                None if host.contains(':') => return None,
                None => host,
            };
            let port = port.parse().ok().filter(|port| *port > 0)?;
            (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
        });
        parsed.ok_or_else(|| {
            let rule = "is not `host:port` (IPv6: `[address]:port`)";
            Error::new(Kind::Config, format!("setting `bootstrap.servers`: `{text}` {rule}"))
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_with_names_both_ip_versions_and_a_protocol() {
        for (text, host, port) in [
            ("localhost:9092", "localhost", 9092),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:9092", "::1", 9092),
            ("PLAINTEXT://kafka:9092", "kafka", 9092),
        ] {
            assert_eq!(Address::parse(text).unwrap(), Address { host: host.into(), port });
        }
        assert_eq!(Address::parse("[::1]:9092").unwrap().to_string(), "[::1]:9092");
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in ["localhost", ":9092", "a:", "a:0", "a:70000", "::1:9092", "[::1:9092", ""] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }
}
