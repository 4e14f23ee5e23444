//! Nodes that stop, start, hang, and leaders that move.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiVersionsRequest, ProduceRequest};
use ottla_broker::{ApiKey, Broker};

use super::client::{Client, batch, produce, record};

async fn three_nodes() -> Broker {
    Broker::builder().in_memory_only().nodes(3).topic("orders", 1).await
}

#[tokio::test]
async fn the_old_leader_says_who_leads_now() {
    let broker = three_nodes().await;
    let (mut old, mut new) = (Client::of_node(&broker, 0), Client::of_node(&broker, 2));
    old.write(0, "tea").await;
    broker.move_leader("orders", 0, 2).unwrap();
    let response = old.call(10, produce("orders", 0, batch(&[record("milk")]))).await;
    let refused = &response.responses[0].partition_responses[0];
    assert_eq!(refused.error_code, ResponseError::NotLeaderOrFollower.code());
    assert_eq!((refused.current_leader.leader_id.0, refused.current_leader.leader_epoch), (2, 1));
    assert_eq!(response.node_endpoints[0].host, *"node-2.ottla");
    assert_eq!(new.write(0, "milk").await, 1, "the log is the same");
    assert_eq!(broker.log("orders", 0).batches()[1].leader_epoch(), 1);
}

#[tokio::test]
async fn another_replica_leads_when_a_node_stops() {
    let broker = three_nodes().await;
    let mut broken = Client::of_node(&broker, 0);
    broken.call(0, ApiVersionsRequest::default()).await;
    broker.node(0).stop().await;
    assert!(broken.is_closed().await);
    assert_eq!(broker.node(0).connect().unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);

    let mut client = Client::of_node(&broker, 1);
    let metadata = client.metadata("orders").await;
    let partition = &metadata.topics[0].partitions[0];
    assert_eq!((partition.leader_id.0, partition.leader_epoch), (1, 1));
    assert_eq!(partition.offline_replicas, [kafka_protocol::messages::BrokerId(0)]);
    assert_eq!(metadata.brokers.len(), 2);
    assert_eq!(metadata.controller_id, 1);
    broker.node(0).start().await.unwrap();
    assert_eq!(client.metadata("orders").await.brokers.len(), 3);
    assert_eq!(broker.leader("orders", 0), Some(1), "it doesn't take its lead back");
}

#[tokio::test]
async fn nobody_leads_while_the_only_replica_is_down() {
    let broker = Broker::builder().in_memory_only().nodes(2).replication_factor(1).topic("orders", 1).await;
    broker.node(0).stop().await;
    assert_eq!(broker.leader("orders", 0), None);
    let metadata = Client::of_node(&broker, 1).metadata("orders").await;
    let partition = &metadata.topics[0].partitions[0];
    assert_eq!((partition.leader_id.0, partition.error_code), (-1, ResponseError::LeaderNotAvailable.code()));
    broker.node(0).restart().await.unwrap();
    assert_eq!(broker.leader("orders", 0), Some(0));
}

#[tokio::test]
async fn a_node_comes_back_on_its_port() {
    let broker = Broker::start().await;
    let address = broker.address();
    broker.node(0).stop().await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
    broker.node(0).start().await.unwrap();
    assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
    assert_eq!(broker.address(), address);
}

#[tokio::test]
async fn connections_may_break_while_the_node_stays_up() {
    let broker = three_nodes().await;
    let mut client = Client::of(&broker);
    client.call(0, ApiVersionsRequest::default()).await;
    broker.node(0).disconnect_clients().await.unwrap();
    assert!(client.is_closed().await);
    assert_eq!(Client::of(&broker).write(0, "tea").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_does_everything_later() {
    let broker = three_nodes().await;
    let mut client = Client::of(&broker);
    broker.node(0).pause();
    client.send(9, produce("orders", 0, batch(&[record("tea")]))).await;
    broker.until_seen(ApiKey::Produce, 1).await;
    assert!(tokio::time::timeout(Duration::from_secs(60), client.receive_frame()).await.is_err());
    assert!(broker.log("orders", 0).is_empty());

    broker.move_leader("orders", 0, 1).unwrap();
    broker.node(0).resume();
    let (_, response) = client.receive::<ProduceRequest>(9).await.unwrap();
    assert_eq!(
        response.responses[0].partition_responses[0].error_code,
        ResponseError::NotLeaderOrFollower.code(),
        "by then another leads"
    );
}
