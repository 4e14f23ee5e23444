//! `buffer.memory`: one budget of bytes, taken when a batch grows and given back at its ack, and the buffers themselves.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::metrics::Buffer;
use crate::planted::{self, Bug};

/// Bytes that batches may take, and empty buffers to reuse.
///
/// Taken per batch and per growth of one, never per record. Who finds too little waits in line; those waiting are let
/// in when a quarter of the budget is free, so that they are not woken for a few bytes each time (a batch of 16 KiB
/// would otherwise cost two wake-ups).
#[derive(Debug)]
pub(super) struct Memory {
    total: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    waiting: VecDeque<Waiter>,
    /// Somebody who does not wait found too little.
    pressed: bool,
    /// Empty buffers by capacity.
    pool: BTreeMap<usize, Vec<Vec<u8>>>,
    pooled: usize,
}

#[derive(Debug)]
struct Waiter {
    bytes: usize,
    admitted: oneshot::Sender<()>,
}

/// Bytes that were waited for; given back when dropped unless taken over.
#[derive(Debug)]
pub(super) struct Reserved {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(total: usize) -> Self {
        Self { total, state: Mutex::default() }
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// What there is, what of it no batch holds, and who waits.
    pub(super) fn level(&self) -> Buffer {
        let state = self.state.lock();
        let waiting = state.waiting.iter().filter(|waiter| !waiter.admitted.is_closed()).count();
        Buffer { total: self.total, available: self.total - state.taken, waiting }
    }

    /// Whether somebody waits: every open batch is then worth sending.
    pub(super) fn is_exhausted(&self) -> bool {
        let mut state = self.state.lock();
        std::mem::take(&mut state.pressed) || !state.waiting.is_empty()
    }

    /// Says that there is too little, without waiting for more.
    pub(super) fn press(&self) {
        self.state.lock().pressed = true;
    }

    /// Takes `bytes` at once, unless too few are free or others were first.
    pub(super) fn try_take(&self, bytes: usize) -> bool {
        let mut state = self.state.lock();
        if !state.waiting.is_empty() || state.taken + bytes > self.total {
            return false;
        }
        state.taken += bytes;
        true
    }

    /// Waits in line for `bytes`.
    pub(super) async fn take(self: &Arc<Self>, bytes: usize) -> Reserved {
        let (admitted, mut admission) = oneshot::channel();
        self.state.lock().waiting.push_back(Waiter { bytes, admitted });
        self.admit();
        // Cancelled between admission and waking up, the bytes go back.
        struct Turn<'a>(&'a Arc<Memory>, &'a mut oneshot::Receiver<()>, usize);
        impl Drop for Turn<'_> {
            fn drop(&mut self) {
                self.1.close();
                if self.1.try_recv().is_ok() {
                    self.0.give_back(self.2);
                }
                self.0.admit();
            }
        }
        let turn = Turn(self, &mut admission, bytes);
        // The sender stays in line until it admits.
        let _ = (&mut *turn.1).await;
        drop(turn);
        Reserved { memory: self.clone(), bytes }
    }

    /// Gives bytes back, and lets in who waits for them.
    pub(super) fn give_back(&self, bytes: usize) {
        {
            let mut state = self.state.lock();
            debug_assert!(state.taken >= bytes, "more given back than taken");
            state.taken = state.taken.saturating_sub(bytes);
        }
        self.admit();
    }

    fn admit(&self) {
        if planted::has(Bug::NoWakeUp) && self.state.lock().waiting.len() > 1 {
            return;
        }
        let mut admitted = Vec::new();
        {
            let mut state = self.state.lock();
            // Who gave up waiting must not hold up the line.
            state.waiting.retain(|waiter| !waiter.admitted.is_closed());
            let Some(first) = state.waiting.front() else { return };
            if self.total - state.taken < first.bytes.max(self.total / 4) {
                return;
            }
            while let Some(first) = state.waiting.front() {
                if state.taken + first.bytes > self.total {
                    break;
                }
                let Some(first) = state.waiting.pop_front() else { break };
                state.taken += first.bytes;
                admitted.push(first);
            }
        }
        for waiter in admitted {
            if waiter.admitted.send(()).is_err() {
                self.give_back(waiter.bytes);
            }
        }
    }

    /// An empty buffer of just this capacity, of bytes that were taken.
    pub(super) fn buffer(&self, capacity: usize) -> Vec<u8> {
        let mut state = self.state.lock();
        if let Some(buffer) = state.pool.get_mut(&capacity).and_then(Vec::pop) {
            state.pooled -= capacity;
            return buffer;
        }
        // What is kept for reuse counts too: memory stays within the budget.
        state.trim(self.total);
        drop(state);
        Vec::with_capacity(capacity)
    }

    /// Keeps a buffer for reuse, as far as the budget has room for it.
    pub(super) fn recycle(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let capacity = buffer.capacity();
        let mut state = self.state.lock();
        if capacity > 0 && state.taken + state.pooled + capacity <= self.total {
            state.pooled += capacity;
            state.pool.entry(capacity).or_default().push(buffer);
        }
    }
}

impl State {
    fn trim(&mut self, total: usize) {
        while self.taken + self.pooled > total {
            let Some(mut largest) = self.pool.last_entry() else { break };
            if largest.get_mut().pop().is_some() {
                self.pooled -= largest.key();
            }
            if largest.get().is_empty() {
                largest.remove();
            }
        }
    }
}

impl Reserved {
    /// Takes up to `bytes` of it over.
    pub(super) fn spend(&mut self, bytes: usize) -> usize {
        let spent = bytes.min(self.bytes);
        self.bytes -= spent;
        spent
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.memory.give_back(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn memory(total: usize) -> Arc<Memory> {
        Arc::new(Memory::new(total))
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn whoever_waits_is_let_in_first_in_line() {
        let memory = memory(100);
        assert!(memory.try_take(100));
        let mut first = Box::pin(memory.take(60));
        let mut second = Box::pin(memory.take(10));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        memory.give_back(30);
        assert!(poll(second.as_mut()).is_pending(), "the first needs more, and nobody overtakes it");
        assert!(!memory.try_take(5));
        memory.give_back(40);
        let Poll::Ready(reserved) = poll(first.as_mut()) else { panic!("70 are free") };
        assert!(poll(second.as_mut()).is_ready());
        drop(reserved);
        assert!(memory.try_take(60));
    }

    #[test]
    fn nobody_is_woken_before_a_quarter_is_free() {
        let memory = memory(100);
        assert!(memory.try_take(100));
        let mut waiting = Box::pin(memory.take(1));
        assert!(poll(waiting.as_mut()).is_pending());
        memory.give_back(24);
        assert!(poll(waiting.as_mut()).is_pending());
        memory.give_back(1);
        assert!(poll(waiting.as_mut()).is_ready());
    }

    #[test]
    fn a_wait_given_up_loses_no_bytes_and_holds_up_nobody() {
        let memory = memory(100);
        assert!(memory.try_take(100));
        let mut given_up = Box::pin(memory.take(90));
        let mut admitted_then_dropped = Box::pin(memory.take(50));
        let mut patient = Box::pin(memory.take(100));
        assert!(poll(given_up.as_mut()).is_pending());
        assert!(poll(admitted_then_dropped.as_mut()).is_pending());
        assert!(poll(patient.as_mut()).is_pending());
        drop(given_up);
        memory.give_back(100);
        drop(admitted_then_dropped);
        assert!(poll(patient.as_mut()).is_ready());
        assert!(memory.try_take(100), "all came back");
    }

    #[test]
    fn what_was_not_spent_goes_back() {
        let memory = memory(100);
        let Poll::Ready(mut reserved) = poll(std::pin::pin!(memory.take(80))) else { panic!("all is free") };
        assert_eq!(reserved.spend(50), 50);
        assert_eq!(reserved.spend(50), 30);
        drop(reserved);
        assert!(!memory.try_take(21) && memory.try_take(20));
    }

    #[test]
    fn buffers_are_reused_but_never_beyond_the_budget() {
        let memory = memory(100);
        assert!(memory.try_take(60));
        let buffer = memory.buffer(60);
        let address = buffer.as_ptr();
        memory.give_back(60);
        memory.recycle(buffer);
        assert!(memory.try_take(60));
        let buffer = memory.buffer(60);
        assert_eq!(buffer.as_ptr(), address);
        memory.recycle(Vec::with_capacity(60));
        assert_eq!(memory.state.lock().pooled, 0, "60 taken and 60 kept are over 100");
        memory.recycle(Vec::with_capacity(40));
        assert!(memory.try_take(10));
        let _ = memory.buffer(10);
        assert_eq!(memory.state.lock().pooled, 0, "made room");
    }
}
