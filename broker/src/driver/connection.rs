//! One connection: requests are acted on in the order they come, and answered in that order.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::oneshot;

use super::Shared;
use super::frames::Frames;
use crate::api::wire;
use crate::api::{Context, Outcome, Peer};
use crate::cluster::Handled;

/// Answers that may wait to be written before the next request is read.
const UNWRITTEN: usize = 1024;

/// Bytes gathered for one write, unless a single answer has more.
const GATHER_BYTES: usize = 1024 * 1024;

/// Serves one connection to `node` from a client at `host` until either side closes it.
pub(super) async fn serve<S: AsyncRead + AsyncWrite>(shared: Arc<Shared>, node: i32, host: Arc<str>, stream: S) {
    let open = Open { peer: Peer { host, connection: shared.next_connection() }, shared: &shared };
    let (input, output) = tokio::io::split(stream);
    let (sender, receiver) = mpsc::channel(UNWRITTEN);
    // Both at once: a client may send without reading, and the other way round.
    let ended = tokio::select! {
        biased;
        ended = write(output, receiver) => ended,
        ended = read(&shared, node, &open.peer, input, sender) => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(node, %error, "connection closed");
    }
}

/// A connection, until it ends, however that happens.
struct Open<'a> {
    peer: Peer,
    shared: &'a Shared,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.shared.change(|cluster, now| cluster.disconnected(self.peer.connection, now));
    }
}

/// An answer on its way.
struct Answer {
    context: Context,
    outcome: Eventual,
}

enum Eventual {
    Ready(Outcome),
    Later(oneshot::Receiver<Outcome>),
}

async fn read(
    shared: &Shared,
    node: i32,
    peer: &Peer,
    mut input: impl AsyncRead + Unpin,
    answers: mpsc::Sender<Answer>,
) -> io::Result<()> {
    let mut frames = Frames::default();
    while let Some(frame) = frames.next(&mut input).await? {
        let call = wire::read(frame, node, peer, shared.config())
            .map_err(|message| io::Error::new(io::ErrorKind::InvalidData, message))?;
        let context = call.context.clone();
        let outcome = match shared.request(call) {
            (Handled::Ready(outcome), _) => Eventual::Ready(outcome),
            (Handled::Later { blocks: false }, later) => Eventual::Later(later),
            (Handled::Later { blocks: true }, later) => match later.await {
                Ok(outcome) => Eventual::Ready(outcome),
                Err(_) => return Ok(()),
            },
        };
        let answer = Answer { context, outcome };
        if answers.send(answer).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn write(mut output: impl AsyncWrite + Unpin, mut answers: mpsc::Receiver<Answer>) -> io::Result<()> {
    let mut parts = Parts::default();
    loop {
        let answer = match answers.try_recv() {
            Ok(answer) if parts.bytes < GATHER_BYTES => Some(answer),
            Ok(answer) => {
                flush(&mut output, &mut parts).await?;
                Some(answer)
            }
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                flush(&mut output, &mut parts).await?;
                answers.recv().await
            }
        };
        let Some(Answer { context, outcome }) = answer else { return flush(&mut output, &mut parts).await };
        let outcome = match outcome {
            Eventual::Ready(outcome) => outcome,
            Eventual::Later(mut later) => match later.try_recv() {
                Ok(outcome) => outcome,
                Err(_) => {
                    flush(&mut output, &mut parts).await?;
                    match later.await {
                        Ok(outcome) => outcome,
                        // Forgotten by a fault: never answered, so nothing after it is either.
                        Err(_) => std::future::pending().await,
                    }
                }
            },
        };
        if matches!(outcome, Outcome::Close) {
            flush(&mut output, &mut parts).await?;
            return output.shutdown().await;
        }
        let is_truncated = matches!(outcome, Outcome::Truncated(_));
        let answer = wire::write(&context, outcome).map_err(io::Error::other);
        parts.extend(answer.inspect_err(|error| {
            tracing::error!(api = ?context.api, version = context.version, %error, "an answer can't be encoded");
        })?);
        if is_truncated {
            flush(&mut output, &mut parts).await?;
            return output.shutdown().await;
        }
    }
}

async fn flush(output: &mut (impl AsyncWrite + Unpin), parts: &mut Parts) -> io::Result<()> {
    if parts.has_remaining() {
        output.write_all_buf(parts).await?;
        output.flush().await?;
    }
    Ok(())
}

/// Bytes to be written together, as they lie in different places.
#[derive(Debug, Default)]
struct Parts {
    queue: VecDeque<Bytes>,
    bytes: usize,
}

impl Parts {
    fn extend(&mut self, parts: Vec<Bytes>) {
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            self.bytes += part.len();
            self.queue.push_back(part);
        }
    }
}

impl Buf for Parts {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.queue.front().map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, part) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(part);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(part) = self.queue.front_mut().filter(|_| written > 0) {
            let advanced = written.min(part.len());
            part.advance(advanced);
            written -= advanced;
            if part.is_empty() {
                self.queue.pop_front();
            }
        }
    }
}
