//! Offsets: what a group has committed, and where logs begin and end.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::messages::{ListOffsetsRequest, ListOffsetsResponse, MetadataResponse, OffsetFetchRequest};
use ottla_wire::{Code, Request, Str};

use super::Admin;
use super::call::{Answer, Call, refused, together};
use super::topics::metadata;
use crate::consume::OffsetAndMetadata;
use crate::error::{Error, Kind};
use crate::group::offsets::{LAST_FETCH_BY_NAME, fetched};
use crate::record::TopicPartition;

/// From this version on OffsetFetch asks for several groups.
const BY_GROUP: i16 = 8;

/// Which offset of a partition is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OffsetSpec {
    /// The first one that is still there.
    Earliest,
    /// The one that the next record gets.
    Latest,
}

impl Admin {
    /// What a group has committed, partition by partition; nothing for a group that does not exist.
    ///
    /// # Errors
    /// If the coordinator of the group does not answer within `default.api.timeout.ms`, or refuses.
    pub async fn list_group_offsets(
        &self,
        group: impl Into<String>,
    ) -> Result<BTreeMap<TopicPartition, Result<OffsetAndMetadata, Error>>, Error> {
        let group = group.into();
        let work = |call: Call| async move { call.settle_one(|| committed(call.clone(), group.clone())).await };
        self.run(work).await?
    }

    /// Where the logs of these partitions begin or end.
    ///
    /// # Errors
    /// Per partition: [`Code::UnknownTopicOrPartition`] if there is none; also if its leader does not answer within
    /// `default.api.timeout.ms`.
    pub async fn list_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        spec: OffsetSpec,
    ) -> BTreeMap<TopicPartition, Result<i64, Error>> {
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let each = partitions.clone();
        let work = |call: Call| async move { call.settle(each, |open| offsets(call.clone(), open, spec)).await };
        self.run(work).await.unwrap_or_else(|error| partitions.into_iter().map(|of| (of, Err(error.clone()))).collect())
    }
}

async fn committed(
    call: Call,
    group: String,
) -> Result<BTreeMap<TopicPartition, Result<OffsetAndMetadata, Error>>, Error> {
    let coordinator = call.coordinator(&group).await?;
    let name = Str::from(&group);
    let make = move |version| {
        // No topics: all of them.
        Ok(if version < BY_GROUP {
            OffsetFetchRequest { group_id: name, topics: None, ..OffsetFetchRequest::default() }
        } else {
            let group = OffsetFetchRequestGroup { group_id: name, topics: None, ..OffsetFetchRequestGroup::default() };
            OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() }
        })
    };
    let (response, version) = call.ask(coordinator, LAST_FETCH_BY_NAME, make).await?;
    let fetched = fetched(response, version).map_err(|code| {
        call.forget_moved(code, &group, coordinator);
        refused(code, None, format!("offsets of group {group}"))
    })?;
    let offsets = fetched.into_iter().filter_map(|(of, offset)| {
        let context = || format!("offset of group {group} for {of}");
        // An offset that is not there says nothing.
        let offset = offset.map_err(|code| refused(code, None, context())).transpose()?;
        Some((of, offset))
    });
    Ok(offsets.collect())
}

/// One attempt: the leaders are looked up, then each is asked for its partitions.
async fn offsets(
    call: Call,
    partitions: Vec<TopicPartition>,
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, Answer<i64>>, Error> {
    let mut topics: Vec<_> = partitions.iter().map(|of| of.topic.to_string()).collect();
    topics.dedup();
    let response = metadata(call.clone(), Some(topics)).await?;
    let mut answers = BTreeMap::new();
    let mut by_leader: BTreeMap<i32, Vec<TopicPartition>> = BTreeMap::new();
    for of in partitions {
        match leader(&response, &of) {
            Ok(leader) => by_leader.entry(leader).or_default().push(of),
            // A topic that is not there will not be either in a moment, as in Java.
            Err(error) if error.code() == Some(Code::UnknownTopicOrPartition) => {
                answers.insert(of, Answer::Failed(error));
            }
            Err(error) => drop(answers.insert(of, Err(error).into())),
        }
    }
    let asked = by_leader.into_iter().map(|(leader, of)| {
        let call = call.clone();
        async move {
            let answered = ask_leader(&call, leader, &of, spec).await;
            answered.unwrap_or_else(|error| of.into_iter().map(|of| (of, Err(error.clone()).into())).collect())
        }
    });
    answers.extend(together(asked).await.into_iter().flatten());
    Ok(answers)
}

fn leader(response: &MetadataResponse, of: &TopicPartition) -> Result<i32, Error> {
    let context = || format!("offset of {of}");
    let unknown = || Error::broker(Code::UnknownTopicOrPartition, context());
    let named = |name: &Option<Str>| name.as_ref().is_some_and(|name| *name.as_str() == *of.topic);
    let topic = response.topics.iter().find(|topic| named(&topic.name)).ok_or_else(unknown)?;
    if !topic.error_code.is_none() {
        return Err(refused(topic.error_code, None, context()));
    }
    let partition = topic.partitions.iter().find(|partition| partition.partition_index == of.partition);
    match partition.ok_or_else(unknown)?.leader_id {
        leader if leader >= 0 => Ok(leader),
        _ => Err(Error::broker(Code::LeaderNotAvailable, context())),
    }
}

async fn ask_leader(
    call: &Call,
    leader: i32,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<Vec<(TopicPartition, Answer<i64>)>, Error> {
    let timeout_ms = call.time_left_ms();
    let topics = by_topic(partitions, spec);
    let make = move |_| Ok(ListOffsetsRequest { replica_id: -1, topics, timeout_ms, ..ListOffsetsRequest::default() });
    let (response, _) = call.ask(leader, ListOffsetsRequest::MAX_VERSION, make).await?;
    Ok(read(&response))
}

fn by_topic(partitions: &[TopicPartition], spec: OffsetSpec) -> Vec<ListOffsetsTopic> {
    let timestamp = match spec {
        OffsetSpec::Earliest => -2,
        OffsetSpec::Latest => -1,
    };
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for of in partitions {
        topics.entry(&of.topic).or_default().push(ListOffsetsPartition {
            partition_index: of.partition,
            timestamp,
            ..ListOffsetsPartition::default()
        });
    }
    topics.into_iter().map(|(name, partitions)| ListOffsetsTopic { name: name.into(), partitions }).collect()
}

fn read(response: &ListOffsetsResponse) -> Vec<(TopicPartition, Answer<i64>)> {
    let mut answers = Vec::new();
    for topic in &response.topics {
        let name: Arc<str> = topic.name.as_str().into();
        for partition in &topic.partitions {
            let of = TopicPartition::new(name.clone(), partition.partition_index);
            let context = format!("offset of {of}");
            let result = match partition.error_code {
                Code::None if partition.offset < 0 => {
                    Err(Error::new(Kind::Protocol, format!("{context}: the leader knows none")))
                }
                Code::None => Ok(partition.offset),
                code => Err(refused(code, None, context)),
            };
            answers.push((of, result.into()));
        }
    }
    answers
}
