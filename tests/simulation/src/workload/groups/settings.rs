//! What the members of a history have in common.

use std::time::Duration;

use ottla::ConsumerBuilder;
use ottla::config::{AssignmentStrategy, GroupProtocol, IsolationLevel, OffsetReset};
use ottla_broker::simulation::World;

use crate::ledger::Terms;
use crate::stage::Life;

/// Drawn from the history's seed alone.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) members: u32,
    /// Those that are there from the start.
    pub(super) topics: Vec<(String, u16)>,
    /// Partitions and a topic are added.
    pub(super) grows: bool,
    pub(super) sharing: Sharing,
    pub(super) by_pattern: bool,
    pub(super) has_racks: bool,
    pub(super) is_read_committed: bool,
    pub(super) initial_delay: Duration,
    pub(super) session_timeout: Duration,
    pub(super) heartbeat_interval: Duration,
    pub(super) max_poll_interval: Duration,
    pub(super) request_timeout: Duration,
    /// In tenths: how many of the members have a `group.instance.id`.
    statics: u32,
}

/// How the partitions are shared out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sharing {
    /// By the coordinator, with this assignor.
    Coordinator(&'static str),
    /// Java's default list.
    Default,
    /// Each member offers others, one of which all have.
    Mixed,
    /// By the members, with this one.
    Members(AssignmentStrategy),
}

const LATE: &str = "orders-late";

impl Settings {
    pub(super) fn draw(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0x6772_6f75_7073);
        let strategies = [
            Sharing::Members(AssignmentStrategy::Range),
            Sharing::Members(AssignmentStrategy::RoundRobin),
            Sharing::Members(AssignmentStrategy::Sticky),
            Sharing::Members(AssignmentStrategy::CooperativeSticky),
            Sharing::Members(AssignmentStrategy::CooperativeSticky),
            Sharing::Default,
            Sharing::Mixed,
            Sharing::Coordinator(""),
            Sharing::Coordinator("uniform"),
            Sharing::Coordinator("range"),
        ];
        let mut seconds = |of: &[u64]| Duration::from_secs(*random.choice(of).unwrap());
        let (session_timeout, heartbeat_interval) = (seconds(&[4, 6, 10]), seconds(&[1, 2]));
        let (max_poll_interval, request_timeout) = (seconds(&[3, 8, 20]), seconds(&[2, 5, 15]));
        let initial_delay = seconds(&[0, 1]);
        Self {
            members: random.u32(2..=4),
            topics: vec![("orders".to_owned(), random.u16(1..=6)), ("orders-returned".to_owned(), 2)],
            grows: random.bool(),
            sharing: *random.choice(&strategies).unwrap(),
            by_pattern: random.u8(..3) == 0,
            has_racks: random.u8(..3) == 0,
            is_read_committed: random.bool(),
            initial_delay,
            session_timeout,
            heartbeat_interval,
            max_poll_interval,
            request_timeout,
            statics: *random.choice(&[0, 0, 5, 10]).unwrap(),
        }
    }

    /// The topics as they are in the end.
    pub(super) fn all_topics(&self) -> Vec<(String, u16)> {
        let mut topics = self.topics.clone();
        if self.grows {
            topics[0].1 += 2;
            topics.push((LATE.to_owned(), 2));
        }
        topics
    }

    /// Adds what is still missing of them.
    pub(super) fn grow(&self, world: &World) {
        let (topic, partitions) = &self.all_topics()[0];
        world.broker().add_partitions(topic, *partitions).unwrap();
        world.broker().create_topic(LATE, 2).unwrap();
        world.note("topics grow");
    }

    /// How long nothing may go on once nothing goes wrong any more: as long as it takes to miss a member, then to wait for
    /// one in a rebalance, after a request that nobody answers.
    pub(super) fn standstill(&self) -> Duration {
        self.session_timeout + self.max_poll_interval + self.request_timeout + Duration::from_secs(10)
    }

    /// Whether partitions may be nobody's until the next rebalance, also with Kafka's own client. A static member that
    /// comes back amid a cooperative rebalance gets what it was assigned, and nobody joins again for what it gave up; one
    /// that leads the group goes by what there is as it comes back, not by what it assigned (KIP-814).
    pub(super) fn may_forget_partitions(&self) -> bool {
        let is_cooperative = self.sharing == Sharing::Members(AssignmentStrategy::CooperativeSticky);
        let is_classic = !matches!(self.sharing, Sharing::Coordinator(_));
        self.statics > 0 && is_classic && (is_cooperative || self.grows)
    }

    /// What holds of a member.
    pub(super) fn terms(&self, number: u32, listens: bool) -> Terms {
        Terms { is_read_committed: self.is_read_committed, is_static: self.is_static(number), listens }
    }

    fn is_static(&self, number: u32) -> bool {
        number * 10 < self.statics * self.members
    }

    /// A consumer of this group: what must be the same for all of them, and what need not be.
    pub(super) fn apply(&self, life: &Life, number: u32, builder: ConsumerBuilder) -> ConsumerBuilder {
        let draw = |of: &[u32]| life.random(|random| *random.choice(of).unwrap());
        let isolation =
            if self.is_read_committed { IsolationLevel::ReadCommitted } else { IsolationLevel::ReadUncommitted };
        let mut builder = builder
            .group(super::GROUP)
            .allow_auto_create_topics(false)
            .isolation_level(isolation)
            .max_poll_interval(self.max_poll_interval)
            .request_timeout(self.request_timeout)
            .default_api_timeout(Duration::from_secs(draw(&[3, 10, 60]).into()))
            .auto_offset_reset(
                [OffsetReset::Earliest, OffsetReset::ByDuration(Duration::from_secs(86_400))]
                    [draw(&[0, 0, 1]) as usize],
            )
            .enable_auto_commit(draw(&[0, 1, 1]) == 1)
            .auto_commit_interval(Duration::from_millis(draw(&[50, 500, 5_000]).into()))
            .metadata_max_age(Duration::from_secs(draw(&[1, 5]).into()))
            .fetch_max_wait(Duration::from_millis(draw(&[20, 500]).into()))
            .max_partition_fetch_bytes(draw(&[60, 400, 1_000_000]))
            .fetch_max_bytes(draw(&[100, 1_000_000]))
            .max_poll_records(draw(&[3, 20, 500]) as usize);
        if self.has_racks {
            builder = builder.client_rack(["", "a", "b"][draw(&[0, 1, 2]) as usize]);
        }
        if self.is_static(number) {
            builder = builder.group_instance_id(format!("instance-{number}"));
        }
        if let Sharing::Coordinator(assignor) = self.sharing {
            return builder.group_protocol(GroupProtocol::Consumer).group_remote_assignor(assignor);
        }
        builder = builder.session_timeout(self.session_timeout).heartbeat_interval(self.heartbeat_interval);
        match self.sharing {
            Sharing::Members(strategy) => builder.partition_assignment_strategy(vec![strategy]),
            Sharing::Mixed => {
                let others =
                    [AssignmentStrategy::Sticky, AssignmentStrategy::RoundRobin, AssignmentStrategy::CooperativeSticky];
                let mut strategies = vec![AssignmentStrategy::Range, others[draw(&[0, 1, 2]) as usize]];
                if draw(&[0, 1]) == 0 {
                    strategies.reverse();
                }
                builder.partition_assignment_strategy(strategies)
            }
            _ => builder,
        }
    }
}
