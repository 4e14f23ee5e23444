//! Requests through in-memory pipes and sockets, encoded by another hand than the broker's checks.
#![expect(clippy::disallowed_methods, reason = "drives the broker, and looks how long it took")]
#![expect(clippy::unwrap_used, reason = "a test may fail so")]

mod admin;
mod client;
mod connections;
mod consumer_groups;
mod consuming;
mod errors;
mod faults;
mod fetch_sessions;
mod followers;
mod groups;
#[cfg(feature = "simulation")]
mod network;
mod nodes;
mod producing;
mod share;
mod telemetry;
mod transactions;
mod versions;
