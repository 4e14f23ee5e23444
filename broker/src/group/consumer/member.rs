//! One member of a consumer group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use super::assign::Assignor;

/// The epoch of a static member that is away and is expected back.
pub(super) const AWAY: i32 = -2;

/// How far a member is on its way to its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// It has all it is to have at its epoch.
    #[default]
    Stable,
    /// It is to have partitions that others haven't released.
    Unreleased,
    /// It hasn't said yet that it has let go of what it is to lose.
    Unrevoked,
}

/// A member, as of its last heartbeat.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// Set for a static member.
    pub(crate) instance: Option<String>,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// How long it may take to revoke.
    pub(crate) rebalance_timeout: Duration,
    pub(crate) names: BTreeSet<String>,
    /// Empty if it subscribes by name alone.
    pub(crate) pattern: String,
    pub(crate) assignor: Option<Assignor>,
    pub(crate) epoch: i32,
    pub(super) previous_epoch: i32,
    pub(super) state: State,
    /// What it may read, each partition with the epoch since which it is the member's.
    pub(crate) assigned: BTreeMap<(Uuid, i32), i32>,
    /// What it is to let go of.
    pub(crate) revoking: BTreeMap<(Uuid, i32), i32>,
    /// What it is to have in the end.
    pub(crate) target: BTreeSet<(Uuid, i32)>,
    pub(super) session_end: Duration,
    pub(super) revocation_end: Option<Duration>,
}

impl Member {
    /// A member of which nothing is known but its id.
    pub(super) fn new(id: String) -> Self {
        Self {
            id,
            instance: None,
            rack: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout: Duration::ZERO,
            names: BTreeSet::new(),
            pattern: String::new(),
            assignor: None,
            epoch: 0,
            previous_epoch: 0,
            state: State::Stable,
            assigned: BTreeMap::new(),
            revoking: BTreeMap::new(),
            target: BTreeSet::new(),
            session_end: Duration::ZERO,
            revocation_end: None,
        }
    }

    /// True if it has reached the target assignment of this epoch.
    pub(super) fn is_reconciled(&self, assignment_epoch: i32) -> bool {
        self.state == State::Stable && self.epoch == assignment_epoch
    }

    /// True if nobody else may have the partition yet.
    pub(super) fn holds(&self, partition: (Uuid, i32)) -> bool {
        self.assigned.contains_key(&partition) || self.revoking.contains_key(&partition)
    }
}
