//! One connection through the network: each way, what is sent arrives later, in order, if at all.
#![expect(clippy::disallowed_methods, reason = "driver: delays what is sent")]

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::network::{Network, Way};

/// Bytes that the sender's system takes before it makes it wait.
pub(super) const BYTES: usize = 256 * 1024;

/// Pieces under way in one direction.
const UNDER_WAY: usize = 256;

/// Carries both ways until either side closes, or the connection breaks.
pub(super) async fn run(
    network: &Network,
    node: i32,
    mut broken: watch::Receiver<bool>,
    process: DuplexStream,
    server: DuplexStream,
) {
    let (from_process, to_process) = tokio::io::split(process);
    let (from_node, to_node) = tokio::io::split(server);
    // What one side closes is closed for the other once it has arrived. An error is a connection that broke.
    tokio::select! {
        biased;
        _ = broken.wait_for(|is_broken| *is_broken) => {}
        _ = carry(network, node, Way::ToNode, from_process, to_node) => {}
        _ = carry(network, node, Way::ToProcess, from_node, to_process) => {}
    }
}

async fn carry(
    network: &Network,
    node: i32,
    way: Way,
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (sent, arriving) = mpsc::channel(UNDER_WAY);
    // Not both to their end: once nothing arrives any more, nothing need be sent.
    tokio::try_join!(send(network, node, from, sent), arrive(network, node, way, to, arriving)).map(|_| ())
}

async fn send(
    network: &Network,
    node: i32,
    mut from: impl AsyncRead + Unpin,
    sent: mpsc::Sender<(Instant, Bytes)>,
) -> io::Result<()> {
    loop {
        let mut piece = BytesMut::with_capacity(16 * 1024);
        let is_end = from.read_buf(&mut piece).await? == 0;
        let due = Instant::now() + network.delay(node);
        if sent.send((due, piece.freeze())).await.is_err() || is_end {
            return Ok(());
        }
    }
}

async fn arrive(
    network: &Network,
    node: i32,
    way: Way,
    mut to: impl AsyncWrite + Unpin,
    mut arriving: mpsc::Receiver<(Instant, Bytes)>,
) -> io::Result<()> {
    while let Some((due, piece)) = arriving.recv().await {
        tokio::time::sleep_until(due).await;
        network.is_open(node, way).await;
        if piece.is_empty() || network.springs(node, way) {
            break;
        }
        to.write_all(&piece).await?;
        to.flush().await?;
    }
    Err(io::ErrorKind::ConnectionReset.into())
}
