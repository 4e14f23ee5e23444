//! One cluster of three brokers, each in a rack, for all tests of a test binary, and one broker of the line before.

use std::ops::Deref;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::Result;

use crate::cluster::{Cluster, State};
use crate::options::ClusterOptions;
use crate::release::{OLDER_VERSION, VERSION};

/// The environment variable that makes [`shared`] start another version of Kafka than [`VERSION`].
pub const VERSION_VARIABLE: &str = "OTTLA_KAFKA_VERSION";

/// Never dropped: its keeper ends it with the process.
static CLUSTER: LazyLock<RwLock<Cluster>> = LazyLock::new(|| {
    let version = std::env::var(VERSION_VARIABLE).unwrap_or_else(|_| VERSION.to_owned());
    let cluster = Cluster::start(&ClusterOptions::default().racks().version(&version));
    RwLock::new(cluster.unwrap_or_else(|error| panic!("start the cluster that the tests share: {error:#}")))
});

/// Never dropped either. One broker: what an older Kafka says differs, not how its brokers fail.
static OLDER: LazyLock<RwLock<Cluster>> = LazyLock::new(|| {
    let cluster = Cluster::start(&ClusterOptions::default().brokers(1).version(OLDER_VERSION));
    RwLock::new(cluster.unwrap_or_else(|error| panic!("start the older broker that the tests share: {error:#}")))
});

/// A shared cluster, whole for as long as this is held.
#[derive(Debug)]
pub struct Shared(RwLockReadGuard<'static, Cluster>);

/// A shared cluster, held by one test alone, to break it. Dropping this mends it.
#[derive(Debug)]
pub struct Broken(RwLockWriteGuard<'static, Cluster>);

/// The cluster that all tests of this process share, started at the first call; waits while another test breaks it.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn shared() -> Shared {
    Shared(CLUSTER.read().unwrap_or_else(PoisonError::into_inner))
}

/// The same cluster for a test that kills, pauses or restarts brokers: once no other test holds it.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn shared_to_break() -> Broken {
    Broken(CLUSTER.write().unwrap_or_else(PoisonError::into_inner))
}

/// One broker of [`OLDER_VERSION`] that all tests of this process share, started at the first call; waits while another
/// test breaks it.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn older() -> Shared {
    Shared(OLDER.read().unwrap_or_else(PoisonError::into_inner))
}

/// The same broker for a test that kills, pauses or restarts it: once no other test holds it.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn older_to_break() -> Broken {
    Broken(OLDER.write().unwrap_or_else(PoisonError::into_inner))
}

/// A name for a topic or a group that nothing else in the cluster has, beginning with `purpose`.
#[must_use]
pub fn unique(purpose: &str) -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    format!("{purpose}-{}-{}", process::id(), NAMES.fetch_add(1, Ordering::Relaxed))
}

impl Deref for Shared {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

impl Deref for Broken {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        if let Err(error) = mend(&self.0) {
            // The tests after this one will fail, and this is why.
            eprintln!("the shared cluster stays broken: {error:#}");
        }
    }
}

fn mend(cluster: &Cluster) -> Result<()> {
    for status in cluster.status()? {
        match status.state {
            State::Dead => cluster.restart(status.broker)?,
            State::Paused => cluster.resume(status.broker)?,
            State::Running => {}
        }
    }
    cluster.wait_until_in_sync()
}
