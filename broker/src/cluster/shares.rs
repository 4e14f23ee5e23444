//! Share groups at work: what is initialized, given back and due.

use std::time::Duration;

use uuid::Uuid;

use super::topics::Partition;
use super::{Cluster, Timer};
use crate::api;
use crate::log::Isolation;
use crate::share::group::KnownTopics;
use crate::share::partition::SharePartition;
use crate::share::{Place, Reset, Settings};

impl Cluster {
    /// All topics, as share groups look at them.
    pub(crate) fn known_topics(&self) -> KnownTopics {
        let known = |topic: &super::topics::Topic| {
            (topic.name.clone(), (topic.id, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
        };
        self.topics.iter().map(known).collect()
    }

    /// What a group has under way in a partition that there is; begun now, if it never read there.
    pub(crate) fn share_partition(&mut self, place: &Place, name: &str, now: Duration) -> Option<&mut SharePartition> {
        let settings = self.shares.settings(&place.0);
        let wall_ms = self.config.wall_ms(now);
        let partition = self.topics.partition(name, place.2)?;
        let log = &partition.log;
        let shared = self.shares.partitions.entry(place.clone());
        let shared = shared.or_insert_with(|| {
            SharePartition::new(first_offset(partition, &settings, wall_ms), partition.leader_epoch)
        });
        shared.settle(partition.leader_epoch, log.start_offset(), log.end_offset());
        Some(shared)
    }

    /// Gives back what a member of a share group has, and ends its session with a node, or with all.
    pub(crate) fn release_member(&mut self, group: &str, member: &str, node: Option<i32>, now: Duration) {
        let settings = self.shares.settings(group);
        let nodes = self.shares.sessions.iter_mut().filter(|(id, _)| node.is_none_or(|node| node == **id));
        let sessions: Vec<_> = nodes.filter_map(|(_, sessions)| sessions.remove(group, member)).collect();
        let known = sessions.iter().flat_map(|session| &session.partitions);
        let known: Vec<(Uuid, i32)> = known.map(|partition| (partition.topic, partition.index)).collect();
        let mut released = Vec::new();
        for ((of, topic, index), partition) in &mut self.shares.partitions {
            if of == group && (node.is_none() || known.contains(&(*topic, *index))) {
                partition.release(member, &settings);
                released.push((*topic, *index));
            }
        }
        for (topic, index) in released {
            api::share_fetch::wake(self, topic, index, now);
        }
        self.settle_shares();
    }

    /// Ends the share sessions that began on a connection which is gone, and gives back what their members have.
    pub(crate) fn disconnected(&mut self, connection: u64, now: Duration) {
        let mut gone = Vec::new();
        for (node, sessions) in &self.shares.sessions {
            let ended = sessions.by_member.iter().filter(|(_, session)| session.connection == connection);
            gone.extend(ended.map(|(who, _)| (*node, who.clone())));
        }
        for (node, (group, member)) in gone {
            self.release_member(&group, &member, Some(node), now);
        }
    }

    /// Sets the timer for what is due next. To be called after anything was done to share groups.
    pub(crate) fn settle_shares(&mut self) {
        let groups = self.shares.groups.values().filter_map(crate::share::group::ShareGroup::wake_at);
        let partitions = self.shares.partitions.values().filter_map(SharePartition::wake_at);
        let wake_at = groups.chain(partitions).min();
        if self.shares_timer.map(|(at, _)| at) == wake_at {
            return;
        }
        if let Some((_, timer)) = self.shares_timer.take() {
            self.timers.stop(timer);
        }
        self.shares_timer = wake_at.map(|at| (at, self.timers.set(at, Timer::Shares)));
    }

    /// Takes back what members have had for too long, and gives up members that are silent.
    pub(super) fn shares_on_time(&mut self, now: Duration) {
        self.shares_timer = None;
        let topics = self.known_topics();
        let mut gone = Vec::new();
        for (id, group) in &mut self.shares.groups {
            gone.extend(group.on_time(&topics, now).into_iter().map(|member| (id.clone(), member)));
        }
        for (group, member) in gone {
            self.release_member(&group, &member, None, now);
        }
        let places: Vec<Place> = self.shares.partitions.keys().cloned().collect();
        for place in places {
            let settings = self.shares.settings(&place.0);
            let is_changed =
                self.shares.partitions.get_mut(&place).is_some_and(|partition| partition.on_time(&settings, now));
            if is_changed {
                api::share_fetch::wake(self, place.1, place.2, now);
            }
        }
        self.settle_shares();
    }
}

/// Where a group begins that never read a partition.
fn first_offset(partition: &Partition, settings: &Settings, wall_ms: i64) -> i64 {
    let log = &partition.log;
    let end = log.end_for(Isolation::ReadUncommitted);
    match settings.reset {
        Reset::Earliest => log.start_offset(),
        Reset::Latest => end,
        Reset::Duration(ago) => {
            let since = wall_ms - i64::try_from(ago.as_millis()).unwrap_or(i64::MAX / 2);
            log.at_time(since).map_or(end, |found| found.offset)
        }
    }
}
