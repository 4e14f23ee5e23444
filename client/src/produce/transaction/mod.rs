//! Transactions: records and offsets that become visible together, or not at all.
//!
//! ```text
//!  TransactionalProducer ── begin ─► Transaction ── commit, abort, drop ─► driver
//!                                     │ send, enqueue: the way of every record
//!                                     └ send_offsets ─────────────────────► state ─► ask ─► coordinators
//! ```
//!
//! [`state`] and [`request`] are plain values; [`ask`] is one question to one coordinator.

mod ask;
mod handle;
mod request;
mod state;

pub(super) use ask::Speaker;
pub(super) use handle::Begun;
pub use handle::{Transaction, TransactionalProducer, Unfinished};
pub(super) use request::Answer;
pub(super) use state::{Change, End, Reply, Transactions};

#[cfg(test)]
mod tests;
