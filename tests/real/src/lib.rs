//! Apache Kafka itself on this machine: brokers as processes, to start, break and inspect.
//!
//! Two users: the tests beside this crate, which share one [`Cluster`] per test binary ([`shared`]), and
//! `cargo xtask kafka`, which leaves one running ([`Cluster::up`]). The jars come from Maven Central, once, into the
//! user's cache folder ([`Release`]). Needs Linux (`/proc`), Java 17 and Maven; on Debian as root what is missing is
//! installed.
//!
//! ```text
//! options.rs   what to start            release.rs   jars, made once per version      listener.rs  security of each listener
//! cluster.rs   start, break, inspect    java.rs      the command line of a JVM        admin.rs     topics, leaders
//! node.rs      one broker               process.rs   a process known by its pid file  keeper.rs    the end of everything
//! tool.rs      Java's tools and clients transaction.rs  what is known of transactions
//! chaos/       a copy in transactions, and members of a group, while everything dies
//! ```
//!
//! With `OTTLA_KEEP_KAFKA` set, what a cluster of a test wrote stays in `target/kafka/`: to read a broker's log.
//!
//! No JVM is started where a message to a broker does: a leader is asked for in milliseconds.

mod admin;
mod certificates;
mod chaos;
mod cluster;
mod install;
mod java;
mod keeper;
mod layout;
mod listener;
mod message;
mod node;
mod options;
mod ports;
mod process;
mod program;
mod release;
mod settings;
mod sharing;
mod tool;
mod transaction;
mod wait;
mod warm_up;

pub use chaos::{CopyChaos, GroupChaos, GroupProtocol, GroupReport, Report};
pub use cluster::{Cluster, State, Status};
pub use install::{need, need_kafka};
pub use listener::Listener;
pub use message::{Connection, call};
pub use options::ClusterOptions;
pub use program::{Ended, Lines, Program, send_signal};
pub use release::{OLDER_VERSION, Release, VERSION};
pub use rustix::process::Signal;
pub use sharing::{Broken, Shared, VERSION_VARIABLE, older, older_to_break, shared, shared_to_break, unique};
pub use transaction::TransactionalState;
pub use wait::until;
