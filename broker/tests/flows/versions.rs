//! Every API in every version it is offered in.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Request, StrBytes};
use ottla_broker::{Broker, Telemetry};

use super::client::{Client, broker, offered};

/// Sends `request` in each version the broker offers; each answer must decode without a byte left over.
async fn sweep<R: Request + Clone>(client: &mut Client, request: R) {
    let api = ApiKey::try_from(R::KEY).unwrap();
    let (min, max) = offered(client, api).await.expect("the API is offered");
    for version in min..=max {
        if R::VERSIONS.max < version {
            continue;
        }
        client.call(version, request.clone()).await;
    }
}

#[tokio::test]
async fn every_api_answers_in_every_version() {
    let broker = Broker::builder().in_memory_only().topic("orders", 2).telemetry(Telemetry::new([""])).await;
    let mut client = Client::of(&broker);
    sweep(&mut client, ConsumerGroupHeartbeatRequest::default()).await;
    sweep(&mut client, ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId::default()])).await;
    sweep(&mut client, GetTelemetrySubscriptionsRequest::default()).await;
    sweep(&mut client, PushTelemetryRequest::default()).await;
    sweep(&mut client, ProduceRequest::default().with_acks(1)).await;
    sweep(&mut client, FetchRequest::default()).await;
    sweep(&mut client, ListOffsetsRequest::default()).await;
    sweep(&mut client, MetadataRequest::default()).await;
    sweep(&mut client, OffsetCommitRequest::default()).await;
    sweep(&mut client, OffsetFetchRequest::default()).await;
    sweep(&mut client, FindCoordinatorRequest::default()).await;
    sweep(&mut client, JoinGroupRequest::default()).await;
    sweep(&mut client, HeartbeatRequest::default()).await;
    sweep(&mut client, LeaveGroupRequest::default()).await;
    sweep(&mut client, SyncGroupRequest::default()).await;
    sweep(&mut client, DescribeGroupsRequest::default()).await;
    sweep(&mut client, ListGroupsRequest::default()).await;
    sweep(&mut client, ApiVersionsRequest::default()).await;
    sweep(&mut client, CreateTopicsRequest::default()).await;
    sweep(&mut client, DeleteTopicsRequest::default()).await;
    sweep(&mut client, DeleteRecordsRequest::default()).await;
    sweep(&mut client, InitProducerIdRequest::default()).await;
    sweep(&mut client, OffsetForLeaderEpochRequest::default()).await;
    sweep(&mut client, DescribeConfigsRequest::default()).await;
    sweep(&mut client, CreatePartitionsRequest::default()).await;
    sweep(&mut client, DeleteGroupsRequest::default()).await;
    sweep(&mut client, IncrementalAlterConfigsRequest::default()).await;
    sweep(&mut client, OffsetDeleteRequest::default()).await;
    sweep(&mut client, DescribeClusterRequest::default()).await;
    sweep(&mut client, AddPartitionsToTxnRequest::default()).await;
    sweep(&mut client, AddOffsetsToTxnRequest::default()).await;
    sweep(&mut client, EndTxnRequest::default()).await;
    sweep(&mut client, TxnOffsetCommitRequest::default()).await;
    sweep(&mut client, DescribeProducersRequest::default()).await;
    sweep(&mut client, DescribeTransactionsRequest::default()).await;
    sweep(&mut client, ListTransactionsRequest::default()).await;
}

/// What a client is told of `transaction.version`: the range that could be, the level that holds, and the epoch.
async fn transaction_version(client: &mut Client, version: i16) -> (Option<(i16, i16)>, Option<i16>, i64) {
    let response = client.call(version, named()).await;
    let is_ours = |name: &StrBytes| name.as_str() == "transaction.version";
    let supported = response.supported_features.iter().find(|feature| is_ours(&feature.name));
    let finalized = response.finalized_features.iter().find(|feature| is_ours(&feature.name));
    (
        supported.map(|feature| (feature.min_version, feature.max_version)),
        finalized.map(|feature| feature.max_version_level),
        response.finalized_features_epoch,
    )
}

#[tokio::test]
async fn the_transaction_version_is_told_and_may_change() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    assert_eq!(transaction_version(&mut client, 4).await, (Some((0, 2)), Some(2), 0));
    assert_eq!(
        transaction_version(&mut client, 3).await,
        (None, Some(2), 0),
        "older clients can't read a range from 0"
    );
    broker.set_transaction_version(1);
    assert_eq!(transaction_version(&mut client, 4).await, (Some((0, 2)), Some(1), 1));
    broker.set_transaction_version(0);
    assert_eq!(transaction_version(&mut client, 4).await, (Some((0, 2)), None, 2));

    let older = ottla_broker::Broker::builder().in_memory_only().transaction_version(1).await;
    assert_eq!(transaction_version(&mut Client::of(&older), 4).await, (Some((0, 2)), Some(1), 0));
}

#[tokio::test]
async fn an_api_versions_request_from_the_future_is_told_the_range() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.send_body(ApiKey::ApiVersions as i16, 99, 2, b"whatever comes then").await;
    let (_, response) = client.receive::<ApiVersionsRequest>(0).await.unwrap();
    assert_eq!(response.error_code, 35);
    assert_eq!((response.api_keys[0].api_key, response.api_keys[0].max_version), (18, 4));
    client.call(3, named()).await;
}

fn named() -> ApiVersionsRequest {
    let request = ApiVersionsRequest::default();
    request.with_client_software_name("test".into()).with_client_software_version("1.0".into())
}

#[tokio::test]
async fn a_client_must_say_what_software_it_is() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    assert_eq!(client.call(3, named()).await.error_code, 0);
    assert_eq!(client.call(3, ApiVersionsRequest::default()).await.error_code, 42);
}

#[tokio::test]
async fn an_older_broker_can_be_imitated() {
    let builder = ottla_broker::Broker::builder().in_memory_only();
    let broker = builder.max_version(ApiKey::Produce, 8).without(ApiKey::InitProducerId).await;
    let mut client = Client::of(&broker);
    assert_eq!(offered(&mut client, ApiKey::Produce).await, Some((3, 8)));
    assert_eq!(offered(&mut client, ApiKey::InitProducerId).await, None);
    client.send(9, ProduceRequest::default().with_acks(1)).await;
    assert!(client.is_closed().await, "a version that isn't offered ends the connection");
}
