//! Topics, configurations and what else an administrator asks for.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeClusterRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, MetadataRequest,
};
use ottla_broker::Broker;
use uuid::Uuid;

use super::client::{Client, broker, text, topic_name};

fn new_topic(name: &str) -> CreatableTopic {
    CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(3).with_replication_factor(-1)
}

#[tokio::test]
async fn topics_are_created_as_asked() {
    let broker = Broker::builder().in_memory_only().nodes(2).await;
    let mut client = Client::of(&broker);
    for version in 2..=7 {
        let name = format!("topic-{version}");
        let config = CreatableTopicConfig::default().with_name(text("retention.ms")).with_value(Some(text("1000")));
        let topic = new_topic(&name).with_configs(vec![config]);
        let response = client.call(version, CreateTopicsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(response.topics[0].error_code, 0, "version {version}");
        if version >= 5 {
            assert_eq!((response.topics[0].num_partitions, response.topics[0].replication_factor), (3, 2));
            let configs = response.topics[0].configs.as_ref().unwrap();
            assert!(configs.iter().any(|config| config.name == *"retention.ms" && config.value == Some(text("1000"))));
        }
        let described = client.metadata(&name).await;
        let leaders: Vec<i32> = described.topics[0].partitions.iter().map(|partition| partition.leader_id.0).collect();
        assert_eq!(leaders, [0, 1, 0], "spread over the nodes");
    }
}

#[tokio::test]
async fn replicas_may_be_assigned() {
    let broker = Broker::builder().in_memory_only().nodes(3).await;
    let mut client = Client::of(&broker);
    let replicas = |partition, ids: [i32; 2]| {
        let assignment = CreatableReplicaAssignment::default().with_partition_index(partition);
        assignment.with_broker_ids(ids.map(BrokerId).to_vec())
    };
    let topic = new_topic("assigned").with_num_partitions(-1);
    let topic = topic.with_assignments(vec![replicas(1, [0, 1]), replicas(0, [2, 0])]);
    let response = client.call(7, CreateTopicsRequest::default().with_topics(vec![topic])).await;
    assert_eq!(response.topics[0].error_code, 0);
    assert_eq!(broker.leader("assigned", 0), Some(2));
    assert_eq!(broker.leader("assigned", 1), Some(0));
}

#[tokio::test]
async fn topics_that_cant_be_are_refused() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let unknown_config = CreatableTopicConfig::default().with_name(text("colour")).with_value(Some(text("red")));
    let cases = [
        (new_topic("orders"), ResponseError::TopicAlreadyExists),
        (new_topic("a b"), ResponseError::InvalidTopicException),
        (new_topic("none").with_num_partitions(0), ResponseError::InvalidPartitions),
        (new_topic("many").with_replication_factor(2), ResponseError::InvalidReplicationFactor),
        (new_topic("red").with_configs(vec![unknown_config]), ResponseError::InvalidConfig),
    ];
    for (topic, expected) in cases {
        let response = client.call(7, CreateTopicsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(response.topics[0].error_code, expected.code(), "{expected}");
        assert!(response.topics[0].error_message.is_some());
    }
    let twice = CreateTopicsRequest::default().with_topics(vec![new_topic("new"), new_topic("new")]);
    let response = client.call(7, twice).await;
    assert!(response.topics.iter().all(|topic| topic.error_code == ResponseError::InvalidRequest.code()));
    let only_checked = CreateTopicsRequest::default().with_topics(vec![new_topic("new")]).with_validate_only(true);
    assert_eq!(client.call(7, only_checked).await.topics[0].error_code, 0);
    assert_eq!(broker.topic_id("new"), None);
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_by_id() {
    let broker = broker().await;
    broker.create_topic("teas", 1).unwrap();
    let mut client = Client::of(&broker);
    let by_name = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("orders"), topic_name("none")]);
    let response = client.call(5, by_name).await;
    let codes: Vec<i16> = response.responses.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [0, ResponseError::UnknownTopicOrPartition.code()]);

    let id = Uuid::from_u128(broker.topic_id("teas").unwrap());
    let by_id = |id| {
        let topic = DeleteTopicState::default().with_name(None).with_topic_id(id);
        DeleteTopicsRequest::default().with_topics(vec![topic])
    };
    let response = client.call(6, by_id(id)).await;
    assert_eq!((response.responses[0].error_code, response.responses[0].name.clone()), (0, Some(topic_name("teas"))));
    let response = client.call(6, by_id(id)).await;
    assert_eq!(response.responses[0].error_code, ResponseError::UnknownTopicId.code());
}

#[tokio::test]
async fn metadata_is_for_all_for_some_or_for_none() {
    let broker = broker().await;
    broker.create_topic("teas", 1).unwrap();
    let mut client = Client::of(&broker);
    let topics = |topics| MetadataRequest::default().with_topics(topics);
    assert_eq!(client.call(0, topics(Some(vec![]))).await.topics.len(), 2, "version 0 knows no null");
    for version in 1..=13 {
        assert_eq!(client.call(version, topics(None)).await.topics.len(), 2);
        assert_eq!(client.call(version, topics(Some(vec![]))).await.topics.len(), 0);
    }
    let id = Uuid::from_u128(broker.topic_id("teas").unwrap());
    let by_id = |id| topics(Some(vec![MetadataRequestTopic::default().with_name(None).with_topic_id(id)]));
    let found = client.call(12, by_id(id)).await;
    assert_eq!(found.topics[0].name, Some(topic_name("teas")));
    let unknown = client.call(12, by_id(Uuid::from_u128(1))).await;
    assert_eq!(unknown.topics[0].error_code, ResponseError::UnknownTopicId.code());
}

#[tokio::test]
async fn a_topic_is_created_when_first_asked_for_if_both_sides_allow_it() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let ask = |allow| {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name("new")));
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(allow)
    };
    let response = client.call(12, ask(false)).await;
    assert_eq!(response.topics[0].error_code, ResponseError::UnknownTopicOrPartition.code());
    let response = client.call(12, ask(true)).await;
    assert_eq!((response.topics[0].error_code, response.topics[0].partitions.len()), (0, 1));

    let strict = Broker::builder().in_memory_only().auto_create_topics(false).await;
    let response = Client::of(&strict).call(12, ask(true)).await;
    assert_eq!(response.topics[0].error_code, ResponseError::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn partitions_can_be_added_but_not_taken() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let mut grow = async |count| {
        let topic = CreatePartitionsTopic::default().with_name(topic_name("orders")).with_count(count);
        let topic = topic.with_assignments(None);
        client.call(3, CreatePartitionsRequest::default().with_topics(vec![topic])).await.results[0].error_code
    };
    assert_eq!(grow(4).await, 0);
    assert_eq!(grow(3).await, ResponseError::InvalidPartitions.code());
    assert_eq!(broker.leader("orders", 3), Some(0));
}

#[tokio::test]
async fn records_are_deleted_up_to_an_offset() {
    let broker = broker().await;
    broker.append("orders", 0, ["tea", "milk"]).unwrap();
    let mut client = Client::of(&broker);
    let mut delete = async |offset| {
        let asked = DeleteRecordsPartition::default().with_partition_index(0).with_offset(offset);
        let topic = DeleteRecordsTopic::default().with_name(topic_name("orders")).with_partitions(vec![asked]);
        let response = client.call(2, DeleteRecordsRequest::default().with_topics(vec![topic])).await;
        let result = &response.topics[0].partitions[0];
        (result.error_code, result.low_watermark)
    };
    assert_eq!(delete(3).await, (ResponseError::OffsetOutOfRange.code(), -1));
    assert_eq!(delete(1).await, (0, 1));
    assert_eq!(broker.log("orders", 0).values(), ["milk"]);
    assert_eq!(delete(-1).await, (0, 2));
}

#[tokio::test]
async fn configurations_are_shown_and_changed() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let change = AlterableConfig::default().with_name(text("max.message.bytes")).with_value(Some(text("100")));
    let resource = AlterConfigsResource::default().with_resource_type(2).with_resource_name(text("orders"));
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource.with_configs(vec![change])]);
    assert_eq!(client.call(1, request).await.responses[0].error_code, 0);

    let resource = |kind, name: &str| {
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    };
    let resources = vec![resource(2, "orders"), resource(4, "0"), resource(2, "none")];
    let response = client.call(4, DescribeConfigsRequest::default().with_resources(resources)).await;
    let changed = response.results[0].configs.iter().find(|config| config.name == *"max.message.bytes").unwrap();
    assert_eq!((changed.value.clone(), changed.config_source), (Some(text("100")), 1));
    assert!(response.results[1].configs.iter().any(|config| config.name == *"num.partitions"));
    assert_eq!(response.results[2].error_code, ResponseError::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn the_cluster_is_described() {
    let broker = Broker::builder().in_memory_only().nodes(3).await;
    let response = Client::of(&broker).call(2, DescribeClusterRequest::default().with_endpoint_type(1)).await;
    let hosts: Vec<String> = response.brokers.iter().map(|node| format!("{}:{}", node.host, node.port)).collect();
    assert_eq!(hosts, broker.addresses());
    assert_eq!(response.controller_id, 0);
}
