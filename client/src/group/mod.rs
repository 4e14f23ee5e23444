//! Membership of a group: who reads which partitions.
//!
//! ```text
//! subscribe ─► Unjoined ─ JoinGroup ─► Joining ─┬─ leader ─► Assigning ─ SyncGroup ─► Syncing ─► Stable
//!                 ▲                             └─ follower ───────────── SyncGroup ────┘          │
//!                 │                                                                    rebalance   │
//!                 └── revoked ◄─ Committing ◄─ what polls handed out is done with ─ Releasing ◄────┘
//! ```
//!
//! That is the protocol whose members share out the partitions among them; [`modern`] has the drawing of the one whose
//! coordinator does. [`classic`], [`modern`] and [`assign`] are plain values; [`driver`] alone has a clock and tasks. What a consumer is a member by
//! is its [`Membership`].

pub(crate) mod assign;
pub(crate) mod classic;
pub(crate) mod driver;
mod membership;
pub(crate) mod metadata;
pub(crate) mod modern;
pub(crate) mod offsets;
mod pattern;
mod protocol;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_wire::Str;
use ottla_wire::messages::LeaveGroupRequest;

use crate::TopicPartition;

pub(crate) use membership::{Membership, Step};
pub(crate) use pattern::Pattern;

/// As whom a member speaks: the coordinator refuses what comes from an earlier generation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    /// -1 outside of a group's generations.
    pub(crate) generation: i32,
    pub(crate) member_id: Str,
}

impl Identity {
    /// That of a consumer that is no member: it reads partitions of its own choice.
    pub(crate) const NOBODY: Self = Self { generation: -1, member_id: Str::from_static("") };
}

/// What is subscribed to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// Every topic with such a name.
    Pattern(Pattern),
    Topics(BTreeSet<Arc<str>>),
}

/// Why a rebalance is asked for, in the words that the coordinator logs (KIP-800).
pub(crate) type Reason = Cow<'static, str>;

/// What becomes of the assignment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// The whole assignment. What was held before and is in it stays as it is, with its position.
    Assigned(Vec<TopicPartition>),
    /// These are gone, perhaps to other members already: nothing may be committed for them.
    Lost(Vec<TopicPartition>),
    /// These were given up in good order.
    Revoked(Vec<TopicPartition>),
}

/// What to tell the coordinator on leaving.
#[derive(Clone, Debug)]
pub(crate) enum Leave {
    Classic(LeaveGroupRequest),
    Modern(Box<modern::Farewell>),
}

/// Whether a member tells its coordinator that it leaves, when its consumer is closed (KIP-1092).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum GroupMembershipOperation {
    /// A member with a `group.instance.id` remains, any other leaves. With `group.protocol=consumer` the former says that
    /// it will be back.
    #[default]
    Default,
    /// It leaves, so that the others take over its partitions at once; one with a `group.instance.id` as well.
    LeaveGroup,
    /// It says nothing: its partitions are kept for it until `session.timeout.ms` has passed, and nothing is moved if
    /// the application is back before.
    RemainInGroup,
}
