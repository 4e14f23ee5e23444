//! What readers are told of transactions, of the log's end and of producers.

use anyhow::Result;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    BrokerId, DescribeProducersRequest, DescribeTransactionsRequest, FetchRequest, ListOffsetsRequest, TransactionalId,
};
use real::call;

use super::producer::Producer;
use super::{Side, TRANSACTION, alike, name, topic_name};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const NEWEST: i64 = -3;
const HOUR: i64 = 3_600_000;

impl Side {
    /// Notes a fetch of partition 0.
    fn fetch(&mut self, offset: i64, isolation_level: i8) -> Result<()> {
        let partition = FetchPartition::default()
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20)
            .with_current_leader_epoch(-1);
        let topic = FetchTopic::default().with_topic(topic_name(&self.topic)).with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_max_bytes(1 << 20)
            .with_isolation_level(isolation_level)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let mut response = call(self.leader(0)?, 12, &request)?;
        let data = response.responses.remove(0).partitions.remove(0);
        let told: Option<Vec<(String, i64)>> = data.aborted_transactions.map(|aborted| {
            aborted.iter().map(|aborted| (self.producer_id(aborted.producer_id.0), aborted.first_offset)).collect()
        });
        let records = data.records.unwrap_or_default();
        self.note(format!(
            "fetch from {offset}, isolation {isolation_level}: {} high {} stable {} start {} aborted {told:?}: {:?}",
            name(data.error_code),
            data.high_watermark,
            data.last_stable_offset,
            data.log_start_offset,
            headers(&records)
        ));
        Ok(())
    }

    /// Notes what is listed for a time after the records', or for one of the special times.
    fn list(&mut self, isolation_level: i8, time: i64) -> Result<()> {
        let timestamp = if time < 0 { time } else { self.timestamp + time };
        let partition = ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1);
        let topic = ListOffsetsTopic::default().with_name(topic_name(&self.topic)).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        let request = request.with_isolation_level(isolation_level);
        let response = call(self.leader(0)?, 7, &request)?;
        let found = &response.topics[0].partitions[0];
        let code = name(found.error_code);
        self.note(format!("list {time}, isolation {isolation_level}: {code} {}", found.offset));
        Ok(())
    }

    fn describe(&mut self, producer: &Producer) -> Result<()> {
        let id = producer.transactional_id.clone().unwrap_or_default();
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![TransactionalId(id.clone())]);
        let mut response = call(self.coordinator(TRANSACTION, &id)?, 0, &request)?;
        let state = response.transaction_states.remove(0);
        let own = state.topics.iter().find(|topic| topic.topic.as_str() == self.topic);
        let partitions = own.map(|topic| topic.partitions.clone());
        let given = self.producer_id(state.producer_id.0);
        self.note(format!(
            "described: {} {} {given} epoch {} timeout {} partitions {partitions:?}",
            name(state.error_code),
            state.transaction_state,
            state.producer_epoch,
            state.transaction_timeout_ms
        ));
        let topic = TopicRequest::default().with_name(topic_name(&self.topic)).with_partition_indexes(vec![0]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        let mut response = call(self.leader(0)?, 0, &request)?;
        let partition = response.topics.remove(0).partitions.remove(0);
        let mut producers: Vec<String> = Vec::new();
        for known in partition.active_producers {
            let id = self.producer_id(known.producer_id.0);
            let (epoch, sequence, open) = (known.producer_epoch, known.last_sequence, known.current_txn_start_offset);
            producers.push(format!("{id}: epoch {epoch} last sequence {sequence} open from {open}"));
        }
        producers.sort();
        self.notes.extend(producers);
        Ok(())
    }
}

/// Of each batch: base offset, attributes, producer epoch, base sequence and, of a marker, key and value.
fn headers(mut records: &[u8]) -> Vec<(i64, i16, i16, i32, Vec<u8>)> {
    let mut headers = Vec::new();
    while records.len() >= 61 {
        let (head, number) = (records, |range: std::ops::Range<usize>| {
            records[range].iter().fold(0i64, |number, byte| (number << 8) | i64::from(*byte))
        });
        let attributes = number(21..23) as i16;
        let end = 12 + number(8..12) as usize;
        // A marker's coordinator epoch is Kafka's own affair.
        let marker = if attributes & 0x20 == 0 { Vec::new() } else { head[61..end - 5].to_vec() };
        headers.push((number(0..8), attributes, number(51..53) as i16, number(53..57) as i32, marker));
        records = &records[end.min(records.len())..];
    }
    headers
}

#[test]
fn readers_are_told_alike() -> Result<()> {
    for version in [11, 12] {
        alike(&[], |side| {
            let (first, second, third) = (side.producer("1")?, side.producer("2")?, side.producer("3")?);
            let end = if version < 12 { 4 } else { 5 };
            for (producer, sequence) in [(&first, 0), (&second, 0), (&third, 0), (&first, 1)] {
                if version < 12 {
                    side.add(3, producer, &[0])?;
                }
                side.write(version, producer, 0, sequence)?;
            }
            for isolation in [0, 1] {
                side.fetch(0, isolation)?;
                side.fetch(2, isolation)?;
                for timestamp in [LATEST, EARLIEST, NEWEST, 0, HOUR] {
                    side.list(isolation, timestamp)?;
                }
            }
            side.describe(&first)?;
            side.end_and_wait(end, &second, false)?;
            side.fetch(0, 1)?;
            side.end_and_wait(end, &third, true)?;
            side.list(1, LATEST)?;
            let next = side.end_and_wait(end, &first, false)?;
            for offset in 0..=7 {
                side.fetch(offset, 1)?;
            }
            side.fetch(8, 1)?;
            side.fetch(0, 0)?;
            side.list(1, LATEST)?;
            side.describe(&next)?;
            Ok(())
        })?;
    }
    Ok(())
}
