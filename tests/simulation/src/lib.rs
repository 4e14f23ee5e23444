//! Thousands of histories of a cluster and its clients, each from one seed, and what must hold in all of them.
//!
//! ```text
//! workload/   what clients do: each in processes that stand still, die and start again
//! stage       what a workload runs on: the world, processes, the ledger
//! ledger      what clients did and were told, in order
//! evidence    the ledger, and what the cluster's logs hold at the end
//! check/      the rules: each looks at the evidence and names what breaks it
//! cancel      calls that are given up at a chosen await point
//! watchdog    ends what never ends
//! run         one history, or many on all cores
//! ```
#![expect(clippy::unwrap_used, reason = "what is wrong here ends a test")]

pub mod cancel;
pub mod check;
pub mod evidence;
pub mod ledger;
pub mod run;
pub mod stage;
mod watchdog;
pub mod workload;
