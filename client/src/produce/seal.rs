//! driver: the part of the producer's task that compresses and splits batches, on other threads.

use std::sync::Arc;

use ottla_wire::compression::{Compression, Compressor, Decompressor};

use super::batch::{ClosedBatch, Slot};
use super::compress::{Press, Sealed};
use super::driver::{Driver, Event};
use super::sender::ToSplit;
use super::split::split;
use crate::error::Error;

/// A body that was put together here is smaller, whatever it was compressed into.
const MAX_BODY: usize = 1 << 30;

impl Driver {
    /// A batch's body into the bytes to send: at once, unless they are to be compressed.
    pub(super) fn seal(&mut self, slot: &Arc<Slot>, closed: ClosedBatch) {
        let ClosedBatch { id, body, .. } = closed;
        let reserved = body.capacity();
        let Some(mut press) = self.press() else {
            self.sender.sealed(slot.index, id, Sealed::plain(body), reserved);
            return;
        };
        let (memory, events, presses) = (self.core.memory.clone(), self.core.events.clone(), self.presses.clone());
        let slot = slot.index;
        self.core.cluster.runtime().offload(move || {
            let (sealed, buffer) = press.seal(body);
            presses.lock().push(press);
            // A body that did not get smaller still counts no more than was taken for it.
            let kept = sealed.body.len().min(reserved);
            if let Some(buffer) = buffer {
                memory.recycle(buffer);
            }
            let _ = events.send(Event::Sealed { slot, batch: id, sealed, taken: reserved, kept });
        });
    }

    /// A press that is not in use. None if batches are not compressed.
    fn press(&self) -> Option<Press> {
        let codec = self.core.config.compression;
        if codec == Compression::None {
            return None;
        }
        if let Some(kept) = self.presses.lock().pop() {
            return Some(kept);
        }
        // The level was checked when the producer was built; a batch may go uncompressed all the same.
        let made = Compressor::new(codec, self.core.config.compression_level());
        made.inspect_err(|error| tracing::error!(%error, "cannot compress")).ok().map(Press::new)
    }

    /// Starts to split the batches that a broker found too large.
    pub(super) fn split(&mut self) {
        for ToSplit { queue: slot, id: batch, header, sealed, error } in std::mem::take(&mut self.sender.to_split) {
            self.core.metrics.split(self.core.cluster.runtime().now());
            let mut press = self.press();
            let (events, presses) = (self.core.events.clone(), self.presses.clone());
            self.core.cluster.runtime().offload(move || {
                let mut decompressor = Decompressor::new(MAX_BODY);
                let pieces = split(&header, &sealed, &mut decompressor);
                let outcome = match pieces {
                    Ok(pieces) if pieces.len() > 1 => Ok(pieces
                        .into_iter()
                        .map(|(piece, body)| match &mut press {
                            Some(press) => (piece, press.seal(body).0),
                            None => (piece, Sealed::plain(body)),
                        })
                        .collect()),
                    Ok(_) => Err(error),
                    Err(defect) => Err(Error::caused_by(error.kind(), format!("{error}; it cannot be split"), defect)),
                };
                presses.lock().extend(press);
                let _ = events.send(Event::Split { slot, batch, outcome });
            });
        }
    }
}
