//! An error asked for stands in the answer of every API, in every version, and nothing is done.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;
use ottla_broker::{ApiKey, Broker};

use super::client::{Client, batch, broker, offered, produce, record, text, topic_name};

/// A code that nothing in the broker gives of itself.
const CODE: i16 = 7_777;

/// Asks for an error, then sends what `request` makes for each version the message crate can write.
async fn refused<R: Request>(broker: &Broker, request: impl Fn(i16) -> R)
where
    R::Response: std::fmt::Debug,
{
    let mut client = Client::of(broker);
    let api = ApiKey::try_from(R::KEY).unwrap();
    let (min, max) = offered(&mut client, api).await.unwrap();
    for version in min..=max.min(R::VERSIONS.max) {
        broker.once(api, CODE);
        let answer = format!("{:?}", client.call(version, request(version)).await);
        assert!(answer.contains("error_code: 7777"), "{api:?} v{version}: {answer}");
    }
}

fn billing() -> GroupId {
    GroupId(text("billing"))
}

#[tokio::test]
async fn records_are_neither_written_nor_read() {
    let broker = broker().await;
    let id = uuid::Uuid::from_u128(broker.topic_id("orders").unwrap());
    refused(&broker, |version| {
        let mut request = produce("orders", 0, batch(&[record("tea")]));
        if version >= 13 {
            request.topic_data[0].name = topic_name("");
            request.topic_data[0].topic_id = id;
        }
        request
    })
    .await;
    refused(&broker, |version| {
        let partition = FetchPartition::default().with_current_leader_epoch(-1);
        let topic = FetchTopic::default().with_partitions(vec![partition]);
        let topic = if version >= 13 { topic.with_topic_id(id) } else { topic.with_topic(topic_name("orders")) };
        FetchRequest::default().with_max_wait_ms(1_000).with_topics(vec![topic])
    })
    .await;
    refused(&broker, |_| {
        let partition = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
        let topic = ListOffsetsTopic::default().with_name(topic_name("orders")).with_partitions(vec![partition]);
        ListOffsetsRequest::default().with_topics(vec![topic])
    })
    .await;
    refused(&broker, |_| {
        let topic = OffsetForLeaderTopic::default().with_topic(topic_name("orders"));
        let topic = topic.with_partitions(vec![OffsetForLeaderPartition::default()]);
        OffsetForLeaderEpochRequest::default().with_topics(vec![topic])
    })
    .await;
    refused(&broker, |_| {
        let partition = DeleteRecordsPartition::default().with_offset(-1);
        let topic = DeleteRecordsTopic::default().with_name(topic_name("orders")).with_partitions(vec![partition]);
        DeleteRecordsRequest::default().with_topics(vec![topic])
    })
    .await;
    refused(&broker, |_| InitProducerIdRequest::default().with_transactional_id(None)).await;
    assert_eq!(broker.log("orders", 0).end_offset(), 0);
}

#[tokio::test]
async fn topics_stay_as_they_are() {
    let broker = broker().await;
    let id = broker.topic_id("orders");
    refused(&broker, |_| MetadataRequest::default().with_topics(None)).await;
    refused(&broker, |_| {
        let topic = CreatableTopic::default().with_name(topic_name("new")).with_num_partitions(1);
        CreateTopicsRequest::default().with_topics(vec![topic.with_replication_factor(1)])
    })
    .await;
    refused(&broker, |version| {
        let request = DeleteTopicsRequest::default();
        if version >= 6 {
            request.with_topics(vec![DeleteTopicState::default().with_name(Some(topic_name("orders")))])
        } else {
            request.with_topic_names(vec![topic_name("orders")])
        }
    })
    .await;
    refused(&broker, |_| {
        let topic = CreatePartitionsTopic::default().with_name(topic_name("orders")).with_count(9);
        CreatePartitionsRequest::default().with_topics(vec![topic.with_assignments(None)])
    })
    .await;
    refused(&broker, |_| {
        let resource = DescribeConfigsResource::default().with_resource_type(2).with_resource_name(text("orders"));
        DescribeConfigsRequest::default().with_resources(vec![resource])
    })
    .await;
    refused(&broker, |_| {
        let change = AlterableConfig::default().with_name(text("max.message.bytes")).with_value(Some(text("1")));
        let resource = AlterConfigsResource::default().with_resource_type(2).with_resource_name(text("orders"));
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource.with_configs(vec![change])])
    })
    .await;
    refused(&broker, |_| DescribeClusterRequest::default()).await;
    refused(&broker, |_| {
        let request = ApiVersionsRequest::default().with_client_software_name(text("test"));
        request.with_client_software_version(text("1"))
    })
    .await;
    assert_eq!((broker.topic_id("orders"), broker.topic_id("new")), (id, None));
    assert_eq!(Client::of(&broker).write(0, "still small enough").await, 0);
    assert_eq!(broker.leader("orders", 8), None);
}

#[tokio::test]
async fn groups_stay_as_they_are() {
    let broker = broker().await;
    broker.commit("billing", "orders", 0, 5);
    refused(&broker, |version| {
        let request = FindCoordinatorRequest::default();
        if version >= 4 {
            request.with_coordinator_keys(vec![text("billing")])
        } else {
            request.with_key(text("billing"))
        }
    })
    .await;
    refused(&broker, |_| JoinGroupRequest::default().with_group_id(billing())).await;
    refused(&broker, |_| SyncGroupRequest::default().with_group_id(billing())).await;
    refused(&broker, |_| HeartbeatRequest::default().with_group_id(billing())).await;
    refused(&broker, |_| LeaveGroupRequest::default().with_group_id(billing())).await;
    refused(&broker, |_| ListGroupsRequest::default()).await;
    refused(&broker, |_| DescribeGroupsRequest::default().with_groups(vec![billing()])).await;
    refused(&broker, |_| DeleteGroupsRequest::default().with_groups_names(vec![billing()])).await;
    refused(&broker, |_| OffsetDeleteRequest::default().with_group_id(billing())).await;
    refused(&broker, |_| {
        let partition = OffsetCommitRequestPartition::default().with_committed_offset(9);
        let topic = OffsetCommitRequestTopic::default().with_name(topic_name("orders"));
        let request = OffsetCommitRequest::default().with_group_id(billing()).with_generation_id_or_member_epoch(-1);
        request.with_topics(vec![topic.with_partitions(vec![partition])])
    })
    .await;
    refused(&broker, |version| {
        if version >= 8 {
            let topic = OffsetFetchRequestTopics::default().with_name(topic_name("orders"));
            let group = OffsetFetchRequestGroup::default().with_group_id(billing());
            let group = group.with_topics(Some(vec![topic.with_partition_indexes(vec![0])]));
            return OffsetFetchRequest::default().with_groups(vec![group]);
        }
        let topic = OffsetFetchRequestTopic::default().with_name(topic_name("orders")).with_partition_indexes(vec![0]);
        OffsetFetchRequest::default().with_group_id(billing()).with_topics(Some(vec![topic]))
    })
    .await;
    assert_eq!(broker.committed("billing", "orders", 0).unwrap().offset, 5);
    assert_eq!(broker.group("billing").unwrap().members, []);
}
