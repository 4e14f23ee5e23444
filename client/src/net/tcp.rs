//! TCP: a name is looked up at every connect, and all of its addresses are tried.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::{Connecting, Connector, Stream};

/// The next address of a name is tried when the one before has not answered for this long (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects over TCP.
#[derive(Debug)]
pub(crate) struct TcpConnector {
    receive_buffer: Option<u32>,
    send_buffer: Option<u32>,
    /// Which address of a name to try first, so that a name with many spreads its clients.
    turn: AtomicUsize,
}

impl TcpConnector {
    /// Buffer sizes in bytes; a negative one leaves the socket to the system.
    pub(crate) fn new(receive_buffer: i32, send_buffer: i32) -> Self {
        let size = |bytes: i32| u32::try_from(bytes).ok().filter(|bytes| *bytes > 0);
        Self { receive_buffer: size(receive_buffer), send_buffer: size(send_buffer), turn: AtomicUsize::new(0) }
    }

    fn socket(&self, address: SocketAddr) -> io::Result<TcpSocket> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Before the connect: window scaling is agreed on there.
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    async fn open(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let found: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
        let mut addresses = in_turn(found, self.turn.fetch_add(1, Ordering::Relaxed)).into_iter();
        let mut attempts = JoinSet::new();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        loop {
            match addresses.next() {
                Some(address) => {
                    // An IP version that is switched off must not keep the others from being tried.
                    match self.socket(address) {
                        Ok(socket) => {
                            attempts.spawn(async move { (address, socket.connect(address).await) });
                        }
                        Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
                    }
                }
                None if attempts.is_empty() => return Err(last),
                None => {}
            }
            let wait = if addresses.len() > 0 { STAGGER } else { Duration::MAX };
            match tokio::time::timeout(wait, attempts.join_next()).await {
                Ok(Some(Ok((_, Ok(stream))))) => return Ok(stream),
                Ok(Some(Ok((address, Err(error))))) => {
                    last = io::Error::new(error.kind(), format!("{address}: {error}"));
                }
                Ok(Some(Err(error))) => last = io::Error::other(error),
                Ok(None) | Err(_) => {}
            }
        }
    }
}

impl Connector for TcpConnector {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move { Ok(Box::new(self.open(host, port).await?) as Box<dyn Stream>) })
    }
}

/// The addresses with IP versions taking turns, each version rotated by `turn`.
fn in_turn(found: Vec<SocketAddr>, turn: usize) -> Vec<SocketAddr> {
    let first_is_v4 = found.first().is_some_and(SocketAddr::is_ipv4);
    let (mut one, mut other): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    for addresses in [&mut one, &mut other] {
        if !addresses.is_empty() {
            let by = turn % addresses.len();
            addresses.rotate_left(by);
        }
    }
    let mut merged = Vec::with_capacity(one.len() + other.len());
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return merged,
            (a, b) => merged.extend(a.into_iter().chain(b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// edge 78: every address of a name has its turn.
    #[test]
    fn ip_versions_take_turns_and_the_first_address_rotates() {
        let found = addresses(&["1.1.1.1:9", "2.2.2.2:9", "[::1]:9", "[::2]:9"]);
        assert_eq!(in_turn(found.clone(), 0), addresses(&["1.1.1.1:9", "[::1]:9", "2.2.2.2:9", "[::2]:9"]));
        assert_eq!(in_turn(found, 1), addresses(&["2.2.2.2:9", "[::2]:9", "1.1.1.1:9", "[::1]:9"]));
        assert_eq!(in_turn(Vec::new(), 3), Vec::new());
    }

    #[tokio::test]
    async fn connects_without_delay_of_small_writes() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = TcpConnector::new(-1, -1).open("localhost", port).await.unwrap();
        assert!(stream.nodelay().unwrap(), "edge 82: TCP_NODELAY");
    }

    #[tokio::test]
    async fn a_refused_connection_names_the_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = TcpConnector::new(-1, -1).open("127.0.0.1", port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    }
}
