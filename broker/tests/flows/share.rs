//! Share groups (KIP-932): membership, acquired records, acknowledgements and share sessions.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_acknowledge_request::{self, AcknowledgePartition, AcknowledgeTopic};
use kafka_protocol::messages::share_fetch_request::{AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::share_fetch_response::PartitionData;
use kafka_protocol::messages::{
    GroupId, ShareAcknowledgeRequest, ShareFetchRequest, ShareFetchResponse, ShareGroupDescribeRequest,
    ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
};
use ottla_broker::{ApiKey, Broker, Code, SharedState};
use tokio::time::Instant;
use uuid::Uuid;

use super::client::{Client, broker, text, topic_name};

const GROUP: &str = "packers";
const V1: i16 = 1;
const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;

/// A broker whose group reads topics from their beginnings.
async fn from_the_beginning() -> Broker {
    let broker = broker().await;
    broker.configure_share_group(GROUP, "share.auto.offset.reset", "earliest").unwrap();
    broker
}

fn id(broker: &Broker) -> Uuid {
    Uuid::from_u128(broker.topic_id("orders").unwrap())
}

fn group() -> GroupId {
    GroupId(text(GROUP))
}

async fn beat(client: &mut Client, member: &str, epoch: i32) -> ShareGroupHeartbeatResponse {
    let topics = (epoch == 0).then(|| vec![topic_name("orders")]);
    let request = ShareGroupHeartbeatRequest::default().with_group_id(group()).with_member_id(text(member));
    client.call(V1, request.with_member_epoch(epoch).with_subscribed_topic_names(topics)).await
}

fn assigned(response: &ShareGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let assignment = response.assignment.as_ref()?;
    Some(assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.clone()).collect())
}

/// A fetch of a member's session, which doesn't wait; of partitions of `orders`.
fn fetch(broker: &Broker, member: &str, epoch: i32, wanted: &[i32]) -> ShareFetchRequest {
    let partition =
        |index: &i32| FetchPartition::default().with_partition_index(*index).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic_id(id(broker)).with_partitions(wanted.iter().map(partition).collect());
    ShareFetchRequest::default()
        .with_group_id(Some(group()))
        .with_member_id(Some(text(member)))
        .with_share_session_epoch(epoch)
        .with_max_bytes(1 << 20)
        .with_max_records(500)
        .with_batch_size(500)
        .with_topics(if wanted.is_empty() { Vec::new() } else { vec![topic] })
}

/// The same with an acknowledgement of records of partition 0.
fn with_acknowledgement(
    mut request: ShareFetchRequest,
    broker: &Broker,
    (first, last): (i64, i64),
    kinds: &[i8],
) -> ShareFetchRequest {
    let batch = AcknowledgementBatch::default().with_first_offset(first).with_last_offset(last);
    let batches = vec![batch.with_acknowledge_types(kinds.to_vec())];
    let partition = FetchPartition::default().with_acknowledgement_batches(batches);
    request.topics.push(FetchTopic::default().with_topic_id(id(broker)).with_partitions(vec![partition]));
    request
}

fn acknowledge(
    broker: &Broker,
    member: &str,
    epoch: i32,
    (first, last): (i64, i64),
    kinds: &[i8],
) -> ShareAcknowledgeRequest {
    let batch = share_acknowledge_request::AcknowledgementBatch::default();
    let batch = batch.with_first_offset(first).with_last_offset(last).with_acknowledge_types(kinds.to_vec());
    let partition = AcknowledgePartition::default().with_acknowledgement_batches(vec![batch]);
    let topic = AcknowledgeTopic::default().with_topic_id(id(broker)).with_partitions(vec![partition]);
    ShareAcknowledgeRequest::default()
        .with_group_id(Some(group()))
        .with_member_id(Some(text(member)))
        .with_share_session_epoch(epoch)
        .with_topics(vec![topic])
}

/// The error of the request, or of its one partition.
async fn said(client: &mut Client, request: ShareAcknowledgeRequest) -> i16 {
    let response = client.call(V1, request).await;
    response.responses.first().map_or(response.error_code, |topic| topic.partitions[0].error_code)
}

fn partitions(response: &ShareFetchResponse) -> Vec<&PartitionData> {
    assert_eq!(response.error_code, 0);
    response.responses.iter().flat_map(|topic| &topic.partitions).collect()
}

/// Ranges acquired of all partitions: first and last offset, and deliveries.
fn acquired(response: &ShareFetchResponse) -> Vec<(i64, i64, i16)> {
    let ranges = partitions(response).into_iter().flat_map(|partition| &partition.acquired_records);
    ranges.map(|range| (range.first_offset, range.last_offset, range.delivery_count)).collect()
}

#[tokio::test]
async fn members_share_partitions_and_are_described() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let first = beat(&mut client, "a", 0).await;
    assert_eq!((first.error_code, first.member_epoch, first.heartbeat_interval_ms), (0, 1, 5_000));
    assert_eq!(assigned(&first), Some(vec![0, 1]));
    assert_eq!(assigned(&beat(&mut client, "b", 0).await), Some(vec![1]));
    let next = beat(&mut client, "a", 1).await;
    assert_eq!((next.member_epoch, assigned(&next)), (2, Some(vec![0])));
    assert_eq!(assigned(&beat(&mut client, "a", 2).await), None);

    let response = client.call(V1, ShareGroupDescribeRequest::default().with_group_ids(vec![group()])).await;
    let described = &response.groups[0];
    assert_eq!((described.error_code, described.group_state.as_str(), described.group_epoch), (0, "Stable", 2));
    assert_eq!((described.assignor_name.as_str(), described.members.len()), ("simple", 2));
    assert_eq!(described.members[0].assignment.topic_partitions[0].partitions, [0]);

    assert_eq!(beat(&mut client, "b", -1).await.member_epoch, -1);
    assert_eq!(assigned(&beat(&mut client, "a", 2).await), Some(vec![0, 1]));
    assert_eq!(broker.share_group(GROUP).unwrap().members.len(), 1);
}

#[tokio::test]
async fn heartbeats_of_nobody_are_refused() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let mut code = async |member: &str, epoch| beat(&mut client, member, epoch).await.error_code;
    assert_eq!(code("a", 1).await, ResponseError::GroupIdNotFound.code());
    assert_eq!(code("a", 0).await, 0);
    assert_eq!(code("b", 1).await, ResponseError::UnknownMemberId.code());
    assert_eq!(code("b", -1).await, ResponseError::UnknownMemberId.code());
    assert_eq!(code("a", 7).await, ResponseError::FencedMemberEpoch.code());
    assert_eq!(code("a", -2).await, ResponseError::InvalidRequest.code());
    assert_eq!(code("", 0).await, ResponseError::InvalidRequest.code());
}

#[tokio::test]
async fn each_record_is_with_one_member_at_a_time() {
    let broker = from_the_beginning().await;
    broker.append("orders", 0, ["tea", "milk"]).unwrap();
    broker.append("orders", 0, ["sugar"]).unwrap();
    let (mut a, mut b) = (Client::of(&broker), Client::of(&broker));
    let response = a.call(V1, fetch(&broker, "a", 0, &[0]).with_max_records(1)).await;
    assert_eq!(acquired(&response), [(0, 1, 1)], "a batch isn't divided");
    let bytes = broker.log("orders", 0).batches()[0].bytes();
    assert_eq!(partitions(&response)[0].records.as_ref(), Some(&bytes));
    assert_eq!(response.acquisition_lock_timeout_ms, 30_000);
    let response = b.call(V1, fetch(&broker, "b", 0, &[0])).await;
    assert_eq!(acquired(&response), [(2, 2, 1)]);
    let states: Vec<SharedState> =
        broker.shared_records(GROUP, "orders", 0).into_iter().map(|record| record.state).collect();
    let with = |member: &str| SharedState::Acquired(member.to_owned());
    assert_eq!(states, [with("a"), with("a"), with("b")]);

    assert_eq!(
        said(&mut a, acknowledge(&broker, "a", 1, (0, 2), &[ACCEPT])).await,
        ResponseError::InvalidRecordState.code()
    );
    assert_eq!(said(&mut a, acknowledge(&broker, "a", 2, (0, 1), &[ACCEPT])).await, 0);
    assert_eq!(broker.share_start_offset(GROUP, "orders", 0), Some(2));
    assert_eq!(
        said(&mut b, acknowledge(&broker, "b", 1, (2, 3), &[ACCEPT])).await,
        ResponseError::InvalidRequest.code()
    );
    assert_eq!(said(&mut b, acknowledge(&broker, "b", 2, (2, 2), &[ACCEPT])).await, 0);
    assert!(broker.shared_records(GROUP, "orders", 0).is_empty());
}

#[tokio::test]
async fn a_group_that_reads_from_the_end_begins_when_it_first_fetches() {
    let broker = broker().await;
    broker.append("orders", 0, ["before"]).unwrap();
    let mut client = Client::of(&broker);
    assert_eq!(acquired(&client.call(V1, fetch(&broker, "a", 0, &[0])).await), []);
    broker.append("orders", 0, ["after"]).unwrap();
    assert_eq!(acquired(&client.call(V1, fetch(&broker, "a", 1, &[])).await), [(1, 1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_waits_for_records_and_for_those_that_are_released() {
    let broker = from_the_beginning().await;
    let (mut a, mut b) = (Client::of(&broker), Client::of(&broker));
    let start = Instant::now();
    a.send(V1, fetch(&broker, "a", 0, &[0]).with_max_wait_ms(500)).await;
    broker.until_seen(ApiKey::ShareFetch, 1).await;
    tokio::time::advance(Duration::from_millis(100)).await;
    broker.append("orders", 0, ["tea"]).unwrap();
    let (_, response) = a.receive::<ShareFetchRequest>(V1).await.unwrap();
    assert_eq!((acquired(&response), start.elapsed()), (vec![(0, 0, 1)], Duration::from_millis(100)));

    let start = Instant::now();
    let response = b.call(V1, fetch(&broker, "b", 0, &[0]).with_max_wait_ms(500)).await;
    assert_eq!((acquired(&response), start.elapsed()), (vec![], Duration::from_millis(500)));
    b.send(V1, fetch(&broker, "b", 1, &[]).with_max_wait_ms(500)).await;
    broker.until_seen(ApiKey::ShareFetch, 3).await;
    assert_eq!(said(&mut a, acknowledge(&broker, "a", 1, (0, 0), &[RELEASE])).await, 0);
    let (_, response) = b.receive::<ShareFetchRequest>(V1).await.unwrap();
    assert_eq!(acquired(&response), [(0, 0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_lock_runs_out_and_in_the_end_a_record_is_given_up() {
    let broker = from_the_beginning().await;
    broker.configure_share_group(GROUP, "share.delivery.count.limit", "2").unwrap();
    broker.append("orders", 0, ["tea"]).unwrap();
    let mut client = Client::of(&broker);
    client.call(V1, fetch(&broker, "a", 0, &[0])).await;
    let start = Instant::now();
    let response = client.call(V1, fetch(&broker, "b", 0, &[0]).with_max_wait_ms(60_000)).await;
    assert_eq!((acquired(&response), start.elapsed()), (vec![(0, 0, 2)], Duration::from_secs(30)));
    assert_eq!(
        said(&mut client, acknowledge(&broker, "a", 1, (0, 0), &[ACCEPT])).await,
        ResponseError::InvalidRecordState.code()
    );
    broker.until(|broker| broker.share_start_offset(GROUP, "orders", 0) == Some(1)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_leaves_or_falls_silent_gives_back_what_it_has() {
    let broker = from_the_beginning().await;
    broker.configure_share_group(GROUP, "share.session.timeout.ms", "1000").unwrap();
    broker.append("orders", 0, ["tea"]).unwrap();
    let mut client = Client::of(&broker);
    beat(&mut client, "a", 0).await;
    beat(&mut client, "b", 0).await;
    client.call(V1, fetch(&broker, "a", 0, &[0])).await;
    beat(&mut client, "a", -1).await;
    assert!(broker.share_sessions().is_empty());
    assert_eq!(acquired(&client.call(V1, fetch(&broker, "b", 0, &[0])).await), [(0, 0, 2)]);
    broker.until(|broker| broker.share_group(GROUP).is_some_and(|group| group.state == "Empty")).await;
    assert_eq!(broker.shared_records(GROUP, "orders", 0)[0].state, SharedState::Available);
}

#[tokio::test]
async fn sessions_know_their_partitions_and_epochs() {
    let broker = from_the_beginning().await;
    let mut client = Client::of(&broker);
    let response = client.call(V1, fetch(&broker, "a", 0, &[0, 1])).await;
    assert_eq!(partitions(&response).len(), 2, "the first answer tells of all");
    broker.append("orders", 1, ["tea"]).unwrap();
    let response = client.call(V1, fetch(&broker, "a", 1, &[])).await;
    assert_eq!(partitions(&response).len(), 1, "the next of news");
    let forgotten = ForgottenTopic::default().with_topic_id(id(&broker)).with_partitions(vec![1]);
    client.call(V1, fetch(&broker, "a", 2, &[]).with_forgotten_topics_data(vec![forgotten])).await;
    assert_eq!((broker.share_sessions()[0].epoch, broker.share_sessions()[0].partitions), (3, 1));

    let mut code = async |request: ShareFetchRequest| client.call(V1, request).await.error_code;
    assert_eq!(code(fetch(&broker, "a", 2, &[])).await, ResponseError::InvalidShareSessionEpoch.code());
    assert_eq!(code(fetch(&broker, "b", 1, &[])).await, ResponseError::ShareSessionNotFound.code());
    assert_eq!(code(fetch(&broker, "", 0, &[0])).await, ResponseError::InvalidRequest.code());
    let early = with_acknowledgement(fetch(&broker, "b", 0, &[]), &broker, (0, 0), &[ACCEPT]);
    assert_eq!(code(early).await, ResponseError::InvalidRequest.code());
    broker.set_share_session_slots(1);
    assert_eq!(code(fetch(&broker, "b", 0, &[0])).await, ResponseError::ShareSessionLimitReached.code());
    broker.drop_share_sessions();
    assert_eq!(code(fetch(&broker, "a", 3, &[])).await, ResponseError::ShareSessionNotFound.code());
    let begins = acknowledge(&broker, "a", 0, (0, 0), &[ACCEPT]);
    assert_eq!(client.call(V1, begins).await.error_code, ResponseError::InvalidShareSessionEpoch.code());
}

#[tokio::test]
async fn acknowledgements_come_with_a_fetch_and_the_last_ends_the_session() {
    let broker = from_the_beginning().await;
    broker.append("orders", 0, ["tea", "milk", "sugar"]).unwrap();
    let mut client = Client::of(&broker);
    client.call(V1, fetch(&broker, "a", 0, &[0])).await;
    let request = with_acknowledgement(fetch(&broker, "a", 1, &[]), &broker, (0, 1), &[ACCEPT, RELEASE]);
    let response = client.call(V1, request).await;
    assert_eq!(acquired(&response), [(1, 1, 2)], "what is released may come back at once");
    assert_eq!(partitions(&response)[0].acknowledge_error_code, 0);

    let request = with_acknowledgement(fetch(&broker, "a", 2, &[]), &broker, (0, 9), &[ACCEPT]);
    let response = client.call(V1, request).await;
    assert_eq!(partitions(&response)[0].acknowledge_error_code, ResponseError::InvalidRequest.code());
    let request = with_acknowledgement(fetch(&broker, "a", -1, &[]), &broker, (2, 2), &[ACCEPT]);
    let response = client.call(V1, request).await;
    assert_eq!((partitions(&response)[0].acknowledge_error_code, acquired(&response)), (0, vec![]));
    assert!(broker.share_sessions().is_empty());
    let left: Vec<(i64, SharedState)> =
        broker.shared_records(GROUP, "orders", 0).into_iter().map(|record| (record.offset, record.state)).collect();
    assert_eq!(left, [(1, SharedState::Available), (2, SharedState::Done)]);
}

#[tokio::test]
async fn only_the_leader_serves_and_a_new_one_begins_again_with_what_was_not_acknowledged() {
    let broker = Broker::builder().in_memory_only().nodes(2).topic("orders", 1).await;
    broker.configure_share_group(GROUP, "share.auto.offset.reset", "earliest").unwrap();
    broker.append("orders", 0, ["tea", "milk"]).unwrap();
    let (mut old, mut new) = (Client::of_node(&broker, 0), Client::of_node(&broker, 1));
    old.call(V1, fetch(&broker, "a", 0, &[0])).await;
    broker.move_leader("orders", 0, 1).unwrap();
    let response = old.call(V1, acknowledge(&broker, "a", 1, (0, 0), &[ACCEPT])).await;
    let answer = &response.responses[0].partitions[0];
    assert_eq!(answer.error_code, ResponseError::NotLeaderOrFollower.code());
    assert_eq!((answer.current_leader.leader_id, answer.current_leader.leader_epoch), (1, 1));
    let response = old.call(V1, fetch(&broker, "a", 2, &[])).await;
    assert_eq!(partitions(&response)[0].current_leader.leader_id, 1);
    assert_eq!(response.node_endpoints[0].host, *"node-1.ottla");
    let response = new.call(V1, fetch(&broker, "a", 0, &[0])).await;
    assert_eq!(acquired(&response), [(0, 1, 1)]);
}

#[tokio::test]
async fn faults_hit_the_request_or_a_partition() {
    let broker = from_the_beginning().await;
    broker.append("orders", 0, ["tea"]).unwrap();
    let mut client = Client::of(&broker);
    client.call(V1, fetch(&broker, "a", 0, &[0])).await;
    broker.once(ApiKey::ShareFetch, Code::ShareSessionNotFound);
    let response = client.call(V1, fetch(&broker, "a", 1, &[])).await;
    assert_eq!(response.error_code, ResponseError::ShareSessionNotFound.code());
    broker.on(ApiKey::ShareFetch).topic("orders").error(Code::KafkaStorageError);
    let response = client.call(V1, fetch(&broker, "a", 1, &[])).await;
    assert_eq!(partitions(&response)[0].error_code, ResponseError::KafkaStorageError.code());
    broker.on(ApiKey::ShareAcknowledge).topic("orders").partition(0).error(Code::InvalidRecordState);
    assert_eq!(
        said(&mut client, acknowledge(&broker, "a", 2, (0, 0), &[ACCEPT])).await,
        ResponseError::InvalidRecordState.code()
    );
    assert_eq!(said(&mut client, acknowledge(&broker, "a", 3, (0, 0), &[ACCEPT])).await, 0);
}

#[tokio::test]
async fn a_session_ends_with_its_connection() {
    let broker = from_the_beginning().await;
    broker.append("orders", 0, ["tea"]).unwrap();
    let mut client = Client::of(&broker);
    client.call(V1, fetch(&broker, "a", 0, &[0])).await;
    drop(client);
    broker.until(|broker| broker.share_sessions().is_empty()).await;
    assert_eq!(broker.shared_records(GROUP, "orders", 0)[0].state, SharedState::Available);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_waits_acquires_nothing_for_a_member_that_left() {
    let broker = from_the_beginning().await;
    let (mut waiting, mut other) = (Client::of(&broker), Client::of(&broker));
    beat(&mut other, "a", 0).await;
    waiting.send(V1, fetch(&broker, "a", 0, &[0]).with_max_wait_ms(500)).await;
    broker.until_seen(ApiKey::ShareFetch, 1).await;
    beat(&mut other, "a", -1).await;
    broker.append("orders", 0, ["tea"]).unwrap();
    let (_, response) = waiting.receive::<ShareFetchRequest>(V1).await.unwrap();
    assert_eq!(acquired(&response), []);
    assert!(broker.shared_records(GROUP, "orders", 0).is_empty());
}
