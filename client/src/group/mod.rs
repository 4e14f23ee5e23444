//! Membership of a group: who reads which partitions.
//!
//! ```text
//! subscribe ─► Unjoined ─ JoinGroup ─► Joining ─┬─ leader ─► Assigning ─ SyncGroup ─► Syncing ─► Stable
//!                 ▲                             └─ follower ───────────── SyncGroup ────┘          │
//!                 │                                                                    rebalance   │
//!                 └── revoked ◄─ Committing ◄─ what polls handed out is done with ─ Releasing ◄────┘
//! ```
//!
//! [`classic`] and [`assign`] are plain values; [`driver`] alone has a clock and tasks.

pub(crate) mod assign;
pub(crate) mod classic;
pub(crate) mod driver;
pub(crate) mod metadata;
pub(crate) mod offsets;
mod protocol;

use ottla_wire::Str;

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
