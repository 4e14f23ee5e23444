//! A share session: what one broker knows of this member's fetching, from one request to the next.
//!
//! A partition that a request names is in the session from then on. Acknowledgements are therefore only piggy-backed for
//! partitions that are fetched anyway; the others go in a ShareAcknowledge, which adds nothing (edge 69).

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::messages::share_acknowledge_request::{self as acknowledge, AcknowledgePartition, AcknowledgeTopic};
use ottla_wire::messages::share_fetch_request::{self as fetch, FetchPartition, FetchTopic, ForgottenTopic};
use ottla_wire::messages::{ShareAcknowledgeRequest, ShareFetchRequest};
use ottla_wire::{Str, Uuid};

use super::acknowledge::{Acknowledgements, TopicIdPartition, batches};

/// The epoch of a request that ends the session, and releases what is acquired.
const LAST: i32 = -1;

#[derive(Debug, Default)]
pub(super) struct Session {
    /// 0 as long as there is none.
    epoch: i32,
    partitions: BTreeSet<TopicIdPartition>,
}

impl Session {
    pub(super) fn is_new(&self) -> bool {
        self.epoch == 0
    }

    /// The broker took the request.
    pub(super) fn advance(&mut self, fetched: Option<&BTreeMap<TopicIdPartition, i32>>) {
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        if let Some(fetched) = fetched {
            self.partitions = fetched.keys().cloned().collect();
        }
    }

    /// The broker has another idea of it, or lost it with the connection: the next request begins anew (edge 70).
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Asks for records of `wanted`, all of which it names where they are new or acknowledged. Limits are the caller's.
    pub(super) fn fetch(
        &self,
        group: &Str,
        member: &Str,
        wanted: &BTreeMap<TopicIdPartition, i32>,
        acks: &Acknowledgements,
    ) -> ShareFetchRequest {
        let mut topics: BTreeMap<Uuid, Vec<FetchPartition>> = BTreeMap::new();
        for partition in wanted.keys() {
            let acks = acks.get(partition);
            if self.partitions.contains(partition) && acks.is_none() {
                continue;
            }
            let acks = acks.into_iter().flat_map(batches).map(|(first_offset, last_offset, acknowledge_types)| {
                fetch::AcknowledgementBatch { first_offset, last_offset, acknowledge_types }
            });
            topics.entry(partition.topic_id).or_default().push(FetchPartition {
                partition_index: partition.topic_partition.partition,
                acknowledgement_batches: acks.collect(),
            });
        }
        let mut forgotten: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        for partition in self.partitions.iter().filter(|partition| !wanted.contains_key(*partition)) {
            forgotten.entry(partition.topic_id).or_default().push(partition.topic_partition.partition);
        }
        ShareFetchRequest {
            group_id: Some(group.clone()),
            member_id: Some(member.clone()),
            share_session_epoch: self.epoch,
            topics: topics.into_iter().map(|(topic_id, partitions)| FetchTopic { topic_id, partitions }).collect(),
            forgotten_topics_data: forgotten
                .into_iter()
                .map(|(topic_id, partitions)| ForgottenTopic { topic_id, partitions })
                .collect(),
            ..ShareFetchRequest::default()
        }
    }

    /// Acknowledges; with `is_last` the session ends.
    pub(super) fn acknowledge(
        &self,
        group: &Str,
        member: &Str,
        acks: &Acknowledgements,
        is_last: bool,
    ) -> ShareAcknowledgeRequest {
        let mut topics: BTreeMap<Uuid, Vec<AcknowledgePartition>> = BTreeMap::new();
        for (partition, acks) in acks {
            let acks = batches(acks).into_iter().map(|(first_offset, last_offset, acknowledge_types)| {
                acknowledge::AcknowledgementBatch { first_offset, last_offset, acknowledge_types }
            });
            topics.entry(partition.topic_id).or_default().push(AcknowledgePartition {
                partition_index: partition.topic_partition.partition,
                acknowledgement_batches: acks.collect(),
            });
        }
        ShareAcknowledgeRequest {
            group_id: Some(group.clone()),
            member_id: Some(member.clone()),
            share_session_epoch: if is_last { LAST } else { self.epoch },
            topics: topics
                .into_iter()
                .map(|(topic_id, partitions)| AcknowledgeTopic { topic_id, partitions })
                .collect(),
            ..ShareAcknowledgeRequest::default()
        }
    }
}
