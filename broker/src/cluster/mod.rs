//! The state of the whole cluster: no socket, no clock, no task.
//!
//! ```text
//! request(ticket, call, now) ─► faults judge ─► api acts ─► Ready(outcome)
//!                                                   └────► Later: the outcome comes under its ticket
//! on_time(now), stop_node(…), …  ─► take_answers() ─► (ticket, outcome)
//! wake_at() says when on_time is due
//! ```
//!
//! `now` is the time since the broker started.

pub(crate) mod fetch_sessions;
pub(crate) mod fetches;
mod groups;
mod nodes;
mod placement;
pub(crate) mod replicas;
mod shares;
pub(crate) mod timers;
pub(crate) mod topic_config;
pub(crate) mod topics;
mod transactions;

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use crate::api::share_fetch::ShareFetch;
use crate::api::{self, Call, Outcome, Places};
use crate::config::Config;
use crate::faults::{Faults, Subject, Verdict};
use crate::observe::Requests;
use crate::share::Shares;
use crate::telemetry::{Pushes, Telemetry};

use fetch_sessions::FetchSessions;
use fetches::Fetches;
use groups::Groups;
pub(crate) use nodes::Node;
use timers::{TimerKey, Timers};
use topics::Topics;
use transactions::Transactions;

/// Names a request whose answer comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    pub(crate) number: u64,
    /// The node that got the request.
    pub(crate) node: i32,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Handled {
    /// Done.
    Ready(Outcome),
    /// The outcome comes under the ticket. If `blocks`, the connection's next request waits for it, as in Kafka.
    Later { blocks: bool },
}

/// Something that is to happen at its time.
#[derive(Debug)]
pub(crate) enum Timer {
    /// A fetch waited long enough.
    Fetch(Ticket),
    /// Something is due in a group.
    Group(String),
    /// A delayed answer is due.
    Release(Ticket),
    /// A share fetch waited long enough.
    ShareFetch(Ticket),
    /// Something is due in share groups.
    Shares,
    /// A transaction has been open for too long.
    Transaction(String),
}

/// What the cluster has agreed on (KIP-584).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    /// The level of `transaction.version`.
    pub(crate) transaction_version: i16,
    /// Rises with each change.
    pub(crate) epoch: i64,
}

/// All brokers, topics, groups and transactions.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) config: Config,
    pub(crate) id: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) topics: Topics,
    pub(crate) fetches: Fetches,
    /// Of each node.
    pub(crate) fetch_sessions: Vec<FetchSessions>,
    pub(crate) groups: Groups,
    pub(crate) shares: Shares,
    /// Share fetches that wait.
    pub(crate) share_fetches: BTreeMap<Ticket, (ShareFetch, TimerKey)>,
    shares_timer: Option<(Duration, TimerKey)>,
    pub(crate) transactions: Transactions,
    pub(crate) features: Features,
    pub(crate) timers: Timers<Timer>,
    pub(crate) faults: Faults,
    pub(crate) requests: Requests,
    pub(crate) random: fastrand::Rng,
    pub(crate) pushes: Pushes,
    next_producer_id: i64,
    answers: Vec<(Ticket, Outcome)>,
    /// Of requests that wait: what is to be done to their answers.
    verdicts: BTreeMap<Ticket, Verdict>,
    /// Answers held back, in the order of their requests.
    held: BTreeMap<Ticket, Outcome>,
    delayed: BTreeMap<Ticket, Outcome>,
    /// Requests to nodes that are paused, in the order they came.
    paused_calls: Vec<(Ticket, Call)>,
}

impl Cluster {
    /// A cluster whose nodes are all up. Topics of the configuration are created by [`Self::create_topic`].
    pub(crate) fn new(config: Config) -> Self {
        let mut random = config.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            id: Uuid::from_u128(random.u128(..)).simple().to_string()[..22].to_owned(),
            nodes: (0..config.nodes).map(|id| Node::new(id, config.rack(id))).collect(),
            topics: Topics::default(),
            fetches: Fetches::default(),
            fetch_sessions: (0..config.nodes).map(|_| FetchSessions::new(config.fetch_session_slots)).collect(),
            groups: Groups::default(),
            shares: Shares::default(),
            share_fetches: BTreeMap::new(),
            shares_timer: None,
            transactions: Transactions::default(),
            features: Features { transaction_version: config.transaction_version, epoch: 0 },
            timers: Timers::default(),
            faults: Faults::default(),
            requests: Requests::new(config.requests_kept),
            pushes: Pushes::new(
                config.telemetry.clone().unwrap_or_else(|| Telemetry::new([""; 0])),
                config.requests_kept,
            ),
            random,
            next_producer_id: 0,
            answers: Vec::new(),
            verdicts: BTreeMap::new(),
            held: BTreeMap::new(),
            delayed: BTreeMap::new(),
            paused_calls: Vec::new(),
            config,
        }
    }

    /// Acts on a request of a client.
    pub(crate) fn request(&mut self, ticket: Ticket, call: Call, now: Duration) -> Handled {
        self.requests.saw(&call.context, now);
        if self.is_paused(ticket.node) {
            self.paused_calls.push((ticket, call));
            return Handled::Later { blocks: true };
        }
        self.act(ticket, call, now)
    }

    fn act(&mut self, ticket: Ticket, call: Call, now: Duration) -> Handled {
        let subject = Subject {
            api: call.context.api,
            node: call.context.node,
            client_id: call.context.client_id.as_str(),
            group: call.request.group(),
            transactional_id: call.request.transactional_id(),
        };
        let sessions = usize::try_from(call.context.node).ok().and_then(|node| self.fetch_sessions.get(node));
        let shares = self.shares.sessions.get(&call.context.node);
        let places = Places { topics: &self.topics, sessions, shares };
        let verdict = self.faults.judge(subject, || call.request.targets(&places));
        if verdict.refuse {
            return Handled::Ready(Outcome::Close);
        }
        if verdict.ignore {
            return Handled::Later { blocks: false };
        }
        let outcome = if verdict.repeat {
            let first = api::act(self, ticket, call.clone(), &verdict, now);
            if matches!(first, Outcome::Later) { first } else { api::act(self, ticket, call, &verdict, now) }
        } else {
            api::act(self, ticket, call, &verdict, now)
        };
        if matches!(outcome, Outcome::Later) {
            if verdict != Verdict::default() {
                self.verdicts.insert(ticket, verdict);
            }
            return Handled::Later { blocks: true };
        }
        match self.harm(ticket, outcome, &verdict, now) {
            Some(outcome) => Handled::Ready(outcome),
            None => Handled::Later { blocks: false },
        }
    }

    /// Does what is due.
    pub(crate) fn on_time(&mut self, now: Duration) {
        while let Some(timer) = self.timers.fire(now) {
            match timer {
                Timer::Fetch(ticket) => api::fetch::expire(self, ticket, now),
                Timer::ShareFetch(ticket) => api::share_fetch::expire(self, ticket, now),
                Timer::Shares => self.shares_on_time(now),
                Timer::Group(id) => self.group_on_time(&id, now),
                Timer::Transaction(id) => self.transaction_on_time(&id, now),
                Timer::Release(ticket) => {
                    let outcome = self.delayed.remove(&ticket);
                    self.answers.extend(outcome.map(|outcome| (ticket, outcome)));
                }
            }
        }
    }

    /// When [`Self::on_time`] is due next.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// Outcomes of requests that had to wait, except those of nodes that are paused.
    pub(crate) fn take_answers(&mut self) -> Vec<(Ticket, Outcome)> {
        let answers = std::mem::take(&mut self.answers);
        let (kept, taken) = answers.into_iter().partition(|(ticket, _)| self.is_paused(ticket.node));
        self.answers = kept;
        taken
    }

    /// Stops a node from doing anything, or lets it do what has come in meanwhile.
    pub(crate) fn set_paused(&mut self, node: i32, is_paused: bool, now: Duration) {
        let Some(node) = usize::try_from(node).ok().and_then(|node| self.nodes.get_mut(node)) else { return };
        node.is_paused = is_paused;
        let id = node.id;
        if !is_paused {
            let (due, kept) =
                std::mem::take(&mut self.paused_calls).into_iter().partition(|(ticket, _)| ticket.node == id);
            self.paused_calls = kept;
            let due: Vec<(Ticket, Call)> = due;
            for (ticket, call) in due {
                if let Handled::Ready(outcome) = self.act(ticket, call, now) {
                    self.answers.push((ticket, outcome));
                }
            }
            self.settle_transactions(now);
        }
    }

    fn is_paused(&self, node: i32) -> bool {
        self.node(node).is_some_and(|node| node.is_paused)
    }

    /// Ends the wait of a request.
    pub(crate) fn answer(&mut self, ticket: Ticket, outcome: Outcome, now: Duration) {
        let verdict = self.verdicts.remove(&ticket).unwrap_or_default();
        if let Some(outcome) = self.harm(ticket, outcome, &verdict, now) {
            self.answers.push((ticket, outcome));
        }
    }

    /// Lets go the answers held back, the oldest request's first; all of them, or so many.
    pub(crate) fn release(&mut self, count: usize) {
        for _ in 0..count.min(self.held.len()) {
            self.answers.extend(self.held.pop_first());
        }
    }

    /// Answers held back now.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Does to an answer what its verdict says; `None` if it comes later.
    fn harm(&mut self, ticket: Ticket, mut outcome: Outcome, verdict: &Verdict, now: Duration) -> Option<Outcome> {
        if let Some(time) = verdict.throttle {
            outcome.throttle(i32::try_from(time.as_millis()).unwrap_or(i32::MAX));
        }
        if verdict.damage {
            outcome = Outcome::Damaged(Box::new(outcome));
        }
        if verdict.truncate {
            outcome = Outcome::Truncated(Box::new(outcome));
        }
        if verdict.drop_after {
            outcome = Outcome::Close;
        }
        if verdict.hold {
            self.held.insert(ticket, outcome);
            return None;
        }
        if let Some(delay) = verdict.delay {
            self.delayed.insert(ticket, outcome);
            self.timers.set(now + delay, Timer::Release(ticket));
            return None;
        }
        Some(outcome)
    }

    /// A producer id no one had before.
    pub(crate) fn new_producer_id(&mut self) -> i64 {
        transactions::give(&mut self.next_producer_id)
    }

    /// A fresh id, from the seeded generator.
    pub(crate) fn new_uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid()
    }
}
