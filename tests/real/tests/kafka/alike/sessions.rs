//! Fetch sessions and leader epochs.

use anyhow::Result;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, OffsetForLeaderEpochRequest};
use real::call;

use super::producer::Producer;
use super::{Side, alike, name, topic_name};

/// Names topics by name.
const NAMES: i16 = 12;

/// One who is not idempotent.
const ANYONE: Producer = Producer { transactional_id: None, id: -1, epoch: -1 };

/// What a session is asked.
#[derive(Default)]
struct Ask<'a> {
    /// Partitions and offsets.
    wanted: &'a [(i32, i64)],
    forgotten: &'a [i32],
    /// Epochs: the current leader's, and the last fetched record's.
    epochs: Option<(i32, i32)>,
}

impl Side {
    fn put(&mut self, values: &[&str]) -> Result<()> {
        let batch = self.batch(&ANYONE, -1, values, false);
        self.produce(9, None, 0, batch).map(|_| ())
    }

    /// Asks the leader of partition 0 within a session, notes the answer and returns the session's id.
    fn ask_session(&mut self, version: i16, (id, epoch): (i32, i32), ask: &Ask<'_>) -> Result<i32> {
        let (current, fetched) = ask.epochs.unwrap_or((-1, -1));
        let partition = |(partition, offset): &(i32, i64)| {
            FetchPartition::default()
                .with_partition(*partition)
                .with_fetch_offset(*offset)
                .with_partition_max_bytes(1 << 20)
                .with_current_leader_epoch(current)
                .with_last_fetched_epoch(fetched)
        };
        let mut request = FetchRequest::default()
            .with_max_bytes(1 << 20)
            .with_min_bytes(1)
            .with_session_id(id)
            .with_session_epoch(epoch);
        if !ask.wanted.is_empty() {
            let topic = FetchTopic::default().with_topic(topic_name(&self.topic));
            request.topics.push(topic.with_partitions(ask.wanted.iter().map(partition).collect()));
        }
        if !ask.forgotten.is_empty() {
            let topic = ForgottenTopic::default().with_topic(topic_name(&self.topic));
            request.forgotten_topics_data.push(topic.with_partitions(ask.forgotten.to_vec()));
        }
        let response = call(self.leader(0)?, version, &request)?;
        let session = match response.session_id {
            0 => "none",
            answered if answered == id => "the same",
            _ => "a new one",
        };
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        let told: Vec<String> = partitions
            .map(|partition| {
                format!(
                    "{}: {} high {} start {} diverging {} {} bytes {}",
                    partition.partition_index,
                    name(partition.error_code),
                    partition.high_watermark,
                    partition.log_start_offset,
                    partition.diverging_epoch.epoch,
                    partition.diverging_epoch.end_offset,
                    partition.records.as_ref().map_or(0, bytes::Bytes::len)
                )
            })
            .collect();
        self.note(format!("fetch v{version} epoch {epoch}: {} session {session} {told:?}", name(response.error_code)));
        Ok(response.session_id)
    }

    /// Notes where an epoch ended.
    fn end_of_epoch(&mut self, partition: i32, current: i32, epoch: i32) -> Result<()> {
        let asked = OffsetForLeaderPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(current)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default().with_topic(topic_name(&self.topic)).with_partitions(vec![asked]);
        let request = OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        let response = call(self.leader(0)?, 4, &request)?;
        let answer = &response.topics[0].partitions[0];
        let (code, told) = (name(answer.error_code), (answer.leader_epoch, answer.end_offset));
        self.note(format!("epoch {epoch} of {partition} under {current}: {code} {told:?}"));
        Ok(())
    }
}

#[test]
fn fetch_sessions_are_alike() -> Result<()> {
    alike(&[], |side| {
        let wanted = |wanted| Ask { wanted, ..Ask::default() };
        let id = side.ask_session(NAMES, (0, 0), &wanted(&[(0, 0)]))?;
        side.ask_session(NAMES, (id, 1), &Ask::default())?;
        side.put(&["tea", "milk"])?;
        side.ask_session(NAMES, (id, 2), &Ask::default())?;
        side.ask_session(NAMES, (id, 3), &wanted(&[(0, 2)]))?;
        side.ask_session(NAMES, (id, 3), &Ask::default())?;
        side.ask_session(13, (id, 4), &Ask::default())?;
        side.ask_session(NAMES, (id, 4), &wanted(&[(0, 9)]))?;
        side.ask_session(NAMES, (id, 5), &Ask::default())?;
        side.ask_session(NAMES, (id, 6), &wanted(&[(0, 2), (7, 0)]))?;
        side.ask_session(NAMES, (id, 7), &Ask { forgotten: &[7], ..Ask::default() })?;
        side.ask_session(NAMES, (id, 8), &Ask { forgotten: &[0], ..Ask::default() })?;
        side.ask_session(NAMES, (id, 9), &Ask::default())?;
        side.ask_session(NAMES, (0, 5), &Ask::default())?;
        Ok(())
    })
}

#[test]
fn the_ends_of_fetch_sessions_are_alike() -> Result<()> {
    alike(&[], |side| {
        let first = Ask { wanted: &[(0, 0)], ..Ask::default() };
        let id = side.ask_session(NAMES, (0, 0), &first)?;
        let id = side.ask_session(NAMES, (id, 0), &first)?;
        side.ask_session(NAMES, (id, -1), &Ask::default())?;
        side.ask_session(NAMES, (id, 1), &Ask::default())?;
        side.ask_session(NAMES, (0, -1), &first)?;
        side.ask_session(NAMES, (0, 0), &Ask { wanted: &[(0, 1), (0, 0)], ..Ask::default() })?;
        Ok(())
    })
}

#[test]
fn leader_epochs_are_alike() -> Result<()> {
    alike(&[], |side| {
        side.put(&["tea", "milk"])?;
        for epoch in [0, 1, -1] {
            side.end_of_epoch(0, 0, epoch)?;
        }
        side.end_of_epoch(0, 1, 0)?;
        side.end_of_epoch(0, -1, 0)?;
        side.end_of_epoch(9, 0, 0)?;
        for (offset, current, fetched) in
            [(0, 0, 0), (2, 0, 0), (3, 0, 0), (9, -1, 0), (0, 1, -1), (0, 0, 5), (9, 0, -1)]
        {
            let ask = Ask { wanted: &[(0, offset)], epochs: Some((current, fetched)), ..Ask::default() };
            side.ask_session(NAMES, (0, -1), &ask)?;
        }
        Ok(())
    })
}
