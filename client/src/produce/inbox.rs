//! What callers tell the driver: of batches, not of records.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::batch::Slot;

/// News for the driver: of batches, not of records.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) news: Mutex<News>,
    pub(super) wake: Notify,
    /// The driver has a timer for an earlier linger: a batch that opens need not wake it.
    pub(super) timer_is_set: AtomicBool,
    /// Nothing can be sent before an answer comes: a batch that fills need not wake it.
    pub(super) is_saturated: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct News {
    /// Batches that linger, by when that ends: always the same time, so the list is in order.
    pub(super) opened: VecDeque<(Instant, Arc<Slot>, u64)>,
    pub(super) filled: Vec<Arc<Slot>>,
}

impl Inbox {
    pub(super) fn opened(&self, until: Instant, slot: &Arc<Slot>, id: u64) {
        self.news.lock().opened.push_back((until, slot.clone(), id));
        if !self.timer_is_set.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    pub(super) fn filled(&self, slot: &Arc<Slot>) {
        self.news.lock().filled.push(slot.clone());
        if !self.is_saturated.load(Ordering::Acquire) {
            self.wake.notify_one();
        }
    }
}
