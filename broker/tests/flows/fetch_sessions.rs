//! Fetch sessions (KIP-227).

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use ottla_broker::{ApiKey, Broker, Code};
use tokio::time::Instant;
use uuid::Uuid;

use super::client::{Client, broker, topic_name};

/// The last version that names topics by name, and the first with ids.
const NAMES: i16 = 12;
const IDS: i16 = 13;

/// Partitions of `orders` and the offsets to read them from.
fn orders(wanted: &[(i32, i64)]) -> FetchTopic {
    let partition = |(partition, offset): &(i32, i64)| {
        FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20)
            .with_current_leader_epoch(-1)
    };
    FetchTopic::default().with_topic(topic_name("orders")).with_partitions(wanted.iter().map(partition).collect())
}

/// A fetch of a session, which doesn't wait.
fn fetch((id, epoch): (i32, i32), wanted: &[(i32, i64)]) -> FetchRequest {
    let topics = if wanted.is_empty() { Vec::new() } else { vec![orders(wanted)] };
    let request = FetchRequest::default().with_max_bytes(1 << 20).with_min_bytes(1).with_topics(topics);
    request.with_session_id(id).with_session_epoch(epoch)
}

/// The partitions in an answer: of each the number, the error and the bytes of records.
fn told(response: &FetchResponse) -> Vec<(i32, i16, usize)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let told = |partition: &kafka_protocol::messages::fetch_response::PartitionData| {
        let bytes = partition.records.as_ref().map_or(0, bytes::Bytes::len);
        (partition.partition_index, partition.error_code, bytes)
    };
    partitions.map(told).collect()
}

/// The partitions in an answer, by number alone.
fn numbers(response: &FetchResponse) -> Vec<i32> {
    told(response).iter().map(|(number, ..)| *number).collect()
}

async fn begin(client: &mut Client, wanted: &[(i32, i64)]) -> i32 {
    let response = client.call(NAMES, fetch((0, 0), wanted)).await;
    assert_eq!((response.error_code, numbers(&response).len()), (0, wanted.len()));
    assert!(response.session_id > 0);
    response.session_id
}

async fn error(client: &mut Client, request: FetchRequest) -> i16 {
    let response = client.call(NAMES, request).await;
    if response.error_code != 0 {
        assert_eq!((response.session_id, response.responses.len()), (0, 0));
    }
    response.error_code
}

#[tokio::test]
async fn an_answer_of_a_session_tells_only_news() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let id = begin(&mut client, &[(0, 0), (1, 0)]).await;
    let response = client.call(NAMES, fetch((id, 1), &[])).await;
    assert_eq!((response.session_id, told(&response)), (id, vec![]), "nothing has happened");

    broker.append("orders", 1, ["tea"]).unwrap();
    let size = broker.log("orders", 1).batches()[0].bytes().len();
    let response = client.call(NAMES, fetch((id, 2), &[])).await;
    assert_eq!(told(&response), [(1, 0, size)]);
    let response = client.call(NAMES, fetch((id, 3), &[])).await;
    assert_eq!(told(&response), [(1, 0, size)], "it still stands at offset 0");
    let response = client.call(NAMES, fetch((id, 4), &[(1, 1)])).await;
    assert_eq!(told(&response), [], "now it doesn't");
}

#[tokio::test]
async fn a_new_log_start_is_news() {
    let broker = broker().await;
    broker.append("orders", 0, ["tea", "milk"]).unwrap();
    let mut client = Client::of(&broker);
    let id = begin(&mut client, &[(0, 2), (1, 0)]).await;
    broker.delete_records("orders", 0, 1).unwrap();
    let response = client.call(NAMES, fetch((id, 1), &[])).await;
    assert_eq!(told(&response), [(0, 0, 0)]);
    assert_eq!(response.responses[0].partitions[0].log_start_offset, 1);
}

#[tokio::test]
async fn errors_are_told_each_time_and_then_that_they_are_over() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let id = begin(&mut client, &[(0, 0), (1, 0)]).await;
    let code = ResponseError::KafkaStorageError.code();
    broker.on(ApiKey::Fetch).topic("orders").partition(1).times(2).error(Code::KafkaStorageError);
    for epoch in [1, 2] {
        let response = client.call(NAMES, fetch((id, epoch), &[])).await;
        assert_eq!(told(&response), [(1, code, 0)], "a fault hits partitions that only the session names");
    }
    let response = client.call(NAMES, fetch((id, 3), &[])).await;
    assert_eq!(told(&response), [(1, 0, 0)]);
    assert!(numbers(&client.call(NAMES, fetch((id, 4), &[])).await).is_empty());
}

#[tokio::test]
async fn partitions_come_into_a_session_and_are_forgotten() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let id = begin(&mut client, &[(0, 0)]).await;
    let response = client.call(NAMES, fetch((id, 1), &[(1, 0)])).await;
    assert_eq!(numbers(&response), [1], "the first answer about it");
    assert_eq!(broker.fetch_sessions()[0].partitions, [("orders".to_owned(), 0), ("orders".to_owned(), 1)]);

    broker.append("orders", 0, ["tea"]).unwrap();
    let forgotten =
        |partitions| vec![ForgottenTopic::default().with_topic(topic_name("orders")).with_partitions(partitions)];
    let forgets = fetch((id, 2), &[]).with_forgotten_topics_data(forgotten(vec![0]));
    assert!(numbers(&client.call(NAMES, forgets).await).is_empty());
    assert_eq!(broker.fetch_sessions()[0].partitions, [("orders".to_owned(), 1)]);

    let forgets = fetch((id, 3), &[]).with_forgotten_topics_data(forgotten(vec![1]));
    let response = client.call(NAMES, forgets).await;
    assert_eq!((response.error_code, response.session_id), (0, 0), "with its last partition the session ends");
    assert!(broker.fetch_sessions().is_empty());
}

#[tokio::test]
async fn a_partition_that_had_records_is_read_last_next_time() {
    let broker = broker().await;
    broker.append("orders", 0, ["tea"]).unwrap();
    broker.append("orders", 1, ["milk"]).unwrap();
    let mut client = Client::of(&broker);
    let id = begin(&mut client, &[(0, 0), (1, 0)]).await;
    let mut first = Vec::new();
    for epoch in 1..=4 {
        let response = client.call(NAMES, fetch((id, epoch), &[]).with_max_bytes(1)).await;
        first.push(told(&response).into_iter().find(|(.., bytes)| *bytes > 0).unwrap().0);
    }
    assert_eq!(first, [0, 1, 0, 1], "neither starves the other");
}

#[tokio::test]
async fn epochs_must_follow_one_another() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let id = begin(&mut client, &[(0, 0)]).await;
    let wrong = ResponseError::InvalidFetchSessionEpoch.code();
    assert_eq!(error(&mut client, fetch((id, 2), &[])).await, wrong);
    assert_eq!(error(&mut client, fetch((id, 1), &[])).await, 0);
    assert_eq!(error(&mut client, fetch((id, 1), &[])).await, wrong, "once is enough");
    assert_eq!(error(&mut client, fetch((id, 2), &[])).await, 0, "the session has survived that");
    let unknown = ResponseError::FetchSessionIdNotFound.code();
    assert_eq!(error(&mut client, fetch((id ^ 1, 3), &[])).await, unknown);
    assert_eq!(error(&mut client, fetch((0, 3), &[])).await, unknown);
}

#[tokio::test]
async fn a_session_is_by_name_or_by_id() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let id = begin(&mut client, &[(0, 0)]).await;
    let response = client.call(IDS, fetch((id, 1), &[])).await;
    assert_eq!(response.error_code, ResponseError::FetchSessionTopicIdError.code());
    assert_eq!(error(&mut client, fetch((id, 1), &[])).await, 0);
}

#[tokio::test]
async fn a_full_fetch_ends_the_session_it_names() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let first = begin(&mut client, &[(0, 0)]).await;
    let response = client.call(NAMES, fetch((first, 0), &[(0, 0)])).await;
    assert!(response.session_id != first && response.session_id > 0);
    assert_eq!(broker.fetch_sessions().len(), 1);

    let response = client.call(NAMES, fetch((response.session_id, -1), &[])).await;
    assert_eq!((response.error_code, response.session_id), (0, 0));
    assert!(broker.fetch_sessions().is_empty());
    let response = client.call(NAMES, fetch((0, -1), &[(0, 0)])).await;
    assert_eq!((response.session_id, numbers(&response)), (0, vec![0]));
}

#[tokio::test]
async fn sessions_may_be_lost_or_not_be_there_at_all() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let id = begin(&mut client, &[(0, 0)]).await;
    let unknown = ResponseError::FetchSessionIdNotFound.code();
    broker.drop_fetch_sessions();
    assert_eq!(error(&mut client, fetch((id, 1), &[])).await, unknown);

    let id = begin(&mut client, &[(0, 0)]).await;
    broker.node(0).restart().await.unwrap();
    let mut client = Client::of(&broker);
    assert_eq!(error(&mut client, fetch((id, 1), &[])).await, unknown, "a node forgets them when it stops");

    broker.set_fetch_session_slots(0);
    let response = client.call(NAMES, fetch((0, 0), &[(0, 0)])).await;
    assert_eq!((response.error_code, response.session_id), (0, 0), "answered in full, without a session");
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_for_news_of_any_of_its_partitions() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let id = begin(&mut client, &[(0, 0), (1, 0)]).await;
    let start = Instant::now();
    client.send(NAMES, fetch((id, 1), &[]).with_max_wait_ms(500)).await;
    broker.until_seen(ApiKey::Fetch, 2).await;
    tokio::time::advance(Duration::from_millis(100)).await;
    broker.append("orders", 1, ["tea"]).unwrap();
    let (_, response) = client.receive::<FetchRequest>(NAMES).await.unwrap();
    assert_eq!((numbers(&response), start.elapsed()), (vec![1], Duration::from_millis(100)));

    let start = Instant::now();
    let response = client.call(NAMES, fetch((id, 2), &[(1, 1)]).with_max_wait_ms(500)).await;
    assert_eq!((response.session_id, numbers(&response)), (id, vec![]));
    assert_eq!(start.elapsed(), Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_waits_is_refused_if_its_session_went_on_without_it() {
    let broker = broker().await;
    let (mut waiting, mut other) = (Client::of(&broker), Client::of(&broker));
    let id = begin(&mut waiting, &[(0, 0)]).await;
    waiting.send(NAMES, fetch((id, 1), &[]).with_max_wait_ms(500)).await;
    broker.until_seen(ApiKey::Fetch, 2).await;
    assert_eq!(error(&mut other, fetch((id, 2), &[])).await, 0);
    let (_, response) = waiting.receive::<FetchRequest>(NAMES).await.unwrap();
    assert_eq!(response.error_code, ResponseError::InvalidFetchSessionEpoch.code());
}

/// A session by ids that has partition 0 of `orders`.
async fn by_id(client: &mut Client, id: Uuid) -> i32 {
    let mut request = fetch((0, 0), &[(0, 0)]);
    request.topics[0].topic = topic_name("");
    request.topics[0].topic_id = id;
    client.call(IDS, request).await.session_id
}

#[tokio::test]
async fn a_topic_may_go_and_come_back_while_a_session_has_it() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let session = by_id(&mut client, Uuid::from_u128(broker.topic_id("orders").unwrap())).await;
    let mut code = async |epoch| {
        let response = client.call(IDS, fetch((session, epoch), &[])).await;
        told(&response).first().map_or(0, |(_, code, _)| *code)
    };
    assert_eq!(code(1).await, 0);
    broker.delete_topic("orders");
    assert_eq!(code(2).await, ResponseError::UnknownTopicOrPartition.code());
    broker.create_topic("orders", 1).unwrap();
    assert_eq!(code(3).await, ResponseError::InconsistentTopicId.code());
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_there_is_told_last_and_holds_up_nothing() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let mut request = fetch((0, 0), &[(0, 0)]).with_max_wait_ms(500);
    let mut missing = request.topics[0].clone();
    missing.topic = topic_name("nowhere");
    request.topics.insert(0, missing);
    let start = Instant::now();
    let response = client.call(NAMES, request).await;
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    assert_eq!(told(&response), [(0, 0, 0), (0, unknown, 0)]);
    assert_eq!(response.responses[1].topic, topic_name("nowhere"));
    assert_eq!(start.elapsed(), Duration::from_millis(500), "it is no reason to answer at once");
}

#[tokio::test]
async fn each_node_has_sessions_of_its_own() {
    let broker = Broker::builder().in_memory_only().nodes(2).topic("orders", 2).await;
    let (mut first, mut second) = (Client::of_node(&broker, 0), Client::of_node(&broker, 1));
    let id = begin(&mut first, &[(0, 0)]).await;
    begin(&mut second, &[(1, 0)]).await;
    let nodes: Vec<i32> = broker.fetch_sessions().iter().map(|session| session.node).collect();
    assert_eq!(nodes, [0, 1]);
    broker.node(1).stop().await;
    assert_eq!(broker.fetch_sessions().len(), 1);
    assert_eq!(error(&mut first, fetch((id, 1), &[])).await, 0);
}
