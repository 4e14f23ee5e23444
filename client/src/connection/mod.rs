//! One broker, reached over one connection at a time.
//!
//! ```text
//! Link::call ──► driver ──► connect ──► handshake ──► pipeline ──► answer
//!                  ▲            │ failed: every waiting call fails, then backoff
//!                  └────────────┘ lost, idle, silent: connected again at the next call
//! ```
//!
//! [`driver`] alone owns a socket and a clock; [`backoff`], [`handshake`] and [`pipeline`] are plain values.

pub(crate) mod backoff;
mod driver;
mod exchange;
mod handshake;
mod meter;
mod pipeline;
mod slices;

pub(crate) use backoff::Backoff;
pub(crate) use driver::{Context, Link, Target};
pub(crate) use exchange::{Answer, Typed};
pub(crate) use handshake::{Features, Versions};
