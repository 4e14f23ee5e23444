//! Tests against real Apache Kafka: one binary, so that all of them share one cluster.

mod alike;
mod chaos;
mod cluster;
mod consume;
mod embedded;
mod embedded_transactions;
mod group;
mod group_cooperative;
mod groups;
mod groups_described;
mod groups_modern;
mod produce;
mod program;
mod share;
mod telemetry;
mod transactional_producer;
mod transactions;
