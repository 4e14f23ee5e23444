//! What every member is to have in the end: the target assignment.

mod range;
mod uniform;

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use super::{Consumer, Topics};

/// An assignor of the broker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assignor {
    /// Balances all partitions, and moves as few as it must.
    Uniform,
    /// Gives each member a range of each topic.
    Range,
}

/// The assignor of a group whose members name none.
pub(crate) const DEFAULT_ASSIGNOR: Assignor = Assignor::Uniform;

impl Assignor {
    pub(crate) const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The assignor of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assignor| assignor.name() == name)
    }
}

/// A topic that a member subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Topic {
    id: Uuid,
    partitions: i32,
}

/// What an assignor knows of a member.
#[derive(Clone, Debug)]
struct Subscriber {
    id: String,
    instance: Option<String>,
    /// In order of name.
    topics: Vec<Topic>,
    /// What it was to have so far.
    target: BTreeSet<(Uuid, i32)>,
}

impl Subscriber {
    fn subscribes_to(&self, topic: Uuid) -> bool {
        self.topics.iter().any(|subscribed| subscribed.id == topic)
    }
}

impl Consumer {
    /// Computes a new target assignment if the group's epoch has risen since the last, and that isn't too young.
    pub(super) fn assign_if_due(&mut self, topics: &Topics, now: Duration) {
        let is_young = self
            .assigned_at
            .is_some_and(|assigned_at| now < assigned_at.saturating_add(self.settings.assignment_interval));
        if self.assignment_epoch >= self.epoch || is_young {
            return;
        }
        let subscribers: Vec<Subscriber> = self
            .members
            .iter()
            .map(|member| {
                let names: BTreeSet<&String> = member.names.iter().chain(self.patterns.topics(member)).collect();
                let found = names.into_iter().filter_map(|name| topics.get(name));
                let topic = |topic: &crate::cluster::topics::Topic| Topic {
                    id: topic.id,
                    partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
                };
                Subscriber {
                    id: member.id.clone(),
                    instance: member.instance.clone(),
                    topics: found.map(topic).collect(),
                    target: member.target.clone(),
                }
            })
            .collect();
        let targets = match self.assignor() {
            Assignor::Range => range::assign(&subscribers),
            Assignor::Uniform if self.is_homogeneous() => uniform::assign_alike(&subscribers),
            Assignor::Uniform => uniform::assign(&subscribers),
        };
        for (member, target) in self.members.iter_mut().zip(targets) {
            member.target = target;
        }
        self.assignment_epoch = self.epoch;
        self.assigned_at = Some(now);
    }

    /// True if all members subscribe to the same.
    fn is_homogeneous(&self) -> bool {
        let Some(first) = self.members.first() else { return true };
        (first.pattern.is_empty() || first.names.is_empty())
            && self.members.iter().all(|member| member.names == first.names && member.pattern == first.pattern)
    }
}
