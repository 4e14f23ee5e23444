//! Connections: order, limits, sockets.

use kafka_protocol::messages::{ApiVersionsRequest, ListGroupsRequest};
use ottla_broker::{ApiKey, Broker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Client, batch, broker, produce, record};

#[tokio::test]
async fn requests_in_a_row_are_answered_in_their_order() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    let mut sent = Vec::new();
    for _ in 0..50 {
        sent.push(client.send(9, produce("orders", 0, batch(&[record("tea")]))).await);
    }
    for (expected, offset) in sent.into_iter().zip(0..) {
        let (answered, response) = client.receive::<kafka_protocol::messages::ProduceRequest>(9).await.unwrap();
        assert_eq!(answered, expected);
        assert_eq!(response.responses[0].partition_responses[0].base_offset, offset);
    }
}

#[tokio::test]
async fn what_is_no_request_ends_the_connection() {
    let broker = broker().await;
    for frame in [&b""[..], b"short", b"\x7f\xff\0\0\0\0\0\x01", b"\0\x12\0\x03\0\0\0\x01"] {
        let mut client = Client::of(&broker);
        client.send_frame(frame).await;
        assert!(client.is_closed().await, "{frame:?}");
    }
}

#[tokio::test]
async fn a_frame_over_100_mib_ends_the_connection() {
    let broker = broker().await;
    let mut pipe = broker.node(0).connect().unwrap();
    pipe.write_u32(100 * 1024 * 1024 + 1).await.unwrap();
    assert_eq!(pipe.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_socket_serves_as_well() {
    let broker = Broker::start().topic("orders", 1).await;
    let mut socket = tokio::net::TcpStream::connect(broker.address()).await.unwrap();
    // ApiVersions v0, correlation id 7, no client id.
    socket.write_all(b"\0\0\0\x0a\0\x12\0\0\0\0\0\x07\xff\xff").await.unwrap();
    let length = socket.read_u32().await.unwrap();
    let mut frame = vec![0; usize::try_from(length).unwrap()];
    socket.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[..6], [0, 0, 0, 7, 0, 0], "correlation id 7, no error");
}

#[tokio::test]
async fn every_node_has_a_name_in_memory() {
    let broker = Broker::builder().nodes(2).in_memory_only().await;
    assert_eq!(broker.addresses(), ["node-0.ottla:9092", "node-1.ottla:9092"]);
    assert_eq!(broker.address(), "node-0.ottla:9092,node-1.ottla:9092");
    assert!(broker.connect("node-1.ottla:9092").is_ok());
    assert_eq!(broker.connect("node-2.ottla:9092").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let listening = Broker::start().await;
    assert!(listening.connect(&listening.address()).is_ok(), "what clients are told leads there too");
    assert!(listening.connect("node-0.ottla:9092").is_ok());
}

#[tokio::test]
async fn clients_are_told_what_is_advertised() {
    let broker = Broker::builder().nodes(2).advertised("kafka.example", 19_092).await;
    assert_eq!(broker.addresses(), ["kafka.example:19092", "kafka.example:19093"]);
}

#[tokio::test]
async fn an_address_that_cant_be_had_is_an_error() {
    let taken = Broker::start().await;
    let error = Broker::builder().listen(taken.address()).try_start().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(Broker::builder().in_memory_only().topic("a b", 1).try_start().await.is_err());
    let without = Broker::builder().listen(taken.address()).await;
    assert_eq!(without.address(), "node-0.ottla:9092", "awaited, it starts in memory");
}

#[tokio::test]
async fn requests_are_remembered_as_many_as_asked_for() {
    let broker = Broker::builder().in_memory_only().requests_kept(2).await;
    let mut client = Client::of(&broker);
    client.call(0, ApiVersionsRequest::default()).await;
    client.call(0, ApiVersionsRequest::default()).await;
    client.call(4, ListGroupsRequest::default()).await;
    assert_eq!(broker.seen([]), "ApiVersions ListGroups");
    let last = broker.requests().pop().unwrap();
    assert_eq!((last.api, last.version, last.node, &*last.client_id), (ApiKey::ListGroups, 4, 0, "test"));
    broker.forget_requests();
    assert_eq!(broker.count(ApiKey::ListGroups), 0);
}

#[tokio::test]
async fn a_run_can_be_repeated_from_its_seed() {
    let id = async |seed| Broker::builder().in_memory_only().seed(seed).topic("orders", 1).await.topic_id("orders");
    assert_eq!(id(7).await, id(7).await);
    assert_ne!(id(7).await, id(8).await);
}

#[tokio::test]
async fn a_broker_that_is_dropped_ends_its_connections() {
    let broker = broker().await;
    let mut client = Client::of(&broker);
    client.call(0, ApiVersionsRequest::default()).await;
    drop(broker);
    assert!(client.is_closed().await);
}
