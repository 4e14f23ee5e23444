//! What a consumer is a member by, whatever the protocol.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_wire::{Code, Str, Uuid};
use tokio::time::Instant;

use super::assign::Assignors;
use super::classic::{self, Classic};
use super::modern::{self, Modern};
use super::{Change, GroupMembershipOperation, Identity, Leave, Reason, Wanted};
use crate::TopicPartition;
use crate::cluster::Metadata;
use crate::config::{ConsumerConfig, GroupProtocol};
use crate::error::Error;

/// Membership of a group, by `group.protocol`. A plain value: what it wants done comes out as [`Step`]s, what becomes of
/// the assignment as [`Change`]s.
#[derive(Debug)]
pub(crate) enum Membership {
    /// The members' leader shares out the partitions.
    Classic(Classic),
    /// The coordinator shares them out (KIP-848).
    Modern(Modern),
}

static NO_TOPICS: BTreeSet<Arc<str>> = BTreeSet::new();

/// What is to be done next for the membership.
#[derive(Debug)]
pub(crate) enum Step {
    /// For the driver of the classic protocol.
    Classic(Box<classic::Step>),
    /// Commit what was released, and tell what came of it, with this number.
    Commit(u64),
    /// For the driver of the newer protocol.
    Modern(Box<modern::Step>),
}

impl Membership {
    /// None without `group.id`.
    pub(crate) fn of(
        config: &ConsumerConfig,
        assignors: Assignors,
        random: &mut fastrand::Rng,
        now: Instant,
    ) -> Option<Self> {
        let group = config.group_id()?;
        Some(match config.group_protocol {
            GroupProtocol::Classic => Self::Classic(Classic::new(classic::Settings::of(config, group, assignors), now)),
            GroupProtocol::Consumer => {
                let settings = modern::Settings::of(config, group);
                Self::Modern(Modern::new(settings, modern::member_id(random), now))
            }
        })
    }

    pub(crate) fn group_id(&self) -> &Str {
        match self {
            Self::Classic(group) => &group.settings.group,
            Self::Modern(group) => &group.settings.group,
        }
    }

    pub(crate) fn instance_id(&self) -> Option<&Str> {
        match self {
            Self::Classic(group) => group.settings.instance_id.as_ref(),
            Self::Modern(group) => group.settings.instance_id.as_ref(),
        }
    }

    /// Wants this from now on. What is assigned stays until the group has rebalanced.
    pub(crate) fn subscribe(&mut self, wanted: Wanted, now: Instant) {
        match self {
            Self::Classic(group) => group.subscribe(wanted, now),
            Self::Modern(group) => group.subscribe(wanted, now),
        }
    }

    /// Ends the membership. What is for the coordinator to hear, if anything, is returned.
    pub(crate) fn unsubscribe(&mut self, reason: &'static str, operation: GroupMembershipOperation) -> Option<Leave> {
        match self {
            Self::Classic(group) => group.unsubscribe(reason, operation).map(Leave::Classic),
            Self::Modern(group) => group.unsubscribe(operation).map(|farewell| Leave::Modern(Box::new(farewell))),
        }
    }

    /// Asks for a rebalance, for a reason that the coordinator logs.
    pub(crate) fn enforce_rebalance(&mut self, reason: Reason, now: Instant) {
        match self {
            Self::Classic(group) => group.rebalance(reason, now),
            Self::Modern(group) => group.enforce_rebalance(&reason),
        }
    }

    /// The topics subscribed to, by name or since they match; empty when not subscribed.
    pub(crate) fn topics(&self) -> &BTreeSet<Arc<str>> {
        match self {
            Self::Classic(group) => group.topics(),
            Self::Modern(group) => group.topics(),
        }
    }

    /// The topics of other members that the metadata is needed of as well.
    pub(crate) fn group_topics(&self) -> &BTreeSet<Arc<str>> {
        match self {
            Self::Classic(group) => group.group_topics(),
            Self::Modern(_) => &NO_TOPICS,
        }
    }

    /// Whether a topic is wanted now, or may be: some others are held, or asked about, until the group has rebalanced.
    pub(crate) fn is_wanted(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_wanted(topic),
            Self::Modern(group) => group.is_wanted(topic),
        }
    }

    /// Whether the metadata of all topics is needed, to see which match.
    pub(crate) fn wants_all_topics(&self) -> bool {
        match self {
            Self::Classic(group) => group.wants_all_topics(),
            Self::Modern(_) => false,
        }
    }

    /// The topics of the assignment that metadata has no name for (edge 61).
    pub(crate) fn unknown_topics(&self, metadata: &Metadata) -> BTreeSet<Uuid> {
        match self {
            Self::Classic(_) => BTreeSet::new(),
            Self::Modern(group) => group.unknown_topics(metadata),
        }
    }

    /// Whether a commit, and a question what is committed, are refused under another epoch than the newest (edge 62).
    pub(crate) fn is_by_epoch(&self) -> bool {
        matches!(self, Self::Modern(_))
    }

    /// A poll begins. It ends with [`poll_ended`](Self::poll_ended). True if the membership waited for that.
    pub(crate) fn poll_began(&mut self) -> bool {
        match self {
            Self::Classic(group) => group.poll_began(),
            Self::Modern(group) => group.poll_began(),
        }
    }

    pub(crate) fn poll_ended(&mut self, now: Instant) {
        match self {
            Self::Classic(group) => group.poll_ended(now),
            Self::Modern(group) => group.poll_ended(now),
        }
    }

    /// A poll waits, and whoever began it need not come back: it counts as one until now, and again once it goes on, which
    /// [`poll_began`](Self::poll_began) is told. False while a poll calls the listener: that counts by itself.
    pub(crate) fn poll_rests(&mut self, now: Instant) -> bool {
        match self {
            Self::Classic(group) => group.poll_rests(now),
            Self::Modern(group) => group.poll_rests(now),
        }
    }

    /// A poll calls the listener: as long as that takes, nothing is polled.
    pub(crate) fn call_began(&mut self, now: Instant) {
        match self {
            Self::Classic(group) => group.call_began(now),
            Self::Modern(group) => group.call_began(now),
        }
    }

    /// The listener has run; the poll goes on.
    pub(crate) fn call_ended(&mut self, now: Instant) {
        match self {
            Self::Classic(group) => group.call_ended(now),
            Self::Modern(group) => group.call_ended(now),
        }
    }

    /// Whether there is a [`failure`](Self::failure) to tell.
    pub(crate) fn has_failed(&self) -> bool {
        match self {
            Self::Classic(group) => group.has_failed(),
            Self::Modern(group) => group.has_failed(),
        }
    }

    /// Why membership cannot go on, for the poll to say.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        match self {
            Self::Classic(group) => group.failure(),
            Self::Modern(group) => group.failure(),
        }
    }

    /// The partitions that are to go as soon as what was handed out is done with, and the listener has run; then comes
    /// [`released`](Self::released).
    pub(crate) fn releasing(&self) -> Option<&BTreeSet<TopicPartition>> {
        match self {
            Self::Classic(group) => group.releasing(),
            Self::Modern(group) => group.releasing(),
        }
    }

    /// Nothing more is handed out of the partitions that go, and what was is done with: it may be committed.
    pub(crate) fn released(&mut self) {
        match self {
            Self::Classic(group) => group.released(),
            Self::Modern(group) => group.released(),
        }
    }

    /// What came of the commit of that number, which [`Step::Commit`] asked for.
    pub(crate) fn on_released(
        &mut self,
        number: u64,
        outcome: Result<(), Error>,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Option<Change> {
        match self {
            Self::Classic(group) => group.on_released(number, outcome, now, random),
            Self::Modern(group) => group.on_released(number, outcome, now, random),
        }
    }

    /// As whom it speaks now.
    pub(crate) fn identity(&self) -> &Identity {
        match self {
            Self::Classic(group) => group.identity(),
            Self::Modern(group) => group.identity(),
        }
    }

    /// As whom to commit.
    ///
    /// # Errors
    /// While the group rebalances, where nothing is held meanwhile, and when this consumer is no member.
    pub(crate) fn committer(&self) -> Result<Identity, Error> {
        match self {
            Self::Classic(group) => group.committer(),
            Self::Modern(group) => group.committer(),
        }
    }

    /// Whether what is held stays so while the group rebalances, and can be committed once that is over.
    pub(crate) fn is_cooperative(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_cooperative(),
            Self::Modern(_) => true,
        }
    }

    /// A commit was answered with this code.
    pub(crate) fn on_commit(&mut self, sender: &Identity, code: Code, now: Instant) -> Option<Change> {
        match self {
            Self::Classic(group) => group.on_commit(sender, code, now),
            Self::Modern(group) => {
                group.on_commit(sender, code);
                None
            }
        }
    }

    /// The next thing to do, and the change that it brings at once. A change may come alone.
    pub(crate) fn next(&mut self, now: Instant, metadata: &Metadata) -> Option<(Option<Step>, Option<Change>)> {
        match self {
            Self::Classic(group) => {
                let (step, change) = group.next(now, metadata)?;
                let step = match step {
                    classic::Step::Commit(number) => Some(Step::Commit(number)),
                    classic::Step::Leave(None) => None,
                    step => Some(Step::Classic(Box::new(step))),
                };
                Some((step, change))
            }
            Self::Modern(group) => {
                let (step, change) = group.next(now, metadata)?;
                let step = step.map(|step| match step {
                    modern::Step::Commit(number) => Step::Commit(number),
                    step => Step::Modern(Box::new(step)),
                });
                Some((step, change))
            }
        }
    }

    /// How far a member of the newer protocol is on the way to what it was assigned. None of one of the classic protocol,
    /// whose rebalances begin and end with requests.
    pub(crate) fn progress(&self) -> Option<modern::Progress> {
        match self {
            Self::Classic(_) => None,
            Self::Modern(group) => Some(group.progress()),
        }
    }

    /// Whether the process did not run for as long as a session lasts: nothing is to be handed out before it is known
    /// whether the partitions are others' now. How long a session of the newer protocol lasts, only its coordinator knows.
    pub(crate) fn is_in_doubt(&self, now: Instant) -> bool {
        match self {
            Self::Classic(group) => group.is_in_doubt(now),
            Self::Modern(_) => false,
        }
    }

    /// When [`next`](Self::next) is to be asked again, whatever else happens.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        match self {
            Self::Classic(group) => group.wake_at(),
            Self::Modern(group) => group.wake_at(),
        }
    }
}
