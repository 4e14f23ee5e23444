//! The trait of all assignors, and what it deals in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::Str;

use crate::TopicPartition;
use crate::group::metadata::GroupMetadata;

/// Shares out a group's partitions among its members, in the classic protocol.
///
/// Set by [`ConsumerBuilder::assignor`](crate::ConsumerBuilder::assignor). Every member of a group offers the names of
/// its assignors, the coordinator chooses one that all of them offer, and the member that leads the group runs it.
///
/// Methods are called one at a time, while the consumer's state is locked: they must not call the consumer. What
/// an assignor that panics was asked for fails with [`Kind::State`](crate::Kind::State).
///
/// ```
/// use std::collections::BTreeMap;
///
/// use ottla::{Assignor, GroupMember, GroupTopics, MemberAssignment, TopicPartition};
///
/// /// Everything to the first member; the others stand by.
/// struct FirstOnly;
///
/// impl Assignor for FirstOnly {
///     fn name(&self) -> &str {
///         "first-only"
///     }
///
///     fn assign(
///         &self,
///         members: &[GroupMember],
///         topics: &GroupTopics,
///     ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>> {
///         let Some(first) = members.first() else { return Ok(BTreeMap::new()) };
///         let partitions: Vec<TopicPartition> = topics.iter().filter(|partition| first.wants(partition)).collect();
///         Ok([(first.member_id.clone(), partitions.into())].into())
///     }
/// }
///
/// let builder = ottla::Consumer::builder("localhost:9092").group("billing").assignor(FirstOnly);
/// ```
///
/// Source: [KIP-429](https://cwiki.apache.org/confluence/x/vAclBg), Java's `ConsumerPartitionAssignor`
pub trait Assignor: Send + Sync + 'static {
    /// What members of all clients know it by; always the same.
    fn name(&self) -> &str;

    /// In which ways the group may rebalance with it; always the same. A consumer rebalances cooperatively if all of
    /// its assignors can.
    ///
    /// With [`RebalanceProtocol::Cooperative`], [`assign`](Self::assign) may give no member a partition that another
    /// still owns: it is left out, and assigned once its owner has given it up and joined again.
    fn supported_protocols(&self) -> &[RebalanceProtocol] {
        &[RebalanceProtocol::Eager]
    }

    /// What this member wants to tell its group's leader, as it joins with this subscription.
    fn subscription_user_data(&self, topics: &BTreeSet<Arc<str>>) -> Option<Bytes> {
        let _ = topics;
        None
    }

    /// Shares out partitions, as the leader of the group. A member that is left out gets none.
    ///
    /// `members` come in the order of their instance ids, followed by those that have none, by member id. `topics` are all
    /// that a member wants and that exist.
    ///
    /// # Errors
    /// One of its own fails this consumer's poll, and the next tries again.
    fn assign(
        &self,
        members: &[GroupMember],
        topics: &GroupTopics,
    ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>>;

    /// This member was assigned these partitions, as the member that `group` says.
    fn on_assignment(&self, assignment: &MemberAssignment, group: &GroupMetadata) {
        let _ = (assignment, group);
    }
}

/// How a group goes from one assignment to the next. Later ones disturb less.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum RebalanceProtocol {
    /// Everybody gives up everything before anything is assigned anew.
    Eager,
    /// Only what another member gets is given up, in a round before (KIP-429).
    Cooperative,
}

/// One member of a group, as its leader sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GroupMember {
    /// The name that the coordinator gave it.
    pub member_id: String,
    /// Its `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// The topics it wants, whether they exist or not.
    pub topics: BTreeSet<Arc<str>>,
    /// What it says it owns: nothing, where the group rebalances eagerly.
    pub owned_partitions: Vec<TopicPartition>,
    /// The number of the assignment in which it came to own that. None if it was never assigned anything, or speaks a
    /// version of the protocol without it.
    pub generation_id: Option<i32>,
    /// Its `client.rack`.
    pub rack_id: Option<String>,
    /// What its [`Assignor::subscription_user_data`] gave.
    pub user_data: Option<Bytes>,
}

/// What one member gets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MemberAssignment {
    /// All the partitions that it shall read.
    pub partitions: Vec<TopicPartition>,
    /// What its [`Assignor::on_assignment`] shall be told beside them.
    pub user_data: Option<Bytes>,
}

/// The racks that hold a replica of a partition.
pub(crate) type Racks = BTreeSet<Str>;

/// The topics that a group's partitions come from: those that a member wants, and that exist.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GroupTopics(pub(crate) BTreeMap<Arc<str>, Vec<Racks>>);

impl GroupMember {
    /// A member that wants these topics and owns nothing.
    pub fn new<T: Into<Arc<str>>>(member_id: impl Into<String>, topics: impl IntoIterator<Item = T>) -> Self {
        Self {
            member_id: member_id.into(),
            group_instance_id: None,
            topics: topics.into_iter().map(Into::into).collect(),
            owned_partitions: Vec::new(),
            generation_id: None,
            rack_id: None,
            user_data: None,
        }
    }

    /// Whether it wants the topic of `partition`.
    pub fn wants(&self, partition: &TopicPartition) -> bool {
        self.topics.contains(&partition.topic)
    }
}

impl GroupTopics {
    /// Adds a topic whose replicas are in no racks.
    #[must_use]
    pub fn topic(mut self, name: impl Into<Arc<str>>, partitions: usize) -> Self {
        self.0.insert(name.into(), vec![Racks::new(); partitions]);
        self
    }

    /// Adds a topic, given the racks of each partition's replicas.
    #[must_use]
    pub fn topic_in_racks<R: AsRef<str>>(
        mut self,
        name: impl Into<Arc<str>>,
        partitions: impl IntoIterator<Item = impl IntoIterator<Item = R>>,
    ) -> Self {
        let racks = partitions.into_iter().map(|racks| racks.into_iter().map(|rack| rack.as_ref().into()).collect());
        self.0.insert(name.into(), racks.collect());
        self
    }

    /// All partitions, by topic and number.
    pub fn iter(&self) -> impl Iterator<Item = TopicPartition> + '_ {
        self.0.iter().flat_map(|(topic, partitions)| {
            (0..).take(partitions.len()).map(|partition| TopicPartition { topic: topic.clone(), partition })
        })
    }

    /// How many partitions a topic has; 0 if it does not exist.
    pub fn partitions(&self, topic: &str) -> usize {
        self.0.get(topic).map_or(0, Vec::len)
    }

    /// The racks that hold a replica of a partition.
    pub fn racks(&self, partition: &TopicPartition) -> impl Iterator<Item = &str> {
        let index = usize::try_from(partition.partition).ok();
        let racks = self.0.get(&partition.topic).and_then(|partitions| partitions.get(index?));
        racks.into_iter().flatten().map(|rack| &**rack)
    }
}

impl From<Vec<TopicPartition>> for MemberAssignment {
    fn from(partitions: Vec<TopicPartition>) -> Self {
        Self { partitions, user_data: None }
    }
}

impl fmt::Debug for dyn Assignor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assignor({})", self.name())
    }
}
