//! A native Kafka client: producer, consumer and admin.

pub mod config;
pub mod net;

mod admin;
mod cluster;
mod connection;
mod consume;
mod deadline;
mod error;
mod group;
mod panicked;
#[cfg(feature = "planted-bugs")]
pub mod planted;
#[cfg(not(feature = "planted-bugs"))]
mod planted;
mod process;
mod produce;
mod record;
mod runtime;
mod share;
mod telemetry;
mod watch;

pub use admin::{
    Admin, CreatedTopic, GroupDescription, GroupListing, GroupListings, GroupState, GroupType, MemberDescription,
    NewTopic, OffsetSpec, PartitionDescription, TopicDescription, TopicListing,
};
pub use config::{AdminBuilder, ConsumerBuilder, ProducerBuilder, ShareConsumerBuilder};
pub use consume::{
    Called, CloseOptions, ConsumedRecord, Consumer, ConsumerInterceptor, HeaderRefs, OffsetAndMetadata,
    OffsetAndTimestamp, OwnedRecord, PendingCommit, RebalanceListener, RecordIter, RecordStream, Records, Subscription,
    TimestampType,
};
pub use error::{Error, Kind, Retry};
pub use group::GroupMembershipOperation;
pub use group::assign::{
    Assignor, CooperativeStickyAssignor, GroupMember, GroupTopics, MemberAssignment, RangeAssignor, RebalanceProtocol,
    RoundRobinAssignor, StickyAssignor,
};
pub use group::metadata::GroupMetadata;
pub use ottla_wire::{Code, Uuid};
pub use process::Process;
pub use produce::{
    Ack, Acknowledgement, Delivery, PartitionInput, Partitioner, Producer, ProducerInterceptor, Refused,
    RoundRobinPartitioner, Transaction, TransactionalProducer, Unfinished,
};
pub use record::{Payload, Record, TopicPartition};
pub use share::{
    AcknowledgeType, AcknowledgementCommitCallback, CommitResults, ShareConsumer, ShareRecords, TopicIdPartition,
};
pub use telemetry::{Metric, MetricValue, Metrics};

/// What the README shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
