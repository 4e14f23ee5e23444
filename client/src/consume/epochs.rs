//! Whether a new leader has what was read of the one before (KIP-320), OffsetForLeaderEpoch.
//!
//! ```text
//! leader's epoch rose ──► "where does epoch e end?" ──► behind what was read: go on
//!                                                   └──► before it: the log was cut, and what was read is not in it
//! ```
//!
//! What is asked about is the end of what is buffered: as long as that is in the log, so is all before it.

use std::collections::BTreeMap;

use ottla_wire::Code;
use ottla_wire::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use ottla_wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use tokio::time::Instant;

use super::position::{EpochQuery, Place, Position};
use super::state::State;
use crate::error::{Error, Kind};

/// The first version that a consumer may ask as much as it may read.
pub(super) const FIRST_VERSION: i16 = 3;
/// As a consumer asks; a follower would give its id.
const CONSUMER: i32 = -1;

/// Where an epoch ends in a leader's log: that epoch, or the last one before it, and the offset behind it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct EpochEnd {
    /// -1 if the leader knows of none.
    pub(super) epoch: i32,
    /// -1 if the leader knows of none.
    pub(super) offset: i64,
}

/// Asks one broker about partitions that it leads.
pub(super) fn request(queries: &[EpochQuery]) -> OffsetForLeaderEpochRequest {
    let mut topics: Vec<OffsetForLeaderTopic> = Vec::new();
    for query in queries {
        let partition = OffsetForLeaderPartition {
            partition: query.partition.partition,
            current_leader_epoch: query.leader_epoch,
            leader_epoch: query.epoch,
        };
        match topics.last_mut().filter(|topic| *topic.topic == *query.partition.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => {
                let topic = (&*query.partition.topic).into();
                topics.push(OffsetForLeaderTopic { topic, partitions: vec![partition] });
            }
        }
    }
    OffsetForLeaderEpochRequest { replica_id: CONSUMER, topics }
}

/// What the answer says to each of `queries`; what it leaves out may be asked again.
pub(super) fn read<'a>(
    queries: &'a [EpochQuery],
    response: &'a OffsetForLeaderEpochResponse,
) -> Vec<Result<EpochEnd, Code>> {
    let mut found = BTreeMap::new();
    for topic in &response.topics {
        for answer in &topic.partitions {
            let end = EpochEnd { epoch: answer.leader_epoch, offset: answer.end_offset };
            let outcome = if answer.error_code.is_none() { Ok(end) } else { Err(answer.error_code) };
            found.insert((&*topic.topic, answer.partition), outcome);
        }
    }
    let key = |query: &'a EpochQuery| (&*query.partition.topic, query.partition.partition);
    queries.iter().map(|query| found.remove(&key(query)).unwrap_or(Err(Code::UnknownTopicOrPartition))).collect()
}

impl State {
    /// What a leader says of an epoch. True if metadata is not up to date.
    pub(super) fn on_epoch(&mut self, query: &EpochQuery, answer: Result<EpochEnd, Code>, now: Instant) -> bool {
        let Some(assigned) = self.positions.current(&query.partition, query.stamp) else { return false };
        if assigned.leader.is_none_or(|leader| leader.epoch != query.leader_epoch) {
            // Another leads by now, and is asked itself.
            return false;
        }
        assigned.asked = false;
        if (assigned.fetch_offset, assigned.fetch_epoch) != (query.offset, query.epoch) {
            // More came from the leader before: that is asked about.
            return false;
        }
        match answer {
            Ok(end) if end.epoch < 0 || end.offset < query.offset => {
                self.on_diverged(query, end, now);
                false
            }
            Ok(_) => {
                assigned.recovered();
                assigned.valid_for = query.leader_epoch;
                false
            }
            Err(code @ Code::TopicAuthorizationFailed) => {
                let error = Error::broker(code, format!("leader epoch of {}", query.partition));
                self.fault(&query.partition, error, now);
                false
            }
            // Nothing is known of the log by that: the position stays (edge 43).
            Err(code) => {
                tracing::debug!(partition = %query.partition, %code, "position not validated");
                assigned.failed(now, &mut self.jitter);
                true
            }
        }
    }

    /// The leader cannot be asked: its log is taken for the one that was read, as before there were epochs.
    pub(super) fn on_epochs_unsupported(&mut self, queries: &[EpochQuery]) {
        for query in queries {
            if let Some(assigned) = self.positions.current(&query.partition, query.stamp) {
                assigned.asked = false;
                assigned.recovered();
                assigned.valid_for = query.leader_epoch;
            }
        }
    }

    /// The log of a partition's leader parts from the one that was read, at `end` if that is known.
    pub(super) fn on_diverged(&mut self, query: &EpochQuery, end: EpochEnd, now: Instant) {
        let partition = &query.partition;
        let reset = self.reset_timestamp();
        let Some(assigned) = self.positions.get_mut(partition) else { return };
        let Some(position) = assigned.position() else { return };
        if position.offset != query.offset {
            // It may be that only what nobody was handed out yet is not there any more.
            tracing::info!(%partition, offset = query.offset, "what was fetched is not in the log any more");
            self.positions.drop_fetched(partition);
            return;
        }
        let diverging =
            (end.epoch >= 0 && end.offset >= 0).then_some(Position { offset: end.offset, epoch: end.epoch });
        match (reset, diverging) {
            (Some(_), Some(diverging)) => {
                tracing::warn!(%partition, position = position.offset, to = diverging.offset, "the log was truncated");
                self.positions.start_over(partition, Place::At(diverging));
                if let Some(assigned) = self.positions.get_mut(partition) {
                    assigned.valid_for = query.leader_epoch;
                }
            }
            (Some(timestamp), None) => {
                tracing::warn!(%partition, position = position.offset, "the log was truncated, nobody knows where");
                self.positions.start_over(partition, Place::Asking(timestamp));
            }
            (None, diverging) => {
                let diverging_offset = diverging.map(|diverging| diverging.offset);
                let shown = diverging_offset.map_or("not known".to_owned(), |offset| offset.to_string());
                let context = format!(
                    "{partition}: the log was truncated below the position {}, the offset where it parts from what was \
                     read is {shown}, and `auto.offset.reset` is `none`; `seek` to go on",
                    position.offset
                );
                let kind = Kind::LogTruncation { position: position.offset, diverging_offset };
                self.fault(partition, Error::new(kind, context), now);
            }
        }
    }
}
