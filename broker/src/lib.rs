#![doc = include_str!("../README.md")]
//!
//! # How it is made
//! [`Broker`] is the handle; [`Builder`] describes one. Underneath, everything that decides is plain state without
//! sockets, clocks or tasks, so that a run can be repeated:
//!
//! ```text
//! driver/    sockets, pipes, the clock, one task a connection        (the only place that waits)
//!   └ api/        one file an API: request in, answer or "later" out
//!       └ cluster/    nodes, topics, fetches that wait, timers
//!           ├ log/          batches, leader epochs, producers, markers of transactions
//!           ├ group/        members under the classic protocol or the consumers' own, offsets
//!           ├ share/        share groups: members, sessions, what is acquired
//!           ├ telemetry     metrics that clients push
//!           └ transaction/  a transactional id's state machine, in both protocols
//! ```
//!
//! A request is judged by the faults in force, acted on under one lock, and answered in the order of its connection.

mod api;
mod broker;
mod builder;
mod cluster;
mod config;
mod driver;
mod faults;
mod group;
mod log;
mod observe;
mod serve;
mod share;
#[cfg(feature = "simulation")]
pub mod simulation;
mod telemetry;
mod transaction;

pub use broker::{
    Broker, ErrorCode, Faults, FetchSession, GroupMember, GroupView, NodeHandle, ShareGroupMember, ShareGroupView,
    ShareSession, SharedRecord, SharedState, TransactionView,
};
pub use builder::Builder;
pub use group::offsets::CommittedOffset;
pub use kafka_protocol::ResponseError as Code;
pub use kafka_protocol::messages::ApiKey;
pub use log::marker::Marker;
pub use log::record::Record;
pub use observe::{BatchView, LogView, Request};
pub use serve::{NewTopic, Options, serve};
pub use telemetry::{Push, Telemetry};
