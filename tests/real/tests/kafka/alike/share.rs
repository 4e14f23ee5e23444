//! Share groups: sessions, acquired records and acknowledgements (KIP-932).

use anyhow::{Context, Result, ensure};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::share_acknowledge_request::{self, AcknowledgePartition, AcknowledgeTopic};
use kafka_protocol::messages::share_fetch_request::{AcknowledgementBatch, FetchPartition, FetchTopic};
use kafka_protocol::messages::{
    GroupId, IncrementalAlterConfigsRequest, MetadataRequest, ShareAcknowledgeRequest, ShareFetchRequest,
    ShareFetchResponse, ShareGroupHeartbeatRequest,
};
use kafka_protocol::protocol::StrBytes;
use real::{Connection, call, until};

use super::producer::Producer;
use super::{GROUP, PATIENCE, Side, alike, name, text, topic_name};

const V1: i16 = 1;
const GROUP_RESOURCE: i8 = 32;

const GAP: i8 = 0;
const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;
const REJECT: i8 = 3;

/// One who is not idempotent.
const ANYONE: Producer = Producer { transactional_id: None, id: -1, epoch: -1 };

/// What a member says of records of partition 0: first and last offset, and kinds.
type Said<'a> = (i64, i64, &'a [i8]);

impl Side {
    /// The scenario's group reads from the beginning.
    fn share_group(&self) -> Result<StrBytes> {
        let group = self.own("share");
        let setting = |name, value| {
            AlterableConfig::default().with_name(text(name)).with_value(Some(text(value))).with_config_operation(0)
        };
        let resource = AlterConfigsResource::default()
            .with_resource_type(GROUP_RESOURCE)
            .with_resource_name(group.clone())
            .with_configs(vec![setting("share.auto.offset.reset", "earliest")]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let response = call(self.bootstrap, 1, &request)?;
        ensure!(response.responses[0].error_code == 0, "{:?}", response.responses[0].error_message);
        Ok(group)
    }

    /// The scenario's topic, by its id.
    fn by_id(&self) -> Result<FetchTopic> {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(&self.topic)));
        let metadata = call(self.bootstrap, 12, &MetadataRequest::default().with_topics(Some(vec![topic])))?;
        Ok(FetchTopic::default().with_topic_id(metadata.topics[0].topic_id))
    }

    /// Heartbeats and notes the answer, but for the assignment, which Kafka gives when it is ready.
    fn share_beat(&mut self, group: &StrBytes, member: &str, epoch: i32, subscribes: bool) -> Result<i32> {
        let topics = subscribes.then(|| vec![topic_name(&self.topic)]);
        let request = ShareGroupHeartbeatRequest::default()
            .with_group_id(GroupId(group.clone()))
            .with_member_id(text(member))
            .with_member_epoch(epoch)
            .with_subscribed_topic_names(topics);
        let response = self.ask(GROUP, group, V1, &request, |response| response.error_code)?;
        let member = response.member_id.as_ref().map(StrBytes::as_str);
        self.note(format!(
            "beat: {} {member:?} left {} interval {}",
            name(response.error_code),
            response.member_epoch < 0,
            response.heartbeat_interval_ms
        ));
        Ok(response.member_epoch)
    }

    /// Joins, and waits until the member has partitions.
    fn join(&mut self, group: &StrBytes, member: &str) -> Result<()> {
        let mut epoch = self.share_beat(group, member, 0, true)?;
        let coordinator = self.coordinator(GROUP, group)?;
        until("an assignment", PATIENCE, || {
            let request = ShareGroupHeartbeatRequest::default()
                .with_group_id(GroupId(group.clone()))
                .with_member_id(text(member))
                .with_member_epoch(epoch)
                .with_subscribed_topic_names(Some(vec![topic_name(&self.topic)]));
            let response = call(coordinator, V1, &request)?;
            epoch = response.member_epoch;
            Ok(response.assignment.filter(|assignment| !assignment.topic_partitions.is_empty()).map(|_| ()))
        })
    }

    /// A connection to the leader of partition 0, always the same: with it a member's session would end.
    fn connection(&mut self) -> Result<&mut Connection> {
        if self.connection.is_none() {
            self.connection = Some(Connection::to(self.leader(0)?)?);
        }
        self.connection.as_mut().context("a connection")
    }

    fn put_shared(&mut self, values: &[&str]) -> Result<()> {
        let batch = self.batch(&ANYONE, -1, values, false);
        self.produce(9, None, 0, batch).map(|_| ())
    }

    /// Fetches partition 0 for a member within its session, and notes the answer.
    fn share(&mut self, group: &StrBytes, member: &str, epoch: i32, said: &[Said<'_>], records: i32) -> Result<()> {
        let batch = |(first, last, kinds): &Said<'_>| {
            let batch = AcknowledgementBatch::default().with_first_offset(*first).with_last_offset(*last);
            batch.with_acknowledge_types(kinds.to_vec())
        };
        let partition = FetchPartition::default()
            .with_partition_max_bytes(1 << 20)
            .with_acknowledgement_batches(said.iter().map(batch).collect());
        let topic = self.by_id()?.with_partitions(vec![partition]);
        let request = ShareFetchRequest::default()
            .with_group_id(Some(GroupId(group.clone())))
            .with_member_id(Some(text(member)))
            .with_share_session_epoch(epoch)
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_max_records(records)
            .with_batch_size(500)
            .with_topics(vec![topic]);
        let response = self.connection()?.call(V1, &request)?;
        self.note(format!("share of {member}, epoch {epoch}, {said:?}: {}", shown(&response)));
        Ok(())
    }

    fn acknowledge(&mut self, group: &StrBytes, member: &str, epoch: i32, said: &[Said<'_>]) -> Result<()> {
        let batch = |(first, last, kinds): &Said<'_>| {
            let batch = share_acknowledge_request::AcknowledgementBatch::default();
            batch.with_first_offset(*first).with_last_offset(*last).with_acknowledge_types(kinds.to_vec())
        };
        let partition = AcknowledgePartition::default().with_acknowledgement_batches(said.iter().map(batch).collect());
        let topic = AcknowledgeTopic::default().with_topic_id(self.by_id()?.topic_id).with_partitions(vec![partition]);
        let request = ShareAcknowledgeRequest::default()
            .with_group_id(Some(GroupId(group.clone())))
            .with_member_id(Some(text(member)))
            .with_share_session_epoch(epoch)
            .with_topics(vec![topic]);
        let response = self.connection()?.call(V1, &request)?;
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        let told: Vec<String> = partitions.map(|partition| name(partition.error_code)).collect();
        let code = name(response.error_code);
        self.note(format!("acknowledgement of {member}, epoch {epoch}, {said:?}: {code} {told:?}"));
        Ok(())
    }
}

/// An answer: the error, and of each partition the errors, what was acquired and the bytes.
fn shown(response: &ShareFetchResponse) -> String {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let told = partitions.map(|partition| {
        let ranges = partition.acquired_records.iter();
        let ranges: Vec<(i64, i64, i16)> =
            ranges.map(|range| (range.first_offset, range.last_offset, range.delivery_count)).collect();
        let codes = (name(partition.error_code), name(partition.acknowledge_error_code));
        let bytes = partition.records.as_ref().map_or(0, bytes::Bytes::len);
        format!("{}: {codes:?} {ranges:?} {bytes} bytes", partition.partition_index)
    });
    format!("{} {:?}", name(response.error_code), told.collect::<Vec<_>>())
}

#[test]
fn records_are_shared_alike() -> Result<()> {
    alike(&[], |side| {
        let group = side.share_group()?;
        side.join(&group, "a")?;
        side.put_shared(&["tea", "milk"])?;
        side.put_shared(&["sugar", "water"])?;
        side.share(&group, "a", 0, &[], 1)?;
        side.share(&group, "b", 0, &[], 10)?;
        side.acknowledge(&group, "a", 1, &[(2, 3, &[ACCEPT])])?;
        side.acknowledge(&group, "a", 2, &[(0, 9, &[ACCEPT])])?;
        side.acknowledge(&group, "a", 3, &[(1, 0, &[ACCEPT])])?;
        side.acknowledge(&group, "a", 4, &[(0, 1, &[ACCEPT, REJECT, GAP])])?;
        side.acknowledge(&group, "a", 5, &[(0, 1, &[7])])?;
        side.acknowledge(&group, "a", 6, &[(0, 1, &[ACCEPT, RELEASE])])?;
        side.acknowledge(&group, "a", 7, &[(0, 1, &[ACCEPT])])?;
        side.share(&group, "b", 1, &[(2, 3, &[REJECT])], 10)?;
        side.share(&group, "b", 2, &[(1, 1, &[RELEASE])], 10)?;
        side.share(&group, "b", 3, &[(1, 1, &[ACCEPT])], 10)?;
        side.share(&group, "b", -1, &[], 10)?;
        side.share(&group, "b", 4, &[], 10)?;
        Ok(())
    })
}

#[test]
fn share_sessions_are_alike() -> Result<()> {
    alike(&[], |side| {
        let group = side.share_group()?;
        side.join(&group, "a")?;
        side.share(&group, "a", 1, &[], 10)?;
        side.share(&group, "a", -1, &[], 10)?;
        side.share(&group, "a", 0, &[(0, 0, &[ACCEPT])], 10)?;
        side.put_shared(&["tea"])?;
        side.share(&group, "a", 0, &[], 10)?;
        side.share(&group, "a", 2, &[], 10)?;
        side.acknowledge(&group, "a", 0, &[(0, 0, &[ACCEPT])])?;
        side.acknowledge(&group, "a", 3, &[(0, 0, &[ACCEPT])])?;
        side.acknowledge(&group, "b", 1, &[(0, 0, &[ACCEPT])])?;
        side.acknowledge(&group, "a", -1, &[(0, 0, &[RELEASE])])?;
        side.share(&group, "a", 1, &[], 10)?;
        side.share(&group, "a", 0, &[], 10)?;
        side.share(&group, "", 0, &[], 10)?;
        Ok(())
    })
}

#[test]
fn heartbeats_of_share_groups_are_alike() -> Result<()> {
    alike(&[], |side| {
        let group = side.share_group()?;
        side.share_beat(&group, "a", 1, false)?;
        side.share_beat(&group, "a", 0, false)?;
        side.share_beat(&group, "a", -2, false)?;
        let epoch = side.share_beat(&group, "a", 0, true)?;
        side.share_beat(&group, "a", epoch + 100, false)?;
        side.share_beat(&group, "b", 1, false)?;
        side.share_beat(&group, "b", -1, false)?;
        side.share_beat(&group, "", 0, true)?;
        side.share_beat(&group, "a", -1, false)?;
        side.share_beat(&group, "a", -1, false)?;
        Ok(())
    })
}
