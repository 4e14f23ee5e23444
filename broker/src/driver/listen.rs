//! Where nodes listen.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// One listener a node: the first on `address` (`host:port`), the others on the next ports that are free.
///
/// # Errors
/// If the host can't be resolved or the address can't be listened on.
pub(crate) async fn listen(address: &str, nodes: usize) -> io::Result<Vec<TcpListener>> {
    let about = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let resolved = tokio::net::lookup_host(address).await.map_err(about)?.next();
    let mut next = resolved.ok_or_else(|| about(io::ErrorKind::NotFound.into()))?;
    let mut listeners = Vec::with_capacity(nodes);
    for node in 0..nodes {
        let listener = bind(next, node > 0).await.map_err(about)?;
        if next.port() != 0 {
            next.set_port(listener.local_addr()?.port().saturating_add(1));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Listens on `address`; if its port is taken and `or_next`, on the next one that is free.
async fn bind(mut address: SocketAddr, or_next: bool) -> io::Result<TcpListener> {
    loop {
        match TcpListener::bind(address).await {
            Err(error) if or_next && error.kind() == io::ErrorKind::AddrInUse && address.port() < u16::MAX => {
                address.set_port(address.port() + 1);
            }
            bound => return bound,
        }
    }
}
