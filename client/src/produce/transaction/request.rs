//! What is said to coordinators about a transaction, and what their answers mean for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ottla_wire::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use ottla_wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, TxnOffsetCommitRequest,
};
use ottla_wire::{Code, Str};

use crate::group::metadata::GroupMetadata;
use crate::group::offsets::Offsets;
use crate::produce::queue::Identity;
use crate::record::by_topic;

/// A partition that is to be added, in the order of requests, and the place of its slot.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::produce) struct Place {
    pub(in crate::produce) topic: Arc<str>,
    pub(in crate::produce) partition: i32,
    pub(in crate::produce) slot: usize,
}

/// One request to a coordinator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::produce) enum Request {
    /// Adds partitions to the transaction, before anything is sent to them.
    AddPartitions(Identity, BTreeSet<Place>),
    /// Adds a group to the transaction, before its offsets are committed.
    AddOffsets(Identity, Str),
    /// Commits or aborts.
    End { identity: Identity, commit: bool },
    /// Gets an id and fences earlier producers of the same name; or a new epoch, if there is an id already (KIP-360).
    Init(Option<Identity>),
    /// Commits a group's offsets in the transaction (KIP-447).
    Offsets(Identity, Arc<(Offsets, GroupMetadata)>),
}

/// A good answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::produce) enum Answer {
    Done,
    /// From here on the producer speaks as this. Whether the coordinator can raise the epoch when asked (KIP-360).
    Identity(Identity, bool),
}

/// What a coordinator's error code means for the transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::produce) enum Meaning {
    /// Nothing but an abort is possible.
    Abortable,
    /// The same, if the producer's epoch can be raised; else the producer is finished.
    AbortableWithNewEpoch,
    /// The producer is finished.
    Fatal,
    /// Another producer took over: this one is finished.
    Fenced,
    /// The same request again, after the backoff.
    Retry,
    /// The same, after a look-up of the coordinator.
    RetryElsewhere,
    /// The same, soon: the transaction before is being completed (edge 22).
    RetrySoon,
    /// The producer did not start, but may try to.
    NotStarted,
}

impl Request {
    /// As messages name it.
    pub(in crate::produce) fn name(&self) -> &'static str {
        match self {
            Self::AddPartitions(..) => "AddPartitionsToTxn",
            Self::AddOffsets(..) => "AddOffsetsToTxn",
            Self::End { commit: true, .. } => "EndTxn (commit)",
            Self::End { commit: false, .. } => "EndTxn (abort)",
            Self::Init(_) => "InitProducerId",
            Self::Offsets(..) => "TxnOffsetCommit",
        }
    }

    /// What an error code in the answer means (KIP-588, KIP-654, KIP-1050; edges 22, 23, 26, 28, 29).
    pub(in crate::produce) fn meaning(&self, code: Code) -> Meaning {
        match (self, code) {
            // The first is of a coordinator that has left the cluster since it was found.
            (_, Code::BrokerNotAvailable | Code::NotCoordinator | Code::CoordinatorNotAvailable) => {
                Meaning::RetryElsewhere
            }
            (Self::Offsets(..), Code::RequestTimedOut) => Meaning::RetryElsewhere,
            // Under the newer protocol offsets may be the first that a transaction adds.
            (Self::AddPartitions(..) | Self::AddOffsets(..) | Self::Offsets(..), Code::ConcurrentTransactions) => {
                Meaning::RetrySoon
            }
            (_, code) if code.retriable() => Meaning::Retry,
            // Old coordinators say it of a fenced producer.
            (_, Code::InvalidProducerEpoch | Code::ProducerFenced) => Meaning::Fenced,
            (Self::Init(None), Code::TransactionalIdAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
                Meaning::NotStarted
            }
            // An abort that is to be aborted would go round in circles.
            (Self::End { commit: false, .. }, Code::TransactionAbortable | Code::UnknownProducerId) => Meaning::Fatal,
            // There is no transaction to abort.
            (Self::Init(Some(_)), Code::TransactionAbortable) => Meaning::Fatal,
            (_, Code::TransactionAbortable) => Meaning::Abortable,
            (Self::AddPartitions(..) | Self::AddOffsets(..) | Self::End { .. }, Code::UnknownProducerId) => {
                Meaning::AbortableWithNewEpoch
            }
            (Self::AddPartitions(..), Code::TransactionalIdAuthorizationFailed) => Meaning::Fatal,
            (Self::AddPartitions(..), Code::InvalidTxnState | Code::InvalidProducerIdMapping) => Meaning::Fatal,
            // Any other error is one of a partition.
            (Self::AddPartitions(..), _) => Meaning::Abortable,
            (Self::AddOffsets(..) | Self::Offsets(..), Code::GroupAuthorizationFailed) => Meaning::Abortable,
            (
                Self::Offsets(..),
                Code::FencedInstanceId | Code::IllegalGeneration | Code::StaleMemberEpoch | Code::UnknownMemberId,
            ) => Meaning::Abortable,
            _ => Meaning::Fatal,
        }
    }
}

pub(in crate::produce) fn init(id: &Str, timeout_ms: i32, identity: Option<Identity>) -> InitProducerIdRequest {
    let Identity { id: producer_id, epoch: producer_epoch } = identity.unwrap_or(Identity { id: -1, epoch: -1 });
    InitProducerIdRequest {
        transactional_id: Some(id.clone()),
        transaction_timeout_ms: timeout_ms,
        producer_id,
        producer_epoch,
    }
}

pub(in crate::produce) fn add_partitions(
    id: &Str,
    identity: Identity,
    places: &BTreeSet<Place>,
) -> AddPartitionsToTxnRequest {
    let topics = by_topic(places.iter().map(|place| (&*place.topic, place.partition)));
    let topic = |(name, partitions)| AddPartitionsToTxnTopic { name, partitions };
    AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: id.clone(),
        v3_and_below_producer_id: identity.id,
        v3_and_below_producer_epoch: identity.epoch,
        v3_and_below_topics: topics.into_iter().map(topic).collect(),
        ..AddPartitionsToTxnRequest::default()
    }
}

pub(in crate::produce) fn add_offsets(id: &Str, identity: Identity, group: &Str) -> AddOffsetsToTxnRequest {
    AddOffsetsToTxnRequest {
        transactional_id: id.clone(),
        producer_id: identity.id,
        producer_epoch: identity.epoch,
        group_id: group.clone(),
    }
}

pub(in crate::produce) fn end(id: &Str, identity: Identity, commit: bool) -> EndTxnRequest {
    EndTxnRequest {
        transactional_id: id.clone(),
        producer_id: identity.id,
        producer_epoch: identity.epoch,
        committed: commit,
    }
}

pub(in crate::produce) fn offsets(
    id: &Str,
    identity: Identity,
    offsets: &Offsets,
    group: &GroupMetadata,
) -> TxnOffsetCommitRequest {
    let entries = offsets.iter().map(|(partition, committed)| {
        let entry = TxnOffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch.unwrap_or(-1),
            committed_metadata: Some(committed.metadata.as_str().into()),
        };
        (&*partition.topic, entry)
    });
    let topic = |(name, partitions)| TxnOffsetCommitRequestTopic { name, partitions };
    TxnOffsetCommitRequest {
        transactional_id: id.clone(),
        group_id: group.group_id.clone(),
        producer_id: identity.id,
        producer_epoch: identity.epoch,
        generation_id: group.generation_id,
        member_id: group.member_id.clone(),
        group_instance_id: group.group_instance_id.clone(),
        topics: by_topic(entries).into_iter().map(topic).collect(),
    }
}
