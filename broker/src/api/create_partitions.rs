//! CreatePartitions: more of them for a topic that is there.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::cluster::Cluster;
use crate::faults::Verdict;
use crate::log::batch::Refused;

pub(super) fn targets(request: &CreatePartitionsRequest) -> Vec<(String, i32)> {
    request.topics.iter().map(|topic| (topic.name.to_string(), -1)).collect()
}

pub(super) fn answer(
    cluster: &mut Cluster,
    request: CreatePartitionsRequest,
    verdict: &Verdict,
) -> CreatePartitionsResponse {
    let mut response = CreatePartitionsResponse::default();
    for topic in request.topics {
        let grown = match verdict.error_of_topic(&topic.name) {
            Some(code) => Err(Refused::injected(code)),
            None => grow(cluster, &topic, request.validate_only),
        };
        let result = CreatePartitionsTopicResult::default().with_name(topic.name);
        response.results.push(match grown {
            Ok(()) => result,
            Err(refused) => result
                .with_error_code(refused.code.code())
                .with_error_message(Some(StrBytes::from_string(refused.message))),
        });
    }
    response
}

fn grow(cluster: &mut Cluster, topic: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refused> {
    let known = cluster.topics.get(&topic.name).ok_or_else(|| {
        Refused::new(ResponseError::UnknownTopicOrPartition, "This server does not host this topic-partition.")
    })?;
    let before = i32::try_from(known.partitions.len()).unwrap_or(i32::MAX);
    if topic.count <= before {
        let message = format!("Topic has {before} partitions; {} is no increase.", topic.count);
        return Err(Refused::new(ResponseError::InvalidPartitions, message));
    }
    let factor = known.partitions.first().map_or(1, |partition| partition.replicas.len());
    let replicas = match &topic.assignments {
        Some(assignments) => {
            let assigned: Vec<Vec<i32>> =
                assignments.iter().map(|assignment| assignment.broker_ids.iter().map(|id| id.0).collect()).collect();
            let is_sound =
                |replicas: &Vec<i32>| !replicas.is_empty() && replicas.iter().all(|id| cluster.node(*id).is_some());
            if assigned.len() != usize::try_from(topic.count - before).unwrap_or(0) || !assigned.iter().all(is_sound) {
                let message = "Every new partition needs replicas on nodes that are there.";
                return Err(Refused::new(ResponseError::InvalidReplicaAssignment, message));
            }
            assigned
        }
        None => cluster.spread_from(before, topic.count - before, i16::try_from(factor).ok())?,
    };
    if !validate_only {
        cluster.grow_topic(&topic.name, replicas);
    }
    Ok(())
}
