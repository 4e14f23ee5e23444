//! Groups whose coordinator assigns (KIP-848).
//!
//! Kafka computes a target at most once a second, and looks patterns up aside. So a scenario beats until a member has
//! come to an epoch, and notes what it was told then.

use anyhow::{Context, Result, ensure};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, DeleteGroupsRequest,
    DescribeGroupsRequest, GroupId, ListGroupsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
};
use kafka_protocol::protocol::StrBytes;
use real::{call, until};

use super::{GROUP, PATIENCE, Side, alike, name, text, topic_name};

/// What a member says of its partitions.
type Owned<'a> = Option<&'a [i32]>;

const SILENT: Owned<'static> = None;

impl Side {
    /// None of the topic's partitions, under its id.
    fn no_partitions(&self) -> Result<TopicPartitions> {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(&self.topic)));
        let metadata = call(self.bootstrap, 12, &MetadataRequest::default().with_topics(Some(vec![topic])))?;
        let id = metadata.topics.first().context("the topic")?.topic_id;
        Ok(TopicPartitions::default().with_topic_id(id))
    }

    fn joining(&self, member: &str) -> ConsumerGroupHeartbeatRequest {
        self.beating(member, 0)
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(vec![topic_name(&self.topic)]))
            .with_topic_partitions(Some(Vec::new()))
    }

    fn beating(&self, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(self.own("group")))
            .with_member_id(text(member))
            .with_member_epoch(epoch)
    }

    fn owning(
        &self,
        request: ConsumerGroupHeartbeatRequest,
        owned: Owned<'_>,
    ) -> Result<ConsumerGroupHeartbeatRequest> {
        let Some(owned) = owned else { return Ok(request) };
        let topic = self.no_partitions()?.with_partitions(owned.to_vec());
        Ok(request.with_topic_partitions(Some(if owned.is_empty() { Vec::new() } else { vec![topic] })))
    }

    /// Waits until the group's coordinator knows the topic, and leaves no group behind.
    fn scout(&self) -> Result<()> {
        let group = self.own("group");
        let mut epoch = 0;
        until("the topic", PATIENCE, || {
            let request = if epoch == 0 { self.joining("scout") } else { self.beating("scout", epoch) };
            let told = self.send(1, &request)?;
            epoch = told.member_epoch;
            Ok(assigned(&told).filter(|partitions| partitions.len() == 2))
        })?;
        self.send(1, &self.beating("scout", -1))?;
        let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(group.clone())]);
        let deleted = self.ask(GROUP, &group, 2, &request, |response| response.results[0].error_code)?;
        ensure!(deleted.results[0].error_code == 0, "{}", name(deleted.results[0].error_code));
        Ok(())
    }

    fn send(&self, version: i16, request: &ConsumerGroupHeartbeatRequest) -> Result<ConsumerGroupHeartbeatResponse> {
        self.ask(GROUP, &self.own("group"), version, request, |response| response.error_code)
    }

    /// Beats once and notes the answer.
    fn beat(&mut self, what: &str, version: i16, request: &ConsumerGroupHeartbeatRequest) -> Result<()> {
        let told = self.send(version, request)?;
        self.note(format!("{what}: {}", describe(&told)));
        Ok(())
    }

    /// Beats until a member has come to an epoch; notes what it was told last of its partitions on the way.
    fn come_to(&mut self, member: &str, from: i32, to: i32, owned: Owned<'_>) -> Result<()> {
        let mut partitions = None;
        let mut epoch = from;
        until("the epoch", PATIENCE, || {
            let told = self.send(1, &self.owning(self.beating(member, epoch), owned)?)?;
            ensure!(told.error_code == 0, "{member}: {}", describe(&told));
            partitions = assigned(&told).or_else(|| partitions.take());
            epoch = told.member_epoch;
            Ok((told.member_epoch == to).then_some(()))
        })?;
        self.note(format!("{member} came to epoch {to}: {partitions:?}"));
        Ok(())
    }

    /// Beats until a member is told of other partitions at the epoch it is at.
    fn told(&mut self, member: &str, epoch: i32) -> Result<()> {
        let partitions = until("partitions", PATIENCE, || {
            let told = self.send(1, &self.beating(member, epoch))?;
            ensure!(told.error_code == 0, "{member}: {}", describe(&told));
            Ok(assigned(&told))
        })?;
        self.note(format!("{member} is told at epoch {epoch}: {partitions:?}"));
        Ok(())
    }

    fn commit(&mut self, version: i16, member: &str, epoch: i32, partition: i32) -> Result<()> {
        let committed = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(5)
            .with_committed_metadata(Some(text("")));
        let topic = OffsetCommitRequestTopic::default().with_name(topic_name(&self.topic));
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(self.own("group")))
            .with_member_id(text(member))
            .with_generation_id_or_member_epoch(epoch)
            .with_topics(vec![topic.with_partitions(vec![committed])]);
        let code =
            |response: &kafka_protocol::messages::OffsetCommitResponse| response.topics[0].partitions[0].error_code;
        let response = self.ask(GROUP, &self.own("group"), version, &request, code)?;
        self.note(format!("commit v{version} of {member} at {epoch} for {partition}: {}", name(code(&response))));
        Ok(())
    }

    fn fetch_offsets(&mut self, member: Option<&str>, epoch: i32) -> Result<()> {
        let topic =
            OffsetFetchRequestTopics::default().with_name(topic_name(&self.topic)).with_partition_indexes(vec![0]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(self.own("group")))
            .with_member_id(member.map(text))
            .with_member_epoch(epoch)
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let response = self.ask(GROUP, &self.own("group"), 9, &request, |response| response.groups[0].error_code)?;
        let group = &response.groups[0];
        let offsets: Vec<i64> = group
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|partition| partition.committed_offset))
            .collect();
        self.note(format!("offsets for {member:?} at {epoch}: {} {offsets:?}", name(group.error_code)));
        Ok(())
    }

    /// Notes how the group is described and listed.
    fn look(&mut self) -> Result<()> {
        let group = self.own("group");
        for version in 0..=1 {
            let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(group.clone())]);
            let mut response = self.ask(GROUP, &group, version, &request, |response| response.groups[0].error_code)?;
            let described = &mut response.groups[0];
            described.members.sort_by(|one, other| one.member_id.cmp(&other.member_id));
            let members: Vec<String> = described
                .members
                .iter()
                .map(|member| {
                    let partitions =
                        |assignment: &kafka_protocol::messages::consumer_group_describe_response::Assignment| {
                            let topics = assignment.topic_partitions.iter();
                            topics.flat_map(|topic| topic.partitions.clone()).collect::<Vec<_>>()
                        };
                    format!(
                        "{} {:?} at {} has {:?} is to have {:?} by {:?} type {}",
                        member.member_id.as_str(),
                        member.instance_id,
                        member.member_epoch,
                        partitions(&member.assignment),
                        partitions(&member.target_assignment),
                        member.subscribed_topic_regex.as_ref().map(|pattern| pattern.replace(&self.topic, "TOPIC")),
                        member.member_type,
                    )
                })
                .collect();
            self.note(format!(
                "described v{version}: {} {} {} {} {} {members:?}",
                name(described.error_code),
                described.group_state.as_str(),
                described.group_epoch,
                described.assignment_epoch,
                described.assignor_name.as_str(),
            ));
        }
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(group.clone())]);
        let response = self.ask(GROUP, &group, 6, &request, |response| response.groups[0].error_code)?;
        self.note(format!("as a classic group: {}", name(response.groups[0].error_code)));
        let listed = call(self.coordinator(GROUP, &group)?, 5, &ListGroupsRequest::default())?.groups;
        let listed = listed.iter().find(|listed| listed.group_id.0 == group).context("the group")?;
        let fields = [&listed.group_state, &listed.group_type, &listed.protocol_type].map(StrBytes::as_str);
        self.note(format!("listed: {fields:?}"));
        Ok(())
    }
}

fn assigned(told: &ConsumerGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let assignment = told.assignment.as_ref()?;
    let mut partitions: Vec<i32> =
        assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.clone()).collect();
    partitions.sort_unstable();
    Some(partitions)
}

fn describe(told: &ConsumerGroupHeartbeatResponse) -> String {
    format!(
        "{} epoch {} interval {} {:?} named {}",
        name(told.error_code),
        told.member_epoch,
        told.heartbeat_interval_ms,
        assigned(told),
        told.member_id.is_some(),
    )
}

#[test]
fn a_second_member_is_given_what_the_first_has_let_go_of() -> Result<()> {
    alike(&[], |side| {
        side.scout()?;
        side.beat("a joins", 1, &side.joining("a"))?;
        side.beat("a again", 1, &side.beating("a", 2))?;
        let full = side.owning(side.joining("a").with_member_epoch(2), Some(&[0, 1]))?;
        side.beat("a says everything", 1, &full)?;
        let joined = side.send(1, &side.joining("b"))?;
        side.note(format!("b joins: {} {:?}", name(joined.error_code), assigned(&joined)));
        side.come_to("b", joined.member_epoch, 3, SILENT)?;
        side.told("a", 2)?;
        side.look()?;
        side.beat("b waits", 1, &side.beating("b", 3))?;
        let still = side.owning(side.beating("a", 2), Some(&[0, 1]))?;
        side.beat("a still has both", 1, &still)?;
        side.commit(9, "a", 2, 1)?;
        side.come_to("a", 2, 3, Some(&[0]))?;
        side.told("b", 3)?;
        side.look()?;

        for (member, epoch, partition) in [("a", 3, 0), ("a", 3, 1), ("a", 2, 0), ("a", 2, 1), ("a", 4, 0)] {
            side.commit(9, member, epoch, partition)?;
        }
        side.commit(9, "b", 2, 1)?;
        side.commit(9, "who", 3, 0)?;
        side.commit(9, "", -1, 0)?;
        side.commit(8, "a", 3, 0)?;
        for (member, epoch) in [(None, -1), (Some("a"), 3), (Some("a"), 2), (Some("who"), 3), (Some("a"), -1)] {
            side.fetch_offsets(member, epoch)?;
        }

        side.beat("a at an epoch to come", 1, &side.beating("a", 4))?;
        side.beat("a long ago", 1, &side.beating("a", 1))?;
        side.beat("a at the epoch before, silent", 1, &side.beating("a", 2))?;
        let foreign = side.owning(side.beating("a", 2), Some(&[0, 1]))?;
        side.beat("a at the epoch before, with what is b's", 1, &foreign)?;
        let own = side.owning(side.beating("a", 2), Some(&[0]))?;
        side.beat("a at the epoch before", 1, &own)?;
        side.beat("a joins once more", 1, &side.joining("a"))?;
        side.beat("who", 1, &side.beating("who", 3))?;
        side.beat("a leaves", 1, &side.beating("a", -1))?;
        side.beat("a is gone", 1, &side.beating("a", 3))?;
        side.come_to("b", 3, 4, SILENT)?;
        side.beat("b leaves", 1, &side.beating("b", -1))?;
        side.beat("b leaves twice", 1, &side.beating("b", -1))?;
        side.look()?;
        side.commit(9, "", -1, 0)
    })
}

#[test]
fn offsets_in_transactions_are_for_members_at_their_epoch() -> Result<()> {
    alike(&[], |side| {
        side.scout()?;
        side.beat("a joins", 1, &side.joining("a"))?;
        let producer = side.producer("tx")?;
        for (offset, member) in (1..).zip([("a", 2), ("a", 1), ("a", 3), ("who", 2), ("", -1), ("", 2)]) {
            side.commit_offset(5, &producer, 0, offset, member)?;
        }
        side.committed(false)?;
        side.end_and_wait(5, &producer, true)?;
        side.committed(true)
    })
}

#[test]
fn static_members_come_back() -> Result<()> {
    alike(&[], |side| {
        side.scout()?;
        let instance = |request: ConsumerGroupHeartbeatRequest| request.with_instance_id(Some(text("i")));
        side.beat("a joins", 1, &instance(side.joining("a")))?;
        side.beat("b takes its place", 1, &instance(side.joining("b")))?;
        side.beat("a joins again", 1, &instance(side.joining("a")))?;
        side.beat("b is it", 1, &instance(side.beating("b", 2)))?;
        side.beat("another instance", 1, &side.beating("a", 2).with_instance_id(Some(text("j"))))?;
        side.beat("b leaves for it", 1, &instance(side.beating("b", -2)))?;
        side.beat("a leaves for a while", 1, &instance(side.beating("a", -2)))?;
        side.look()?;
        side.beat("a is away", 1, &instance(side.beating("a", 2)))?;
        side.beat("b comes", 1, &instance(side.joining("b")))?;
        side.beat("a is replaced", 1, &instance(side.beating("a", 2)))?;
        side.beat("a leaves", 1, &instance(side.beating("a", -1)))?;
        side.commit(9, "b", 2, 0)?;
        side.look()?;
        side.beat("b leaves", 1, &instance(side.beating("b", -1)))?;
        side.look()
    })
}

#[test]
fn what_makes_no_sense_is_refused_alike() -> Result<()> {
    alike(&[], |side| {
        side.scout()?;
        let join = side.joining("a");
        let requests = [
            ("no id", 1, side.joining("")),
            ("no group", 1, join.clone().with_group_id(GroupId::default())),
            ("a blank instance", 1, join.clone().with_instance_id(Some(text(" ")))),
            ("an empty rack", 1, join.clone().with_rack_id(Some(text("")))),
            ("no timeout", 1, join.clone().with_rebalance_timeout_ms(-1)),
            ("no partitions", 1, join.clone().with_topic_partitions(None)),
            ("partitions", 1, side.owning(join.clone(), Some(&[0]))?),
            ("no subscription", 1, join.clone().with_subscribed_topic_names(None)),
            ("no instance", 1, side.beating("a", -2)),
            ("no epoch", 1, side.beating("a", -3)),
            ("no assignor", 1, join.clone().with_server_assignor(Some(text("best")))),
            ("no pattern", 1, join.clone().with_subscribed_topic_regex(Some(text("(")))),
            ("no such group", 1, side.beating("a", 1)),
            ("no such group to leave", 1, side.beating("a", -1)),
            ("an id is given", 0, side.joining("")),
            ("the range assignor", 1, side.joining("a").with_server_assignor(Some(text("range")))),
        ];
        for (what, version, request) in &requests {
            let told = if request.group_id.is_empty() {
                call(side.bootstrap, *version, request)?
            } else {
                side.send(*version, request)?
            };
            side.note(format!("{what}: {}", name(told.error_code)));
        }
        Ok(())
    })
}

#[test]
fn patterns_match_whole_names() -> Result<()> {
    alike(&[], |side| {
        side.scout()?;
        let pattern = |side: &Side, pattern: &str| {
            side.joining("a").with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text(pattern)))
        };
        let all = format!("{}|none", side.topic);
        side.beat("a joins", 1, &pattern(side, &all))?;
        side.come_to("a", 1, 2, SILENT)?;
        side.look()?;
        let nothing = side.beating("a", 2).with_subscribed_topic_regex(Some(text("")));
        let told = side.send(1, &nothing)?;
        side.note(format!("a subscribes to nothing: {} {:?}", name(told.error_code), assigned(&told)));
        side.come_to("a", 2, 3, Some(&[]))?;
        let part = side.topic.get(1..).unwrap_or_default().to_owned();
        let again = side.beating("a", 3).with_subscribed_topic_regex(Some(text(&part)));
        let told = side.send(1, &again)?;
        side.note(format!("a subscribes to a part of the name: {} {:?}", name(told.error_code), assigned(&told)));
        Ok(())
    })
}
