//! What a group has committed: OffsetCommit and OffsetFetch, as requests and as what their answers say.

use std::collections::BTreeMap;

use ottla_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_wire::messages::{OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse};
use ottla_wire::{Code, Str};

use super::Identity;
use crate::TopicPartition;
use crate::consume::{OffsetAndMetadata, known_epoch};
use crate::planted::{self, Bug};
use crate::record::by_topic;

/// The last versions that name topics instead of giving their ids, which a commit of any topic may not know.
pub(crate) const LAST_COMMIT_BY_NAME: i16 = 9;
pub(crate) const LAST_FETCH_BY_NAME: i16 = 9;

/// From this version on an OffsetFetch asks for several groups.
const BY_GROUP: i16 = 8;
/// From this version on it says which member asks, and of which epoch.
const BY_MEMBER: i16 = 9;
/// From this version on it can ask for offsets that no open transaction may still change.
const STABLE: i16 = 7;

/// Offsets to commit, or committed.
pub(crate) type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// Asks to commit `offsets`.
pub(crate) fn commit_request(
    group: &Str,
    instance_id: Option<&Str>,
    identity: &Identity,
    offsets: &Offsets,
) -> OffsetCommitRequest {
    let entries = offsets.iter().map(|(partition, committed)| {
        let entry = OffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch.unwrap_or(-1),
            committed_metadata: Some(committed.metadata.as_str().into()),
        };
        (&*partition.topic, entry)
    });
    let topic =
        |(name, partitions)| OffsetCommitRequestTopic { name, partitions, ..OffsetCommitRequestTopic::default() };
    OffsetCommitRequest {
        group_id: group.clone(),
        generation_id_or_member_epoch: identity.generation,
        member_id: identity.member_id.clone(),
        group_instance_id: instance_id.cloned(),
        topics: by_topic(entries).into_iter().map(topic).collect(),
    }
}

/// The partitions that were not committed, and why.
pub(crate) fn commit_failures(response: &OffsetCommitResponse) -> Vec<(TopicPartition, Code)> {
    let partitions = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (&topic.name, partition.partition_index, partition.error_code))
    });
    partitions
        .filter(|(.., code)| !code.is_none())
        .map(|(topic, partition, code)| (TopicPartition::new(&**topic, partition), code))
        .collect()
}

/// Asks what is committed for `partitions`, which are sorted; in a form that depends on the version. A `member` of the newer
/// protocol is answered only under its newest epoch (edge 62): no offsets of before it was given the partitions.
pub(crate) fn fetch_request<'a>(
    group: &Str,
    member: Option<&Identity>,
    partitions: impl Iterator<Item = &'a TopicPartition>,
    version: i16,
) -> OffsetFetchRequest {
    let topics = by_topic(partitions.map(|partition| (&*partition.topic, partition.partition)));
    let require_stable = version >= STABLE && !planted::has(Bug::UnstableOffsets);
    let mut request = OffsetFetchRequest { require_stable, ..OffsetFetchRequest::default() };
    if version < BY_GROUP {
        let topic = |(name, partition_indexes)| OffsetFetchRequestTopic { name, partition_indexes };
        request.group_id = group.clone();
        request.topics = Some(topics.into_iter().map(topic).collect());
        return request;
    }
    let topic = |(name, partition_indexes)| OffsetFetchRequestTopics {
        name,
        partition_indexes,
        ..OffsetFetchRequestTopics::default()
    };
    request.groups = vec![OffsetFetchRequestGroup {
        group_id: group.clone(),
        topics: Some(topics.into_iter().map(topic).collect()),
        member_id: member.filter(|_| version >= BY_MEMBER).map(|member| member.member_id.clone()),
        member_epoch: member.filter(|_| version >= BY_MEMBER).map_or(-1, |member| member.generation),
    }];
    request
}

/// What is committed for each partition of an answer: `None` where nothing is.
///
/// # Errors
/// The code for the whole group; inside, that of one partition.
#[expect(clippy::type_complexity, reason = "what each level may say")]
pub(crate) fn fetched(
    response: OffsetFetchResponse,
    version: i16,
) -> Result<Vec<(TopicPartition, Result<Option<OffsetAndMetadata>, Code>)>, Code> {
    let committed = |offset: i64, epoch: i32, metadata: Option<Str>, code: Code| match code {
        Code::None if offset < 0 => Ok(None),
        Code::None => Ok(Some(OffsetAndMetadata {
            offset,
            leader_epoch: known_epoch(epoch),
            metadata: metadata.map_or_else(String::new, |metadata| metadata.to_string()),
        })),
        code => Err(code),
    };
    let mut all = Vec::new();
    if version < BY_GROUP {
        if !response.error_code.is_none() {
            return Err(response.error_code);
        }
        for topic in response.topics {
            for one in topic.partitions {
                let outcome = committed(one.committed_offset, one.committed_leader_epoch, one.metadata, one.error_code);
                all.push((TopicPartition::new(&*topic.name, one.partition_index), outcome));
            }
        }
        return Ok(all);
    }
    for group in response.groups {
        if !group.error_code.is_none() {
            return Err(group.error_code);
        }
        for topic in group.topics {
            for one in topic.partitions {
                let outcome = committed(one.committed_offset, one.committed_leader_epoch, one.metadata, one.error_code);
                all.push((TopicPartition::new(&*topic.name, one.partition_index), outcome));
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::offset_fetch_response::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
        OffsetFetchResponseTopic, OffsetFetchResponseTopics,
    };

    use super::*;

    fn partitions() -> [TopicPartition; 3] {
        [("a", 0), ("a", 2), ("b", 1)].map(|(topic, partition)| TopicPartition::new(topic, partition))
    }

    #[test]
    fn a_commit_speaks_as_its_generation_and_joins_the_partitions_of_a_topic() {
        let offsets = partitions()
            .into_iter()
            .map(|partition| (partition, OffsetAndMetadata { leader_epoch: Some(3), ..OffsetAndMetadata::from(7) }))
            .collect();
        let identity = Identity { generation: 4, member_id: "m".into() };
        let request = commit_request(&"g".into(), None, &identity, &offsets);
        assert_eq!((request.generation_id_or_member_epoch, &*request.member_id), (4, "m"));
        let topics: Vec<_> = request.topics.iter().map(|topic| (&*topic.name, topic.partitions.len())).collect();
        assert_eq!(topics, [("a", 2), ("b", 1)]);
        assert_eq!(request.topics[0].partitions[1].partition_index, 2);
        assert_eq!(request.topics[0].partitions[1].committed_offset, 7);
        assert_eq!(request.topics[0].partitions[1].committed_leader_epoch, 3);
    }

    #[test]
    fn both_forms_of_a_fetch_ask_for_the_same() {
        let old = fetch_request(&"g".into(), None, partitions().iter(), 7);
        let new = fetch_request(&"g".into(), None, partitions().iter(), 8);
        assert!(old.require_stable && new.require_stable);
        assert!(!fetch_request(&"g".into(), None, partitions().iter(), 6).require_stable);
        let old: Vec<_> = old.topics.unwrap().into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect();
        let new: Vec<_> = new.groups[0]
            .topics
            .iter()
            .flatten()
            .map(|topic| (topic.name.clone(), topic.partition_indexes.clone()))
            .collect();
        assert_eq!(old, new);
        assert_eq!(old, [("a".into(), vec![0, 2]), ("b".into(), vec![1])]);
    }

    /// edge 62
    #[test]
    fn a_fetch_says_who_asks_where_it_can() {
        let identity = Identity { generation: 4, member_id: "m".into() };
        let asked = |member, version| {
            let request = fetch_request(&"g".into(), member, partitions().iter(), version);
            let group = &request.groups[0];
            (group.member_id.as_deref().map(str::to_owned), group.member_epoch)
        };
        assert_eq!(asked(Some(&identity), 9), (Some("m".to_owned()), 4));
        assert_eq!(asked(Some(&identity), 8), (None, -1));
        assert_eq!(asked(None, 9), (None, -1));
    }

    /// edge 64: no offset, and no epoch, are known apart from some.
    #[test]
    fn nothing_committed_is_none_and_both_forms_of_an_answer_read_alike() {
        let old = OffsetFetchResponse {
            topics: vec![OffsetFetchResponseTopic {
                name: "a".into(),
                partitions: vec![
                    OffsetFetchResponsePartition {
                        partition_index: 0,
                        committed_offset: -1,
                        ..OffsetFetchResponsePartition::default()
                    },
                    OffsetFetchResponsePartition {
                        partition_index: 2,
                        committed_offset: 9,
                        committed_leader_epoch: -1,
                        ..OffsetFetchResponsePartition::default()
                    },
                ],
            }],
            ..OffsetFetchResponse::default()
        };
        let new = OffsetFetchResponse {
            groups: vec![OffsetFetchResponseGroup {
                topics: vec![OffsetFetchResponseTopics {
                    name: "a".into(),
                    partitions: vec![
                        OffsetFetchResponsePartitions {
                            partition_index: 0,
                            committed_offset: -1,
                            ..OffsetFetchResponsePartitions::default()
                        },
                        OffsetFetchResponsePartitions {
                            partition_index: 2,
                            committed_offset: 9,
                            committed_leader_epoch: -1,
                            ..OffsetFetchResponsePartitions::default()
                        },
                    ],
                    ..OffsetFetchResponseTopics::default()
                }],
                ..OffsetFetchResponseGroup::default()
            }],
            ..OffsetFetchResponse::default()
        };
        let expected = vec![
            (TopicPartition::new("a", 0), Ok(None)),
            (TopicPartition::new("a", 2), Ok(Some(OffsetAndMetadata::from(9)))),
        ];
        assert_eq!(fetched(old, 7), Ok(expected.clone()));
        assert_eq!(fetched(new, 8), Ok(expected));
    }
}
