//! DeleteTopics, by name or by id.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::Context;
use crate::cluster::Cluster;
use crate::cluster::topics::Topics;
use crate::faults::Verdict;

/// The first version that may name a topic by its id.
const TOPIC_IDS_FROM: i16 = 6;

pub(super) fn targets(request: &DeleteTopicsRequest, topics: &Topics) -> Vec<(String, i32)> {
    let names = request.topic_names.iter().map(|name| name.to_string());
    let states = request.topics.iter().filter_map(|topic| match &topic.name {
        Some(name) => Some(name.to_string()),
        None => topics.name_of(topic.topic_id).map(str::to_owned),
    });
    names.chain(states).map(|name| (name, -1)).collect()
}

pub(super) fn answer(
    cluster: &mut Cluster,
    context: &Context,
    request: DeleteTopicsRequest,
    verdict: &Verdict,
    now: Duration,
) -> DeleteTopicsResponse {
    let mut wanted: Vec<(Option<TopicName>, Uuid)> = Vec::new();
    wanted.extend(request.topic_names.into_iter().map(|name| (Some(name), Uuid::nil())));
    wanted.extend(request.topics.into_iter().map(|topic| (topic.name, topic.topic_id)));

    let mut response = DeleteTopicsResponse::default();
    for (name, id) in wanted {
        let unknown =
            if name.is_some() { ResponseError::UnknownTopicOrPartition } else { ResponseError::UnknownTopicId };
        let found = name
            .clone()
            .or_else(|| cluster.topics.name_of(id).map(|name| TopicName(StrBytes::from_string(name.to_owned()))));
        let mut result = DeletableTopicResult::default().with_name(found.clone());
        if context.version >= TOPIC_IDS_FROM {
            let known = found.as_ref().and_then(|name| cluster.topics.get(name)).map(|topic| topic.id);
            result.topic_id = known.unwrap_or(id);
        }
        result.error_code = match &found {
            Some(name) => match verdict.error_of_topic(name) {
                Some(code) => code,
                None if cluster.delete_topic(name, now) => 0,
                None => unknown.code(),
            },
            None => unknown.code(),
        };
        response.responses.push(result);
    }
    response
}
