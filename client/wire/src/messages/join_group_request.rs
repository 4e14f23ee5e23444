//! `JoinGroupRequest`, API key 11: versions 3 to 9, flexible from 6.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use bytes::Bytes;

use crate::{ApiKey, Encode, EncodeError, Request, Str, Version, Writer, messages::JoinGroupResponse, tags::no_tags};

/// The request of the API JoinGroup: versions 3 to 9.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinGroupRequest {
    /// `GroupId`.
    pub group_id: Str,
    /// `SessionTimeoutMs`.
    pub session_timeout_ms: i32,
    /// `RebalanceTimeoutMs`, by default -1.
    pub rebalance_timeout_ms: i32,
    /// `MemberId`.
    pub member_id: Str,
    /// `GroupInstanceId`, versions from 5, may be null.
    pub group_instance_id: Option<Str>,
    /// `ProtocolType`.
    pub protocol_type: Str,
    /// `Protocols`.
    pub protocols: Vec<JoinGroupRequestProtocol>,
    /// `Reason`, versions from 8, may be null.
    pub reason: Option<Str>,
}

impl Default for JoinGroupRequest {
    fn default() -> Self {
        Self {
            group_id: Str::default(),
            session_timeout_ms: 0,
            rebalance_timeout_ms: -1,
            member_id: Str::default(),
            group_instance_id: None,
            protocol_type: Str::default(),
            protocols: Vec::new(),
            reason: None,
        }
    }
}

impl Request for JoinGroupRequest {
    const API_KEY: ApiKey = ApiKey::JoinGroup;
    const MIN_VERSION: i16 = 3;
    const MAX_VERSION: i16 = 9;
    const FLEXIBLE_FROM: i16 = 6;
    type Response = JoinGroupResponse;
}

impl Encode for JoinGroupRequest {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.group_id.encode(out, version)?;
        self.session_timeout_ms.encode(out, version)?;
        self.rebalance_timeout_ms.encode(out, version)?;
        self.member_id.encode(out, version)?;
        if version >= 5 {
            self.group_instance_id.encode(out, version)?;
        } else if self.group_instance_id.is_some() {
            return Err(version.has_no("JoinGroupRequest", "group_instance_id"));
        }
        self.protocol_type.encode(out, version)?;
        self.protocols.encode(out, version)?;
        if version >= 8 {
            self.reason.encode(out, version)?;
        }
        no_tags(out, version);
        Ok(())
    }
}

/// An element of [`JoinGroupRequest::protocols`]: versions 3 to 9.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JoinGroupRequestProtocol {
    /// `Name`.
    pub name: Str,
    /// `Metadata`.
    pub metadata: Bytes,
}

impl Encode for JoinGroupRequestProtocol {
    fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.name.encode(out, version)?;
        self.metadata.encode(out, version)?;
        no_tags(out, version);
        Ok(())
    }
}
