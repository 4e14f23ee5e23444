//! One member of a group.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::JoinGroupRequest;

use crate::cluster::Ticket;

/// A request that waits, and the version its answer is to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) ticket: Ticket,
    pub(crate) version: i16,
}

/// A member, as it joined last.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// Set for a static member (KIP-345).
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// Assignors it supports, the favourite first, with its metadata for each.
    pub(crate) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    pub(crate) joining: Option<Waiting>,
    pub(crate) syncing: Option<Waiting>,
    /// Never was in a generation: its join may expire, for it can't send heartbeats yet.
    pub(crate) is_new: bool,
    /// When its session ends.
    pub(crate) deadline: Option<Duration>,
}

impl Member {
    /// Takes over what a join says: timeouts and protocols.
    pub(super) fn update(&mut self, request: &JoinGroupRequest, waiting: Waiting) {
        self.session_timeout = milliseconds(request.session_timeout_ms);
        self.rebalance_timeout = rebalance_timeout(request, waiting.version);
        self.protocols = protocols(request);
        self.joining = Some(waiting);
    }

    /// Its metadata for a protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    /// True if it joins with what it had already.
    pub(super) fn matches(&self, request: &JoinGroupRequest) -> bool {
        self.protocols == protocols(request)
    }

    /// True if it waits for an answer and so is alive, as far as anyone knows.
    pub(super) fn waits(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }
}

pub(super) fn protocols(request: &JoinGroupRequest) -> Vec<(String, Bytes)> {
    request.protocols.iter().map(|protocol| (protocol.name.to_string(), protocol.metadata.clone())).collect()
}

/// The first version with a rebalance timeout of its own.
const REBALANCE_TIMEOUTS_FROM: i16 = 1;

pub(super) fn rebalance_timeout(request: &JoinGroupRequest, version: i16) -> Duration {
    let timeout_ms =
        if version < REBALANCE_TIMEOUTS_FROM { request.session_timeout_ms } else { request.rebalance_timeout_ms };
    milliseconds(timeout_ms)
}

pub(super) fn milliseconds(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}
