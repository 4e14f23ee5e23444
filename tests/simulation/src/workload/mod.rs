//! What clients do while things go wrong.

mod admin;
mod produce;
mod share;

use clap::ValueEnum;
use ottla_broker::simulation::Simulation;

use crate::stage::Stage;

/// A kind of work.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub enum Workload {
    /// Idempotent producers: with keys and without, one to a hundred partitions, small buffers and batches, at any linger.
    Produce,
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
            Self::Share => share::plan(seed),
            Self::Admin => admin::plan(seed),
        }
    }

    /// Does the work, and ends some time after the faults.
    pub async fn run(self, stage: Stage) {
        match self {
            Self::Produce => produce::run(stage).await,
            Self::Share => share::run(stage).await,
            Self::Admin => admin::run(stage).await,
        }
    }
}
