//! Offsets: what a group has committed, and where logs begin and end.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::messages::{
    ListOffsetsRequest, ListOffsetsResponse, MetadataResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use ottla_wire::{Code, Request, Str};

use super::Admin;
use super::call::{Answer, Call, refused, together};
use super::topics::metadata;
use crate::error::{Error, Kind};
use crate::record::TopicPartition;

/// The last version of OffsetFetch that names topics; the next knows them by their ids alone.
const BY_NAME: i16 = 9;

/// From this version on OffsetFetch asks for several groups.
const BATCHED: i16 = 8;

/// Which offset of a partition is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OffsetSpec {
    /// The first one that is still there.
    Earliest,
    /// The one that the next record gets.
    Latest,
}

/// What a group has committed for one partition.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CommittedOffset {
    /// The offset of the record to go on with.
    pub offset: i64,
    /// The epoch of the leader that the record before it came from. None if it was not committed with one.
    pub leader_epoch: Option<i32>,
    /// The text committed with it; mostly empty.
    pub metadata: String,
}

impl Admin {
    /// What a group has committed, partition by partition; nothing for a group that does not exist.
    ///
    /// # Errors
    /// If the coordinator of the group does not answer within `default.api.timeout.ms`, or refuses.
    pub async fn list_group_offsets(
        &self,
        group: impl Into<String>,
    ) -> Result<BTreeMap<TopicPartition, Result<CommittedOffset, Error>>, Error> {
        let group = group.into();
        let work =
            |call: Call| async move { call.settle_one(|| committed(call.clone(), group.clone())).await };
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
        let work =
            |call: Call| async move { call.settle(each, |open| offsets(call.clone(), open, spec)).await };
        self.run(work)
            .await
            .unwrap_or_else(|error| partitions.into_iter().map(|of| (of, Err(error.clone()))).collect())
    }
}

async fn committed(
    call: Call,
    group: String,
) -> Result<BTreeMap<TopicPartition, Result<CommittedOffset, Error>>, Error> {
    let coordinator = call.coordinator(&group).await?;
    let name = Str::from(&group);
    let make = move |version| {
        // No topics: all of them.
        Ok(if version < BATCHED {
            OffsetFetchRequest { group_id: name, topics: None, ..OffsetFetchRequest::default() }
        } else {
            let group = OffsetFetchRequestGroup { group_id: name, topics: None, ..OffsetFetchRequestGroup::default() };
            OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() }
        })
    };
    let (response, _) = call.ask::<OffsetFetchRequest>(coordinator, BY_NAME, make).await?;
    let context = || format!("offsets of group {group}");
    let mut offsets = BTreeMap::new();
    for row in rows(&response) {
        match row {
            Row::Group(Code::None) => {}
            Row::Group(code) => {
                call.forget_moved(code, &group, coordinator);
                return Err(refused(code, None, context()));
            }
            Row::Partition { topic, partition, offset, leader_epoch, metadata, code } => {
                let of = TopicPartition::new(topic.as_str(), partition);
                let result = match code {
                    // Asked for, and never committed.
                    Code::None if offset < 0 => continue,
                    Code::None => Ok(CommittedOffset {
                        offset,
                        leader_epoch: Some(leader_epoch).filter(|epoch| *epoch >= 0),
                        metadata: metadata.map_or_else(String::new, ToString::to_string),
                    }),
                    code => Err(refused(code, None, format!("{} at {of}", context()))),
                };
                offsets.insert(of, result);
            }
        }
    }
    Ok(offsets)
}

/// One line of an answer, in whichever shape its version has.
enum Row<'a> {
    Group(Code),
    Partition {
        topic: &'a Str,
        partition: i32,
        offset: i64,
        leader_epoch: i32,
        metadata: Option<&'a Str>,
        code: Code,
    },
}

fn rows(response: &OffsetFetchResponse) -> impl Iterator<Item = Row<'_>> {
    let old = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|answer| Row::Partition {
            topic: &topic.name,
            partition: answer.partition_index,
            offset: answer.committed_offset,
            leader_epoch: answer.committed_leader_epoch,
            metadata: answer.metadata.as_ref(),
            code: answer.error_code,
        })
    });
    let new = response.groups.iter().flat_map(|group| &group.topics).flat_map(|topic| {
        topic.partitions.iter().map(|answer| Row::Partition {
            topic: &topic.name,
            partition: answer.partition_index,
            offset: answer.committed_offset,
            leader_epoch: answer.committed_leader_epoch,
            metadata: answer.metadata.as_ref(),
            code: answer.error_code,
        })
    });
    let groups = response.groups.iter().map(|group| Row::Group(group.error_code));
    std::iter::once(Row::Group(response.error_code)).chain(groups).chain(old).chain(new)
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
