//! A client of the least kind: one connection, one request at a time or several in a row.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    ApiKey, MetadataRequest, MetadataResponse, ProduceRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use ottla_broker::Broker;

/// One connection.
pub(crate) struct Client {
    stream: DuplexStream,
    correlation_id: i32,
}

/// A broker with one node, reachable in memory alone, and topic `orders` of two partitions.
pub(crate) async fn broker() -> Broker {
    Broker::builder().in_memory_only().seed(1).topic("orders", 2).await
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

impl Client {
    pub(crate) fn of(broker: &Broker) -> Self {
        Self::of_node(broker, 0)
    }

    pub(crate) fn of_node(broker: &Broker, node: i32) -> Self {
        Self::over(broker.node(node).connect().unwrap())
    }

    pub(crate) fn over(stream: DuplexStream) -> Self {
        Self { stream, correlation_id: 0 }
    }

    /// Sends a request and returns its correlation id.
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: R) -> i32 {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        self.send_body(R::KEY, version, R::header_version(version), &body).await
    }

    /// Sends an encoded request.
    pub(crate) async fn send_body(&mut self, key: i16, version: i16, header_version: i16, body: &[u8]) -> i32 {
        self.correlation_id += 1;
        let mut frame = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(key)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(text("test")))
            .encode(&mut frame, header_version)
            .unwrap();
        frame.put_slice(body);
        self.send_frame(&frame).await;
        self.correlation_id
    }

    pub(crate) async fn send_frame(&mut self, frame: &[u8]) {
        self.stream.write_u32(u32::try_from(frame.len()).unwrap()).await.unwrap();
        self.stream.write_all(frame).await.unwrap();
    }

    /// The next answer's frame; `None` if the connection is closed.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let length = self.stream.read_u32().await.ok()?;
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame.into())
    }

    /// The next answer, which must be to a request of this type and version, with its correlation id.
    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> Option<(i32, R::Response)> {
        let mut frame = self.receive_frame().await?;
        let header = ResponseHeader::decode(&mut frame, R::Response::header_version(version)).unwrap();
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(!frame.has_remaining(), "{} bytes follow the answer to API {} v{version}", frame.len(), R::KEY);
        Some((header.correlation_id, response))
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: R) -> R::Response {
        let sent = self.send(version, request).await;
        let (answered, response) = self.receive::<R>(version).await.expect("the connection is open");
        assert_eq!(answered, sent);
        response
    }

    /// True if the broker has closed the connection, or soon does so without another answer.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let soon = Duration::from_secs(10);
        tokio::time::timeout(soon, self.receive_frame()).await.is_ok_and(|frame| frame.is_none())
    }

    pub(crate) async fn metadata(&mut self, topic: &str) -> MetadataResponse {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
        self.call(12, MetadataRequest::default().with_topics(Some(vec![topic]))).await
    }

    /// Produces one batch to `orders`.
    pub(crate) async fn produce(&mut self, partition: i32, batch: Bytes) -> PartitionProduceResponse {
        let mut response = self.call(12, produce("orders", partition, batch)).await;
        response.responses.remove(0).partition_responses.remove(0)
    }

    /// Produces one record to `orders` and returns its offset.
    pub(crate) async fn write(&mut self, partition: i32, value: &'static str) -> i64 {
        let produced = self.produce(partition, batch(&[record(value)])).await;
        assert_eq!(produced.error_code, 0);
        produced.base_offset
    }
}

pub(crate) fn produce(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(1_000).with_topic_data(vec![topic])
}

/// A record for [`batch`]: offsets and sequences are its place in the batch.
pub(crate) fn record(value: &'static str) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp: 1_000,
        key: None,
        value: Some(Bytes::from_static(value.as_bytes())),
        headers: IndexMap::new(),
    }
}

pub(crate) fn batch(records: &[Record]) -> Bytes {
    let mut records = records.to_vec();
    for (place, record) in (0..).zip(&mut records) {
        record.offset = place;
        // The encoder begins a new batch where sequences don't keep pace, producer or not.
        record.sequence += i32::try_from(place).unwrap();
    }
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    bytes.freeze()
}

/// A batch of one record of an idempotent producer.
pub(crate) fn numbered(producer_id: i64, epoch: i16, sequence: i32) -> Bytes {
    batch(&[Record { producer_id, producer_epoch: epoch, sequence, ..record("numbered") }])
}

/// The versions the broker offers of an API.
pub(crate) async fn offered(client: &mut Client, api: ApiKey) -> Option<(i16, i16)> {
    let response = client.call(0, kafka_protocol::messages::ApiVersionsRequest::default()).await;
    let found = response.api_keys.iter().find(|offered| offered.api_key == api as i16);
    found.map(|offered| (offered.min_version, offered.max_version))
}
