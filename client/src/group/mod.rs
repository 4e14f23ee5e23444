//! Membership of a group.

pub(crate) mod assign;
