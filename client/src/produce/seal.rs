//! driver: the part of the producer's task that compresses and splits batches, on other threads.

use std::sync::Arc;

use ottla_wire::compression::{Compression, Compressor, Decompressor};
use parking_lot::Mutex;

use super::batch::{ClosedBatch, Slot};
use super::compress::{Press, Sealed};
use super::driver::{Driver, Event};
use super::sender::ToSplit;
use super::split::split;
use crate::error::Error;

/// A body that was put together here is smaller, whatever it was compressed into.
const MAX_BODY: usize = 1 << 30;

/// Where presses are kept that are not in use. They are asked for on the threads that use them: what waits to be
/// compressed holds none.
#[derive(Clone, Debug)]
pub(super) struct Presses {
    codec: Compression,
    level: Option<i32>,
    kept: Arc<Mutex<Vec<Press>>>,
}

impl Presses {
    /// For batches of `codec`, at one of its levels.
    pub(super) fn new(codec: Compression, level: Option<i32>) -> Self {
        Self { codec, level, kept: Arc::default() }
    }

    /// Does something with a press; with none if batches are not compressed.
    fn with<T>(&self, act: impl FnOnce(Option<&mut Press>) -> T) -> T {
        if self.codec == Compression::None {
            return act(None);
        }
        let kept = self.kept.lock().pop();
        // The level was checked when the producer was built; a batch may go uncompressed all the same.
        let made = || {
            let made = Compressor::new(self.codec, self.level);
            made.inspect_err(|error| tracing::error!(%error, "cannot compress")).ok().map(Press::new)
        };
        let mut press = kept.or_else(made);
        let result = act(press.as_mut());
        self.kept.lock().extend(press);
        result
    }
}

/// The bytes to send, and the buffer that held the records if those are others.
fn seal(body: Vec<u8>, press: Option<&mut Press>) -> (Sealed, Option<Vec<u8>>) {
    match press {
        Some(press) => press.seal(body),
        None => (Sealed::plain(body), None),
    }
}

impl Driver {
    /// A batch's body into the bytes to send: at once, unless they are to be compressed.
    pub(super) fn seal(&mut self, slot: &Arc<Slot>, closed: ClosedBatch) {
        let ClosedBatch { id, body, .. } = closed;
        let reserved = body.capacity();
        if self.presses.codec == Compression::None {
            self.sender.sealed(slot.index, id, Sealed::plain(body), reserved);
            return;
        }
        let (memory, events, presses) = (self.core.memory.clone(), self.core.events.clone(), self.presses.clone());
        let slot = slot.index;
        self.core.cluster.runtime().offload(move || {
            let (sealed, buffer) = presses.with(|press| seal(body, press));
            // A body that did not get smaller still counts no more than was taken for it.
            let kept = sealed.body.len().min(reserved);
            if let Some(buffer) = buffer {
                memory.recycle(buffer);
            }
            let _ = events.send(Event::Sealed { slot, batch: id, sealed, taken: reserved, kept });
        });
    }

    /// Starts to split the batches that a broker found too large.
    pub(super) fn split(&mut self) {
        for ToSplit { queue: slot, id: batch, header, sealed, error } in std::mem::take(&mut self.sender.to_split) {
            self.core.metrics.split(self.core.cluster.runtime().now());
            let (events, presses) = (self.core.events.clone(), self.presses.clone());
            self.core.cluster.runtime().offload(move || {
                let mut decompressor = Decompressor::new(MAX_BODY);
                let outcome = match split(&header, &sealed, &mut decompressor) {
                    Ok(pieces) if pieces.len() > 1 => Ok(presses.with(|mut press| {
                        let sealed = |(piece, body)| (piece, seal(body, press.as_deref_mut()).0);
                        pieces.into_iter().map(sealed).collect()
                    })),
                    Ok(_) => Err(error),
                    Err(defect) => Err(Error::caused_by(error.kind(), format!("{error}; it cannot be split"), defect)),
                };
                let _ = events.send(Event::Split { slot, batch, outcome });
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_is_used_again_and_made_only_when_none_is_free() {
        let presses = Presses::new(Compression::Lz4, None);
        presses.with(|first| {
            assert!(first.is_some());
            presses.with(|second| assert!(second.is_some()));
        });
        presses.with(|_| assert_eq!(presses.kept.lock().len(), 1));
        assert_eq!(presses.kept.lock().len(), 2);
        Presses::new(Compression::None, None).with(|none| assert!(none.is_none()));
    }
}
