//! What clients do while things go wrong.

mod admin;
mod copy;
mod groups;
mod produce;
mod seek;
mod share;
mod transact;
mod trouble;

use clap::ValueEnum;
use ottla_broker::simulation::Simulation;

use crate::stage::Stage;

/// A kind of work.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub enum Workload {
    /// Idempotent producers: with keys and without, one to a hundred partitions, small buffers and batches, at any linger.
    Produce,
    /// Transactional producers, by either protocol, some of one id; and readers of committed records and of all.
    Transact,
    /// A group that copies a topic in transactions, by either protocol, whose members die and come back.
    Copy,
    /// Members of one group, by either protocol and any assignor, that come and go while records are written.
    Groups,
    /// Consumers that choose their partitions and offsets, pause and resume, over logs with damage, gaps and losses.
    Seek,
    /// Members of a share group that take, acknowledge in every way, leave and come back.
    Share,
    /// Admin clients that create, delete, list and describe.
    Admin,
}

/// What a workload needs, by its name and seed.
#[derive(Debug)]
pub struct Plan {
    /// The cluster, and what goes wrong.
    pub simulation: Simulation,
    /// Topics whose logs are looked at in the end, with their partitions.
    pub topics: Vec<(String, u16)>,
}

impl Workload {
    /// All of them.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// What the history of a seed needs.
    pub fn plan(self, seed: u64) -> Plan {
        match self {
            Self::Produce => produce::plan(seed),
            Self::Transact => transact::plan(seed),
            Self::Copy => copy::plan(seed),
            Self::Groups => groups::plan(seed),
            Self::Seek => seek::plan(seed),
            Self::Share => share::plan(seed),
            Self::Admin => admin::plan(seed),
        }
    }

    /// Does the work, and ends some time after the faults.
    pub async fn run(self, stage: Stage) {
        match self {
            Self::Produce => produce::run(stage).await,
            Self::Transact => transact::run(stage).await,
            Self::Copy => copy::run(stage).await,
            Self::Groups => groups::run(stage).await,
            Self::Seek => seek::run(stage).await,
            Self::Share => share::run(stage).await,
            Self::Admin => admin::run(stage).await,
        }
    }
}
