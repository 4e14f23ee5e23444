//! Transactions, through the requests of producers and of whoever reads what they wrote.

mod coordinator;
mod faults;
mod offsets;
mod producing;
mod reading;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse,
    ProduceRequest, ProducerId, TransactionalId,
};
use kafka_protocol::records::Record;
use ottla_broker::Broker;

use super::client::{Client, batch, produce, record, text, topic_name};

/// Which requests a producer uses: those before KIP-890, or those since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    V1,
    V2,
}

const BOTH: [Protocol; 2] = [Protocol::V1, Protocol::V2];

/// A transactional producer with one connection, to node 0.
struct Producer {
    client: Client,
    protocol: Protocol,
    transactional_id: &'static str,
    id: i64,
    epoch: i16,
    /// The next sequence number of partitions 0 and 1.
    sequences: [i32; 2],
}

fn init(transactional_id: &str) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(transactional_id))))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}

fn initialized(response: &InitProducerIdResponse) -> (i16, i64, i16) {
    (response.error_code, response.producer_id.0, response.producer_epoch)
}

/// A batch of one record in a transaction.
fn transactional(id: i64, epoch: i16, sequence: i32, value: &'static str) -> bytes::Bytes {
    batch(&[Record { transactional: true, producer_id: id, producer_epoch: epoch, sequence, ..record(value) }])
}

impl Producer {
    /// Initializes a producer.
    async fn of(broker: &Broker, transactional_id: &'static str, protocol: Protocol) -> Self {
        let mut client = Client::of(broker);
        let response = client.call(5, init(transactional_id)).await;
        assert_eq!(response.error_code, 0);
        let (id, epoch) = (response.producer_id.0, response.producer_epoch);
        Self { client, protocol, transactional_id, id, epoch, sequences: [0, 0] }
    }

    fn transactional_id(&self) -> TransactionalId {
        TransactionalId(text(self.transactional_id))
    }

    /// Adds partitions of `orders`, as the older protocol wants it. Returns each one's error.
    async fn add(&mut self, partitions: &[i32]) -> Vec<i16> {
        let topic = AddPartitionsToTxnTopic::default().with_name(topic_name("orders"));
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.transactional_id())
            .with_v3_and_below_producer_id(ProducerId(self.id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic.with_partitions(partitions.to_vec())]);
        let response = self.client.call(3, request).await;
        let results = &response.results_by_topic_v3_and_below[0].results_by_partition;
        results.iter().map(|result| result.partition_error_code).collect()
    }

    /// The Produce request for the next record of a partition of `orders`, and its version.
    fn next(&self, partition: i32, value: &'static str) -> (i16, ProduceRequest) {
        let sequence = self.sequences[usize::try_from(partition).unwrap()];
        let batch = transactional(self.id, self.epoch, sequence, value);
        let request = produce("orders", partition, batch).with_transactional_id(Some(self.transactional_id()));
        (if self.protocol == Protocol::V1 { 11 } else { 12 }, request)
    }

    /// Sends the next record to a partition of `orders` and returns the answer, whatever it is.
    async fn try_write(&mut self, partition: i32, value: &'static str) -> PartitionProduceResponse {
        let (version, request) = self.next(partition, value);
        let answer = self.client.call(version, request).await.responses.remove(0).partition_responses.remove(0);
        if answer.error_code == 0 {
            self.sequences[usize::try_from(partition).unwrap()] += 1;
        }
        answer
    }

    /// Writes a record to a partition of `orders`, which it adds first if its protocol wants so.
    async fn write(&mut self, partition: i32, value: &'static str) {
        if self.protocol == Protocol::V1 {
            assert_eq!(self.add(&[partition]).await, [0]);
        }
        let answer = self.try_write(partition, value).await;
        assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
    }

    fn end_request(&self, is_commit: bool) -> (i16, EndTxnRequest) {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(is_commit);
        (if self.protocol == Protocol::V1 { 4 } else { 5 }, request)
    }

    /// Asks for the end of the transaction and returns the answer, whatever it is; takes over the new epoch.
    async fn try_end(&mut self, is_commit: bool) -> EndTxnResponse {
        let (version, request) = self.end_request(is_commit);
        let response = self.client.call(version, request).await;
        if self.protocol == Protocol::V2 && response.error_code == 0 {
            (self.id, self.epoch) = (response.producer_id.0, response.producer_epoch);
            self.sequences = [0, 0];
        }
        response
    }

    async fn end(&mut self, is_commit: bool) {
        assert_eq!(self.try_end(is_commit).await.error_code, 0);
    }

    async fn commit(&mut self) {
        self.end(true).await;
    }

    async fn abort(&mut self) {
        self.end(false).await;
    }
}

fn code(error: ResponseError) -> i16 {
    error.code()
}
