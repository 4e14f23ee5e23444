//! A producer whose every request can be sent as it never would.

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest, ProduceRequest,
    ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use real::{call, until};

use super::{PATIENCE, Side, TRANSACTION, name, topic_name};

/// Who sends: nothing of it is kept in step by itself.
#[derive(Clone, Debug)]
pub(super) struct Producer {
    /// Without one it is only idempotent.
    pub(super) transactional_id: Option<StrBytes>,
    pub(super) id: i64,
    pub(super) epoch: i16,
}

impl Side {
    /// Initializes a producer, as whom the request says it was before.
    pub(super) fn init(
        &mut self,
        version: i16,
        transactional_id: &str,
        expected: (i64, i16),
        timeout_ms: i32,
    ) -> Result<Producer> {
        let id = self.own(transactional_id);
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(id.clone())))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(expected.0))
            .with_producer_epoch(expected.1);
        let response = self.ask(TRANSACTION, &id, version, &request, |response| response.error_code)?;
        let producer =
            Producer { transactional_id: Some(id), id: response.producer_id.0, epoch: response.producer_epoch };
        let given = self.producer_id(producer.id);
        self.note(format!("init v{version}: {} {given} epoch {}", name(response.error_code), producer.epoch));
        Ok(producer)
    }

    /// A new producer with this transactional id.
    pub(super) fn producer(&mut self, transactional_id: &str) -> Result<Producer> {
        self.init(5, transactional_id, (-1, -1), 60_000)
    }

    /// A batch of records with these values: in a transaction if it has an id and `transactional`.
    pub(super) fn batch(&self, producer: &Producer, sequence: i32, values: &[&str], transactional: bool) -> Bytes {
        let record = |(place, value): (i64, &&str)| Record {
            transactional,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            timestamp_type: TimestampType::Creation,
            offset: place,
            sequence: sequence.wrapping_add(i32::try_from(place).unwrap_or(0)),
            timestamp: self.timestamp,
            key: None,
            value: Some(Bytes::from(value.to_string())),
            headers: IndexMap::new(),
        };
        let records: Vec<Record> = (0..).zip(values).map(record).collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap_or_default();
        bytes.freeze()
    }

    /// Sends a batch to a partition and notes the answer.
    pub(super) fn produce(
        &mut self,
        version: i16,
        transactional_id: Option<&StrBytes>,
        partition: i32,
        batch: Bytes,
    ) -> Result<i16> {
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
        let topic = TopicProduceData::default().with_name(topic_name(&self.topic)).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_transactional_id(transactional_id.cloned().map(TransactionalId))
            .with_topic_data(vec![topic]);
        let code = |response: &kafka_protocol::messages::ProduceResponse| {
            response.responses[0].partition_responses[0].error_code
        };
        let response = self.ask_leader(partition, version, &request, code)?;
        let answer = &response.responses[0].partition_responses[0];
        let blamed: Vec<i32> = answer.record_errors.iter().map(|error| error.batch_index).collect();
        self.note(format!(
            "produce v{version} to {partition}: {} offset {} start {} blames {blamed:?}",
            name(answer.error_code),
            answer.base_offset,
            answer.log_start_offset
        ));
        Ok(answer.error_code)
    }

    /// Sends one record in a transaction, as a producer of the version's protocol.
    pub(super) fn write(&mut self, version: i16, producer: &Producer, partition: i32, sequence: i32) -> Result<i16> {
        let batch = self.batch(producer, sequence, &["value"], true);
        self.produce(version, producer.transactional_id.as_ref(), partition, batch)
    }

    /// Adds partitions of the topic to a transaction and notes the answer.
    pub(super) fn add(&mut self, version: i16, producer: &Producer, partitions: &[i32]) -> Result<()> {
        let id = producer.transactional_id.clone().unwrap_or_default();
        let topic = AddPartitionsToTxnTopic::default().with_name(topic_name(&self.topic));
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(TransactionalId(id.clone()))
            .with_v3_and_below_producer_id(ProducerId(producer.id))
            .with_v3_and_below_producer_epoch(producer.epoch)
            .with_v3_and_below_topics(vec![topic.with_partitions(partitions.to_vec())]);
        let code = |response: &kafka_protocol::messages::AddPartitionsToTxnResponse| {
            response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
        };
        let response = self.ask(TRANSACTION, &id, version, &request, code)?;
        let mut codes: Vec<(i32, String)> = response.results_by_topic_v3_and_below[0]
            .results_by_partition
            .iter()
            .map(|result| (result.partition_index, name(result.partition_error_code)))
            .collect();
        codes.sort();
        self.note(format!("add v{version}: {codes:?}"));
        Ok(())
    }

    /// Ends a transaction, notes the answer and returns the producer as it goes on.
    pub(super) fn end(&mut self, version: i16, producer: &Producer, is_commit: bool) -> Result<Producer> {
        let id = producer.transactional_id.clone().unwrap_or_default();
        let request = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(id.clone()))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_committed(is_commit);
        let response = self.ask(TRANSACTION, &id, version, &request, |response| response.error_code)?;
        let mut next = producer.clone();
        let mut note = format!("end v{version} commit {is_commit}: {}", name(response.error_code));
        if version >= 5 {
            let given = self.producer_id(response.producer_id.0);
            note += &format!(" {given} epoch {}", response.producer_epoch);
            if response.error_code == 0 {
                (next.id, next.epoch) = (response.producer_id.0, response.producer_epoch);
            }
        }
        self.note(note);
        Ok(next)
    }

    /// Ends a transaction and waits until all markers are written.
    pub(super) fn end_and_wait(&mut self, version: i16, producer: &Producer, is_commit: bool) -> Result<Producer> {
        let next = self.end(version, producer, is_commit)?;
        self.until_complete(producer)?;
        Ok(next)
    }

    /// Waits until the producer's transaction has ended, by itself or because it was asked to.
    pub(super) fn until_complete(&self, producer: &Producer) -> Result<()> {
        let id = producer.transactional_id.clone().unwrap_or_default();
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![TransactionalId(id.clone())]);
        let coordinator = self.coordinator(TRANSACTION, &id)?;
        until("the end", PATIENCE, || {
            let described = call(coordinator, 0, &request)?;
            Ok(described.transaction_states[0].transaction_state.starts_with("Complete").then_some(()))
        })
    }
}
