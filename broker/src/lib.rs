//! An embedded Kafka broker in one process.

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

pub use broker::{Broker, ErrorCode, Faults, GroupMember, GroupView, NodeHandle};
pub use builder::Builder;
pub use group::offsets::CommittedOffset;
pub use kafka_protocol::ResponseError as Code;
pub use kafka_protocol::messages::ApiKey;
pub use log::record::Record;
pub use observe::{BatchView, LogView, Request};
