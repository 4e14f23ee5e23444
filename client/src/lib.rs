//! A native Kafka client: producer, consumer and admin.

pub mod config;
pub mod net;

mod cluster;
mod connection;
mod error;
mod group;
mod produce;
mod record;
mod runtime;

pub use config::{ConsumerBuilder, ProducerBuilder};
pub use error::{Error, Kind, Retry};
pub use ottla_wire::Code;
pub use produce::{Ack, Delivery, Producer, Refused};
pub use record::{Payload, Record, TopicPartition};
