//! Asking leaders for offsets by time, ListOffsets.

use std::collections::BTreeMap;

use ottla_wire::Code;
use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::arrive::FoundOffset;
use super::position::{AS_OLD_AS_ALLOWED, OffsetQuery};
use crate::config::IsolationLevel;

/// As a consumer asks; a follower would give its id.
const CONSUMER: i32 = -1;

/// Asks one broker for the offsets of partitions that it leads, as seen at that isolation level; `oldest` is the time
/// that `auto.offset.reset` goes back to.
pub(super) fn request(
    queries: &[OffsetQuery],
    oldest: i64,
    isolation: IsolationLevel,
    timeout_ms: i32,
) -> ListOffsetsRequest {
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for query in queries {
        let partition = ListOffsetsPartition {
            partition_index: query.partition.partition,
            current_leader_epoch: query.leader_epoch,
            timestamp: if query.timestamp == AS_OLD_AS_ALLOWED { oldest } else { query.timestamp },
        };
        match topics.last_mut().filter(|topic| *topic.name == *query.partition.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => {
                topics.push(ListOffsetsTopic { name: (&*query.partition.topic).into(), partitions: vec![partition] });
            }
        }
    }
    ListOffsetsRequest { replica_id: CONSUMER, isolation_level: isolation.to_wire(), topics, timeout_ms }
}

/// What the answer says to each of `queries`; what it leaves out may be asked again.
pub(super) fn read<'a>(
    queries: &'a [OffsetQuery],
    response: &'a ListOffsetsResponse,
) -> Vec<Result<FoundOffset, Code>> {
    let mut found = BTreeMap::new();
    for topic in &response.topics {
        for answer in &topic.partitions {
            let offset = FoundOffset { offset: answer.offset, timestamp: answer.timestamp, epoch: answer.leader_epoch };
            let outcome = if answer.error_code.is_none() { Ok(offset) } else { Err(answer.error_code) };
            found.insert((&*topic.name, answer.partition_index), outcome);
        }
    }
    let key = |query: &'a OffsetQuery| (&*query.partition.topic, query.partition.partition);
    queries.iter().map(|query| found.remove(&key(query)).unwrap_or(Err(Code::UnknownTopicOrPartition))).collect()
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};

    use super::*;
    use crate::TopicPartition;

    fn queries() -> Vec<OffsetQuery> {
        [("a", 0), ("a", 1), ("b", 0)]
            .map(|(topic, partition)| OffsetQuery {
                partition: TopicPartition::new(topic, partition),
                stamp: 1,
                timestamp: -2,
                leader_epoch: 4,
            })
            .to_vec()
    }

    #[test]
    fn asks_as_a_consumer_for_all_partitions_of_a_topic_together() {
        let request = request(&queries(), 7, IsolationLevel::ReadCommitted, 30_000);
        assert_eq!((request.replica_id, request.isolation_level), (-1, 1));
        let topics: Vec<_> = request.topics.iter().map(|topic| (&*topic.name, topic.partitions.len())).collect();
        assert_eq!(topics, [("a", 2), ("b", 1)]);
        assert_eq!(request.topics[0].partitions[1].current_leader_epoch, 4);
        assert_eq!(request.topics[0].partitions[1].timestamp, -2);
    }

    #[test]
    fn how_far_back_a_reset_goes_is_known_when_it_is_asked() {
        let query = OffsetQuery { timestamp: AS_OLD_AS_ALLOWED, ..queries()[0].clone() };
        let request = request(&[query], 70_000, IsolationLevel::ReadUncommitted, 30_000);
        assert_eq!(request.topics[0].partitions[0].timestamp, 70_000);
    }

    #[test]
    fn every_query_gets_its_answer_in_whatever_order_they_came() {
        let partition = |partition_index, offset, error_code| ListOffsetsPartitionResponse {
            partition_index,
            offset,
            error_code,
            ..ListOffsetsPartitionResponse::default()
        };
        let response = ListOffsetsResponse {
            topics: vec![
                ListOffsetsTopicResponse { name: "b".into(), partitions: vec![] },
                ListOffsetsTopicResponse {
                    name: "a".into(),
                    partitions: vec![partition(1, -1, Code::NotLeaderOrFollower), partition(0, 7, Code::None)],
                },
            ],
            ..ListOffsetsResponse::default()
        };
        let answers: Vec<_> =
            read(&queries(), &response).into_iter().map(|answer| answer.map(|found| found.offset)).collect();
        assert_eq!(answers, [Ok(7), Err(Code::NotLeaderOrFollower), Err(Code::UnknownTopicOrPartition)]);
    }
}
