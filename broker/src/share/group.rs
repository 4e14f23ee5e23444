//! Membership of a share group: heartbeats, epochs and who is assigned what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;
use uuid::Uuid;

use super::assign::{self, Partition, Subscriber};

/// Topics by name, with their ids and numbers of partitions.
pub(crate) type KnownTopics = BTreeMap<String, (Uuid, i32)>;

/// A member.
#[derive(Clone, Debug)]
pub(crate) struct ShareMember {
    pub(crate) epoch: i32,
    previous_epoch: i32,
    pub(crate) rack: Option<String>,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) assigned: BTreeSet<Partition>,
    /// When it is given up, unless it is heard of.
    expires: Duration,
}

/// What a member says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) member: String,
    pub(crate) epoch: i32,
    pub(crate) rack: Option<String>,
    /// `None` if nothing has changed.
    pub(crate) topics: Option<BTreeSet<String>>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) epoch: i32,
    /// `None` if it knows.
    pub(crate) assigned: Option<BTreeSet<Partition>>,
}

/// A share group.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShareGroup {
    pub(crate) epoch: i32,
    pub(crate) members: BTreeMap<String, ShareMember>,
    /// What the assignment was made for.
    known: BTreeMap<Uuid, i32>,
}

impl ShareGroup {
    /// Takes in a heartbeat: epoch 0 joins.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `FENCED_MEMBER_EPOCH`.
    pub(crate) fn heartbeat(
        &mut self,
        beat: Heartbeat,
        topics: &KnownTopics,
        session_timeout: Duration,
        now: Duration,
    ) -> Result<Beat, ResponseError> {
        let is_full = beat.epoch == 0 || beat.topics.is_some();
        let expires = now + session_timeout;
        let is_changed = match self.members.get_mut(&beat.member) {
            None if beat.epoch != 0 => return Err(ResponseError::UnknownMemberId),
            None => {
                let member = ShareMember {
                    epoch: 0,
                    previous_epoch: 0,
                    rack: beat.rack,
                    topics: beat.topics.unwrap_or_default(),
                    client_id: beat.client_id,
                    client_host: beat.client_host,
                    assigned: BTreeSet::new(),
                    expires,
                };
                self.members.insert(beat.member.clone(), member);
                true
            }
            Some(member) => {
                let is_known = beat.epoch == member.epoch || beat.epoch == member.previous_epoch;
                if beat.epoch != 0 && !is_known {
                    return Err(ResponseError::FencedMemberEpoch);
                }
                member.expires = expires;
                member.rack = beat.rack.or_else(|| member.rack.take());
                let topics = beat.topics.filter(|topics| *topics != member.topics);
                topics.map(|topics| member.topics = topics).is_some()
            }
        };
        self.assign(topics, is_changed);
        let epoch = self.epoch;
        let Some(member) = self.members.get_mut(&beat.member) else { return Err(ResponseError::UnknownMemberId) };
        let is_new = member.epoch != epoch;
        if is_new {
            member.previous_epoch = member.epoch;
            member.epoch = epoch;
        }
        Ok(Beat { epoch, assigned: (is_full || is_new).then(|| member.assigned.clone()) })
    }

    /// Assigns anew, under a new epoch, if `is_changed` or the topics have.
    fn assign(&mut self, topics: &KnownTopics, is_changed: bool) {
        let wanted = self.members.values().flat_map(|member| &member.topics);
        let known: BTreeMap<Uuid, i32> = wanted.filter_map(|name| topics.get(name).copied()).collect();
        if !is_changed && known == self.known {
            return;
        }
        self.epoch += 1;
        self.known = known;
        let subscriber = |member: &ShareMember| Subscriber {
            topics: member.topics.iter().filter_map(|name| topics.get(name).map(|(id, _)| *id)).collect(),
            had: member.assigned.clone(),
        };
        let subscribers = self.members.iter().map(|(id, member)| (id.clone(), subscriber(member))).collect();
        let mut assigned = assign::assign(&subscribers, &self.known);
        for (id, member) in &mut self.members {
            member.assigned = assigned.remove(id).unwrap_or_default();
        }
    }

    /// A member leaves.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`.
    pub(crate) fn leave(&mut self, member: &str, topics: &KnownTopics) -> Result<(), ResponseError> {
        self.members.remove(member).ok_or(ResponseError::UnknownMemberId)?;
        self.assign(topics, true);
        Ok(())
    }

    /// Gives up members that weren't heard of for too long, and returns them.
    pub(crate) fn on_time(&mut self, topics: &KnownTopics, now: Duration) -> Vec<String> {
        let gone = self.members.iter().filter(|(_, member)| member.expires <= now);
        let gone: Vec<String> = gone.map(|(id, _)| id.clone()).collect();
        if !gone.is_empty() {
            self.members.retain(|_, member| member.expires > now);
            self.assign(topics, true);
        }
        gone
    }

    /// When [`Self::on_time`] is due.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        self.members.values().map(|member| member.expires).min()
    }

    /// `Empty` or `Stable`.
    pub(crate) fn state(&self) -> &'static str {
        if self.members.is_empty() { "Empty" } else { "Stable" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const TIMEOUT: Duration = Duration::from_secs(45);
    const TOPIC: Uuid = Uuid::from_u128(1);

    fn topics(partitions: i32) -> KnownTopics {
        [("orders".to_owned(), (TOPIC, partitions))].into()
    }

    fn beat(
        group: &mut ShareGroup,
        member: &str,
        epoch: i32,
        partitions: i32,
    ) -> Result<(i32, Option<Vec<i32>>), ResponseError> {
        let heartbeat = Heartbeat {
            member: member.to_owned(),
            epoch,
            rack: None,
            topics: (epoch == 0).then(|| ["orders".to_owned()].into()),
            client_id: String::new(),
            client_host: String::new(),
        };
        let beat = group.heartbeat(heartbeat, &topics(partitions), TIMEOUT, NOW)?;
        Ok((beat.epoch, beat.assigned.map(|assigned| assigned.into_iter().map(|(_, index)| index).collect())))
    }

    #[test]
    fn members_learn_of_each_other_by_what_is_left_to_them() {
        let mut group = ShareGroup::default();
        assert_eq!(beat(&mut group, "a", 0, 2), Ok((1, Some(vec![0, 1]))));
        assert_eq!(beat(&mut group, "a", 1, 2), Ok((1, None)), "nothing is new");
        assert_eq!(beat(&mut group, "b", 0, 2), Ok((2, Some(vec![1]))));
        assert_eq!(beat(&mut group, "a", 1, 2), Ok((2, Some(vec![0]))));
        assert_eq!(beat(&mut group, "a", 1, 2), Ok((2, None)), "its last epoch may be all it heard of");
        group.leave("b", &topics(2)).unwrap();
        assert_eq!(beat(&mut group, "a", 2, 2), Ok((3, Some(vec![0, 1]))));
    }

    #[test]
    fn a_topic_that_comes_or_grows_is_assigned_anew() {
        let mut group = ShareGroup::default();
        assert_eq!(beat(&mut group, "a", 0, 0), Ok((1, Some(vec![]))));
        assert_eq!(beat(&mut group, "a", 1, 2), Ok((2, Some(vec![0, 1]))));
    }

    #[test]
    fn strangers_and_wrong_epochs_are_refused() {
        let mut group = ShareGroup::default();
        assert_eq!(beat(&mut group, "a", 1, 1), Err(ResponseError::UnknownMemberId));
        beat(&mut group, "a", 0, 1).unwrap();
        assert_eq!(beat(&mut group, "a", 2, 1), Err(ResponseError::FencedMemberEpoch));
        assert_eq!(group.leave("b", &topics(1)), Err(ResponseError::UnknownMemberId));
    }

    #[test]
    fn a_member_that_is_silent_is_given_up() {
        let mut group = ShareGroup::default();
        beat(&mut group, "a", 0, 1).unwrap();
        assert_eq!(group.wake_at(), Some(NOW + TIMEOUT));
        assert!(group.on_time(&topics(1), NOW).is_empty());
        assert_eq!(group.on_time(&topics(1), NOW + TIMEOUT), ["a"]);
        assert_eq!((group.state(), group.epoch), ("Empty", 2));
    }
}
