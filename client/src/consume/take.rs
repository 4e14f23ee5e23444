//! What a poll hands out: items from the buffer, checked and decompressed on the caller's thread.

use std::sync::Arc;

use tokio::time::Instant;

use super::Core;
use super::decode;
use super::records::{Part, Records};
use super::state::{Settled, Subject};
use crate::error::Error;
use crate::planted::{self, Bug};

impl Core {
    /// Up to `max` records of what is there, and the positions that moved; neither if nothing is.
    ///
    /// # Errors
    /// What polls have to be told, each thing once. Records are not lost by it: they come with the next poll.
    pub(super) fn take(self: &Arc<Self>, max: usize, now: Instant) -> Result<Records, Error> {
        // One at a time: a partition's batches are handed out in their order.
        let mut decompressor = self.decompressor.lock();
        let mut records = Records::default();
        let mut tally = Tally::default();
        {
            let mut state = self.state.lock();
            if let Some(fault) = state.next_fault() {
                return Err(fault);
            }
            if state.is_in_doubt(now) {
                return Ok(records);
            }
        }
        while records.len() < max {
            let Some(taken) = self.state.lock().take() else { break };
            let key = taken.key();
            let left = max - records.len();
            let check_crcs = self.config.check_crcs;
            // Not under the state's lock: this is most of a consumer's work.
            let read = decode::read(&taken.partition, taken.item, taken.position, left, check_crcs, &mut decompressor);
            let bytes = read.bytes;
            let is_full = read.part.as_ref().is_some_and(|part| part.count == left);
            let Settled { part, moved, fault, wakes } = self.state.lock().settle(key, read, is_full, now);
            if let Some(part) = part {
                tally.add(self, &part, bytes, now);
                records.push(part);
            }
            if let Some(position) = moved {
                records.moved(&taken.partition, position);
            }
            if let Some(wakes) = wakes {
                wakes.notify_one();
            }
            let Some(fault) = fault.filter(|_| !planted::has(Bug::SilentDamage)) else { continue };
            // It is fetched again from where it stands, which the leader of today may first have to be asked about.
            self.work.notify_one();
            if records.tells_nothing() {
                return Err(fault);
            }
            // What was read before it is handed out first, so that it can be committed.
            self.state.lock().faults.insert(Subject::Partition(taken.partition), fault);
            break;
        }
        tally.told(self, now);
        Ok(records)
    }
}

/// What a poll hands out of one topic, told once and not with each batch.
#[derive(Default)]
struct Tally {
    topic: Option<Arc<str>>,
    records: usize,
    bytes: usize,
}

impl Tally {
    fn add(&mut self, core: &Core, part: &Part, bytes: usize, now: Instant) {
        if self.topic.as_ref().is_none_or(|topic| *topic != part.partition.topic) {
            self.told(core, now);
            *self = Self { topic: Some(part.partition.topic.clone()), records: 0, bytes: 0 };
        }
        self.records += part.count;
        self.bytes += bytes;
    }

    fn told(&self, core: &Core, now: Instant) {
        if let Some(topic) = &self.topic {
            core.state.lock().metrics.consumed(topic, self.records, self.bytes, now);
        }
    }
}
