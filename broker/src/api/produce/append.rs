//! One batch, into one partition's log.

use std::time::Duration;

use kafka_protocol::ResponseError;

use crate::api::fetch;
use crate::cluster::Cluster;
use crate::log::batch::{Batch, Refused};
use crate::log::producers::Verdict;
use crate::log::validate::validate;

/// Where a batch went, or where it was already.
pub(super) struct Appended {
    pub(super) base_offset: i64,
    /// The broker's time, with `LogAppendTime`; else -1.
    pub(super) time_ms: i64,
    pub(super) start_offset: i64,
}

/// The errors that say nothing of where the log starts: they come before it is looked at, or damage is all they tell.
const WITHOUT_START_OFFSET: [ResponseError; 6] = [
    ResponseError::CorruptMessage,
    ResponseError::InvalidRequiredAcks,
    ResponseError::MessageTooLarge,
    ResponseError::NotLeaderOrFollower,
    ResponseError::UnknownTopicId,
    ResponseError::UnknownTopicOrPartition,
];

/// Appends a batch, if its topic's rules and what is known of its producer allow it.
pub(super) fn append(
    cluster: &mut Cluster,
    node: i32,
    name: &str,
    index: i32,
    batch: Batch,
    now: Duration,
) -> Result<Appended, Refused> {
    try_append(cluster, node, name, index, batch, now).map_err(|refused| at_log(cluster, name, index, refused))
}

/// Says where the log starts that refused a batch, if the error is one that does: a producer learns whether its
/// records are gone.
pub(super) fn at_log(cluster: &Cluster, name: &str, index: i32, refused: Refused) -> Refused {
    let partition = cluster.topics.partition(name, index).filter(|_| !WITHOUT_START_OFFSET.contains(&refused.code));
    match partition {
        Some(partition) => Refused { start_offset: partition.log.start_offset(), ..refused },
        None => refused,
    }
}

fn try_append(
    cluster: &mut Cluster,
    node: i32,
    name: &str,
    index: i32,
    mut batch: Batch,
    now: Duration,
) -> Result<Appended, Refused> {
    let (keep, now_ms) = (!cluster.config.discard, cluster.config.wall_ms(now));
    let unknown = || Refused::new(ResponseError::UnknownTopicOrPartition, "There is no such partition");
    let topic = cluster.topics.get_mut(name).ok_or_else(unknown)?;
    let slot = usize::try_from(index).map_err(|_| unknown())?;
    let partition = topic.partitions.get_mut(slot).ok_or_else(unknown)?;
    if partition.leader != node {
        let message = format!("Node {node} is not the leader");
        return Err(Refused::new(ResponseError::NotLeaderOrFollower, message));
    }
    let limit = topic.config.max_message_bytes();
    if batch.size() > limit {
        let message = format!("The batch has {} bytes, max.message.bytes is {limit}", batch.size());
        return Err(Refused::new(ResponseError::MessageTooLarge, message));
    }
    if cluster.config.check_records {
        validate(&batch, &topic.config.record_rules(), now_ms)?;
    }
    let log = &mut partition.log;
    if batch.header.has_producer()
        && let Verdict::Duplicate(written) = log.producers.check(&batch.header, cluster.config.unknown_producer_ids)?
    {
        return Ok(Appended {
            base_offset: written.base_offset,
            time_ms: written.max_timestamp,
            start_offset: log.start_offset(),
        });
    }
    let mut time_ms = -1;
    if topic.config.is_log_append_time() {
        let Batch { header, body } = &mut batch;
        header.set_log_append_time(now_ms, body);
        time_ms = now_ms;
    }
    let base_offset = log.append(batch, partition.leader_epoch, keep);
    let appended = Appended { base_offset, time_ms, start_offset: log.start_offset() };
    let id = topic.id;
    fetch::wake(cluster, id, slot, now);
    Ok(appended)
}
