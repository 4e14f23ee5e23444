//! What one broker is to be asked and told next: one request at a time, as the session's epochs demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ottla_wire::Str;
use ottla_wire::messages::{ShareAcknowledgeRequest, ShareFetchRequest};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::acknowledge::{Acknowledgements, TopicIdPartition};
use super::handed::renewals;
use super::runs::Runs;
use super::session::Session;
use crate::connection::Backoff;

/// Acknowledgements that were given together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The commit that waits for them.
    pub(super) commit: Option<u64>,
    /// Not to wait for a fetch that could carry them.
    pub(super) is_prompt: bool,
    /// When to give up what a broker asks to try again.
    pub(super) until: Instant,
    pub(super) acks: Acknowledgements,
}

impl Group {
    fn renews(&self) -> bool {
        self.acks.values().any(|acks| !renewals(acks).is_empty())
    }
}

#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) session: Session,
    waiting: VecDeque<Group>,
    /// What the request on its way acknowledges.
    under_way: Vec<Group>,
    /// Partitions to fetch, and the epoch of the leader.
    pub(super) wanted: BTreeMap<TopicIdPartition, i32>,
    pub(super) wake: Arc<Notify>,
    pub(super) backoff: Backoff,
    pub(super) retry_at: Option<Instant>,
    /// A poll found nothing since the last fetch went out.
    pub(super) asked: bool,
    /// When it fetched last, as a number: for taking turns.
    pub(super) turn: u64,
    pub(super) is_fetching: bool,
}

/// What is sent.
#[derive(Debug)]
pub(super) enum Ask {
    /// The last request of a session.
    Close(ShareAcknowledgeRequest),
    Acknowledge(ShareAcknowledgeRequest),
    Fetch(ShareFetchRequest),
}

/// A request on its way, and what it is about. What it acknowledges stays here.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) ask: Ask,
    pub(super) wanted: BTreeMap<TopicIdPartition, i32>,
}

#[derive(Debug)]
pub(super) enum Next {
    Done,
    Send(Sent),
    Wait(Option<Instant>),
}

impl Outbox {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self {
            session: Session::default(),
            waiting: VecDeque::new(),
            under_way: Vec::new(),
            wanted: BTreeMap::new(),
            wake: Arc::default(),
            backoff,
            retry_at: None,
            asked: false,
            turn: 0,
            is_fetching: false,
        }
    }

    /// Takes acknowledgements to send. Renewals go in requests of their own: brokers fetch nothing along with those, and
    /// older ones know none.
    pub(super) fn push(&mut self, group: Group) -> usize {
        let mut count = 0;
        let (mut plain, mut renew) = (Acknowledgements::new(), Acknowledgements::new());
        for (partition, mut acks) in group.acks {
            let mut renewed = Runs::default();
            for (first, last, _) in renewals(&acks).iter() {
                renewed.extend(&acks.take(first, last));
            }
            for (acks, of) in [(acks, &mut plain), (renewed, &mut renew)] {
                if !acks.is_empty() {
                    of.insert(partition.clone(), acks);
                    count += 1;
                }
            }
        }
        for (acks, is_prompt) in [(plain, group.is_prompt), (renew, true)] {
            if !acks.is_empty() {
                self.waiting.push_back(Group { acks, is_prompt, ..group });
            }
        }
        self.wake.notify_one();
        count
    }

    /// Puts back what is to be tried again.
    pub(super) fn unpush(&mut self, group: Group) {
        self.waiting.push_front(Group { is_prompt: true, ..group });
    }

    /// What the request on its way acknowledges.
    pub(super) fn under_way(&self) -> impl Iterator<Item = &Acknowledgements> {
        self.under_way.iter().map(|group| &group.acks)
    }

    /// What the request that was on its way acknowledged.
    pub(super) fn answered(&mut self) -> Vec<Group> {
        std::mem::take(&mut self.under_way)
    }

    /// All that is not acknowledged yet. Without a session nothing can be: the broker has let go of the records (edge 70).
    pub(super) fn give_up(&mut self) -> Vec<Group> {
        let mut groups = self.answered();
        groups.extend(self.waiting.drain(..));
        groups
    }

    /// What waits to be renewed.
    pub(super) fn take_renewals(&mut self) -> Vec<Group> {
        let (renewals, others) = self.waiting.drain(..).partition(Group::renews);
        self.waiting = others;
        renewals.into()
    }

    /// The request that ends the session. None if there is no session.
    pub(super) fn close(&mut self, group: &Str, member: &Str) -> Option<Sent> {
        if self.session.is_new() {
            return None;
        }
        self.under_way = self.waiting.drain(..).collect();
        let request = self.session.acknowledge(group, member, &merged(&self.under_way), true);
        Some(Sent { ask: Ask::Close(request), wanted: BTreeMap::new() })
    }

    /// The next request, if there is one now. `fetches` says whether records are wanted of this broker.
    pub(super) fn next(&mut self, group: &Str, member: &Str, fetches: bool) -> Option<Sent> {
        let fetches = fetches && !self.wanted.is_empty();
        let rides = |group: &Group| !group.is_prompt && group.acks.keys().all(|it| self.wanted.contains_key(it));
        if fetches && self.waiting.iter().all(rides) {
            self.under_way = self.waiting.drain(..).collect();
            let request = self.session.fetch(group, member, &self.wanted, &merged(&self.under_way));
            self.asked = false;
            self.is_fetching = true;
            return Some(Sent { ask: Ask::Fetch(request), wanted: self.wanted.clone() });
        }
        let first = self.waiting.front()?.renews();
        let count = self.waiting.iter().take_while(|group| group.renews() == first).count();
        self.under_way = self.waiting.drain(..count).collect();
        let mut request = self.session.acknowledge(group, member, &merged(&self.under_way), false);
        request.is_renew_ack = first;
        Some(Sent { ask: Ask::Acknowledge(request), wanted: BTreeMap::new() })
    }
}

fn merged(groups: &[Group]) -> Acknowledgements {
    let mut all = Acknowledgements::new();
    for (partition, acks) in groups.iter().flat_map(|group| &group.acks) {
        all.entry(partition.clone()).or_default().extend(acks);
    }
    all
}
