//! A member of a classic group that says only what a test has it say, so that a rebalance stands still where the test
//! wants it to.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Result, anyhow, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition as Assigned;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, GroupId, JoinGroupRequest, JoinGroupResponse,
    SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::Encodable;
use ottla::GroupState;
use real::call;

use super::{Group, Member, poll, poll_until, text};

/// What members tell each other is in this version of its encoding.
const ENCODING: i16 = 1;

/// How long the group waits for it, and it for the group, in ms: less than a request of the tests may take.
const PATIENCE_MS: i32 = 9_000;

/// One that joins and syncs when told to. It sends no heartbeats: a test is over before its session is.
pub(super) struct Scripted<'a> {
    group: &'a Group<'a>,
    topic: String,
    join: JoinGroupRequest,
    generation: i32,
    /// Of all members, where it leads.
    members: Vec<String>,
}

impl<'a> Scripted<'a> {
    /// The first member of a group, its leader until it leaves, which wants a topic and gets nothing of it at first.
    pub(super) fn first(group: &'a Group<'a>, assignor: &str, topic: &str) -> Result<Self> {
        let mut member = Self::new(group, assignor, topic, "")?;
        let joined = member.joining()?.answer()?;
        member.joined(&joined)?;
        ensure!(joined.leader == joined.member_id, "it is not the first");
        member.sync(&[])?;
        Ok(member)
    }

    /// One that speaks as the member of this id, if it is not empty, and as a new one else.
    pub(super) fn new(group: &'a Group<'a>, assignor: &str, topic: &str, id: &str) -> Result<Self> {
        let wanted = ConsumerProtocolSubscription::default().with_topics(vec![text(topic)]);
        let offered = JoinGroupRequestProtocol::default()
            .with_name(text(assignor))
            .with_metadata(encoded(|bytes| wanted.encode(bytes, ENCODING))?);
        let mut join_request = JoinGroupRequest::default()
            .with_group_id(GroupId(text(&group.name)))
            .with_session_timeout_ms(30_000)
            .with_rebalance_timeout_ms(PATIENCE_MS)
            .with_member_id(text(id))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![offered]);
        if id.is_empty() {
            let given = group.ask(9, &join_request, |answer| answer.error_code)?;
            ensure!(given.error_code == ResponseError::MemberIdRequired.code(), "{given:?}");
            join_request = join_request.with_member_id(given.member_id);
        }
        Ok(Self { group, topic: topic.to_owned(), join: join_request, generation: -1, members: Vec::new() })
    }

    pub(super) fn id(&self) -> &str {
        &self.join.member_id
    }

    /// Joins, in a thread: the answer comes once all members have.
    pub(super) fn joining(&self) -> Result<Joining> {
        let cluster = self.group.cluster;
        let coordinator = cluster.address(cluster.group_coordinator(&self.group.name)?)?;
        let request = self.join.clone();
        Ok(Joining(thread::spawn(move || call(coordinator, 9, &request))))
    }

    /// Lets a member in, once it waits for that, and gives it these partitions.
    pub(super) async fn admit(&mut self, member: &Member, partitions: &[i32]) -> Result<()> {
        self.group.until("its join", &[], |group| group.state == GroupState::PreparingRebalance).await?;
        self.rejoin(&[member]).await?;
        self.sync(partitions)?;
        poll_until("its partitions", &[member], || member.partitions() == partitions).await?;
        Ok(())
    }

    /// Joins anew, while the other members poll, until all have joined: the group waits for its leader to sync.
    pub(super) async fn rejoin(&mut self, others: &[&Member]) -> Result<()> {
        let joining = self.joining()?;
        self.all_joined(joining, others).await
    }

    /// Waits until all have joined, while the others poll.
    pub(super) async fn all_joined(&mut self, joining: Joining, others: &[&Member]) -> Result<()> {
        while !joining.0.is_finished() {
            for other in others {
                poll(other).await?;
            }
        }
        self.joined(&joining.answer()?)
    }

    pub(super) fn joined(&mut self, joined: &JoinGroupResponse) -> Result<()> {
        ensure!(joined.error_code == 0, "{joined:?}");
        self.generation = joined.generation_id;
        self.members = joined.members.iter().map(|member| member.member_id.to_string()).collect();
        Ok(())
    }

    /// Shares out: partitions of its topic, all of them to the other member. The group is stable then.
    pub(super) fn sync(&self, partitions: &[i32]) -> Result<()> {
        let others = self.members.iter().filter(|member| *member != self.id());
        let shares: BTreeMap<&str, &[i32]> =
            others.map(|member| (member.as_str(), partitions)).chain([(self.id(), &[][..])]).collect();
        let assignments = shares.into_iter().map(|(member, partitions)| {
            let topic =
                Assigned::default().with_topic(TopicName(text(&self.topic))).with_partitions(partitions.to_vec());
            let assignment = ConsumerProtocolAssignment::default().with_assigned_partitions(vec![topic]);
            let assignment = encoded(|bytes| assignment.encode(bytes, ENCODING))?;
            Ok(SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(assignment))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(self.join.group_id.clone())
            .with_generation_id(self.generation)
            .with_member_id(self.join.member_id.clone())
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(self.join.protocols[0].name.clone()))
            .with_assignments(assignments.collect::<Result<_>>()?);
        let synced = self.group.ask(5, &request, |answer| answer.error_code)?;
        ensure!(synced.error_code == 0, "{synced:?}");
        Ok(())
    }

    pub(super) fn leave(self) -> Result<()> {
        self.group.expel(self.id())
    }
}

/// A join that the group has not answered yet.
pub(super) struct Joining(thread::JoinHandle<Result<JoinGroupResponse>>);

impl Joining {
    pub(super) fn answer(self) -> Result<JoinGroupResponse> {
        self.0.join().map_err(|_| anyhow!("the thread of a join panicked"))?
    }
}

/// The version, then what is of that version.
fn encoded(encode: impl FnOnce(&mut BytesMut) -> Result<()>) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(ENCODING);
    encode(&mut bytes)?;
    Ok(bytes.freeze())
}
