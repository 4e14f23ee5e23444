//! The task behind a producer: the only place here with a clock.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock and the tasks")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use ottla_wire::messages::{ProduceRequest, ProduceResponse};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Core;
use super::availability::Availability;
use super::batch::Slot;
use super::compress::Sealed;
use super::identify::identify;
use super::overdue::{Lingered, Overdue};
use super::queue::{BatchId, Identity};
use super::request::Outgoing;
use super::seal::Presses;
use super::sender::{Policy, Sender, Settled};
use super::split::Piece;
use super::transaction::{self, Begun, Reply, Transactions};
use crate::cluster::{Cluster, Lane, Metadata, View};
use crate::config::Acks;
use crate::connection::{Answer, Backoff, Typed};
use crate::deadline::{Alarm, after};
use crate::error::{Error, Kind};
use crate::group::metadata::GroupMetadata;
use crate::group::offsets::Offsets;
use crate::planted::{self, Bug};
use crate::watch;

/// What the driver is told, beside the [`Inbox`](super::Inbox).
#[derive(Debug)]
pub(super) enum Event {
    /// A request ended.
    Reply(u64, Result<Option<ProduceResponse>, Error>),
    /// A batch is compressed.
    Sealed { slot: usize, batch: u64, sealed: Sealed, taken: usize, kept: usize },
    /// A batch that was too large is in parts, or cannot be.
    Split { slot: usize, batch: BatchId, outcome: Result<Vec<(Piece, Sealed)>, Error> },
    /// The cluster gave the producer an id, or did not.
    Identity(Result<Identity, Error>),
    /// Something about transactions.
    Transaction(Command),
    /// A coordinator answered, or did not.
    Coordinated(Result<transaction::Answer, Error>),
    /// Send everything, and say so when what is there now is settled.
    Flush(oneshot::Sender<()>),
    /// Send everything until the deadline, then end; say how many records were left.
    Close { deadline: Option<Instant>, done: oneshot::Sender<usize> },
}

/// What the driver of a transactional producer is asked.
#[derive(Debug)]
pub(super) enum Command {
    /// The transaction has no holder any more.
    Abandon(u64),
    Begin(Reply<Begun>),
    End {
        number: u64,
        commit: bool,
        reply: Reply<()>,
    },
    Init(Reply<()>),
    Offsets {
        number: u64,
        offsets: Offsets,
        group: GroupMetadata,
        reply: Reply<()>,
    },
    /// A record was not taken into the transaction.
    Refused(u64, Error),
}

pub(super) fn start(core: &Arc<Core>, events: mpsc::UnboundedReceiver<Event>) {
    let config = &core.config;
    let policy = Policy {
        acks: config.acks.to_wire(),
        idempotent: config.enable_idempotence,
        transactional_id: (!config.transactional_id.is_empty()).then(|| config.transactional_id.as_str().into()),
        max_in_flight: config.max_in_flight as usize,
        max_request_size: config.max_request_size,
        delivery_timeout: config.delivery_timeout,
        retries: config.retries,
        retry_backoff: config.client.retry_backoff,
        retry_backoff_max: config.client.retry_backoff_max,
    };
    let backoff = Backoff::new(config.client.retry_backoff, config.client.retry_backoff_max);
    let driver = Driver {
        transactions: policy.transactional_id.clone().map(|id| Transactions::new(id, backoff)),
        views: core.cluster.watch(),
        sender: Sender::new(policy),
        availability: Availability::new(match config.adaptive_partitioning {
            true => config.partitioner_availability_timeout,
            false => Duration::ZERO,
        }),
        events,
        overdue: Overdue::default(),
        flushes: Vec::new(),
        closed_in_vain: false,
        close: None,
        asks_identity: false,
        presses: Presses::new(config.compression, config.compression_level()),
        core: core.clone(),
    };
    core.cluster.runtime().spawn(driver.run());
}

pub(super) struct Driver {
    pub(super) core: Arc<Core>,
    events: mpsc::UnboundedReceiver<Event>,
    views: watch::Receiver<View>,
    pub(super) sender: Sender,
    availability: Availability,
    overdue: Overdue,
    /// Flushes, each with the first batch it does not wait for.
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    pub(super) transactions: Option<Transactions>,
    /// Batches may be waiting to be sent of a transaction that can only be aborted.
    pub(super) closed_in_vain: bool,
    close: Option<(Option<Instant>, Vec<oneshot::Sender<usize>>)>,
    asks_identity: bool,
    pub(super) presses: Presses,
}

impl Driver {
    async fn run(mut self) {
        self.on_view();
        let mut alarm = Alarm::default();
        loop {
            let now = Instant::now();
            // Once for the whole round: what is enqueued before `closing` is set is gathered before the end is near.
            let closing = self.core.closing.load(Ordering::SeqCst);
            self.sender.on_time(now);
            self.gather(now, closing);
            self.give_up_unsent();
            self.send(now);
            if let Some(brokers) = self.availability.look(&self.sender, self.overdue.leaders(), now) {
                self.avoid(brokers);
            }
            self.settle();
            self.transact(now, closing);
            if self.is_done(now, closing) {
                return;
            }
            let wake_at = self.wake_at();
            self.core.inbox.is_saturated.store(self.sender.is_saturated(), Ordering::Release);
            if !self.core.inbox.news.lock().filled.is_empty() {
                // It came while the flag of the last round said that nobody need be woken.
                continue;
            }
            tokio::select! {
                biased;
                event = self.events.recv() => if let Some(event) = event { self.on_events(event) },
                changed = self.views.changed() => if changed.is_ok() { self.on_view() },
                () = self.core.inbox.wake.notified() => {}
                () = alarm.until(wake_at) => {}
            }
        }
    }

    fn on_events(&mut self, first: Event) {
        self.on_event(first);
        while let Ok(event) = self.events.try_recv() {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Reply(request, outcome) => {
                let runtime = self.core.cluster.runtime().clone();
                let now = Instant::now();
                let sender = &mut self.sender;
                if let Some(sent) = sender.in_flight.get(&request) {
                    self.availability.ended(sent.broker, outcome.is_ok(), now);
                }
                let leaders = runtime.random(|random| sender.on_reply(request, &outcome, now, random));
                for new in &leaders {
                    if let Some(broker) = &new.broker {
                        self.core.cluster.learn_broker(new.leader, broker);
                    }
                }
                let leaders = leaders.iter();
                self.core.cluster.learn_leaders(leaders.map(|new| (&*new.topic, new.partition, new.leader, new.epoch)));
            }
            Event::Sealed { slot, batch, sealed, taken, kept } => {
                // A batch that was given up meanwhile has given all of it back.
                if self.sender.sealed(slot, batch, sealed, kept) {
                    self.core.memory.give_back(taken - kept);
                }
            }
            Event::Split { slot, batch, outcome: Ok(pieces) } => self.sender.on_split(slot, batch, pieces),
            Event::Split { slot, batch, outcome: Err(error) } => self.sender.fail(slot, batch, |_, _| error),
            Event::Identity(Ok(identity)) => {
                self.asks_identity = false;
                self.sender.identified(identity);
            }
            // It is asked for again meanwhile.
            Event::Identity(Err(error)) if error.is_retriable() => self.sender.no_identity = Some(error),
            Event::Identity(Err(error)) => {
                self.asks_identity = false;
                self.sender.fail_all(&error);
            }
            Event::Transaction(command) => self.on_command(command),
            Event::Coordinated(outcome) => self.on_coordinated(outcome),
            Event::Flush(done) => {
                self.close_open();
                self.flushes.push((self.core.next_batch.load(Ordering::SeqCst), done));
            }
            Event::Close { deadline, done } => {
                let deadline = deadline.filter(|_| !planted::has(Bug::LateClose));
                let (earliest, waiting) = self.close.get_or_insert((deadline, Vec::new()));
                *earliest = [*earliest, deadline].into_iter().flatten().min();
                waiting.push(done);
            }
        }
    }

    /// Follows the leaders, and lets callers see new partitions.
    fn on_view(&mut self) {
        let metadata = self.views.borrow_and_update().metadata.clone();
        let clock = self.core.cluster.runtime().epoch_ms();
        self.learn(&metadata, clock);
        if self.sender.is_idle() {
            let idle = i64::try_from(self.core.config.metadata_max_idle.as_millis()).unwrap_or(i64::MAX);
            for forgotten in self.core.topics.forget_unused(clock.saturating_sub(idle)) {
                self.core.cluster.unwant(&forgotten);
            }
        }
        self.sender.on_metadata(&metadata);
        for lingered in self.overdue.take_all() {
            self.on_lingered(lingered);
        }
    }

    fn learn(&self, metadata: &Metadata, clock: i64) {
        let names = self.core.topics.names();
        let topics = names.iter().filter_map(|name| metadata.topics.get(&**name));
        self.core.topics.learn_all(topics.map(|topic| &**topic), clock);
    }

    /// Lets callers choose other brokers' partitions than these for records that may go anywhere.
    fn avoid(&self, brokers: BTreeSet<i32>) {
        tracing::debug!(?brokers, "brokers that have taken nothing for partitioner.availability.timeout.ms");
        self.core.topics.avoid(brokers);
        self.learn(&self.views.borrow().metadata, self.core.cluster.runtime().epoch_ms());
    }

    /// Takes in the batches that are full or have lingered.
    fn gather(&mut self, now: Instant, closing: bool) {
        // Memory is held by what lingers.
        if closing || self.core.memory.is_exhausted() {
            self.close_open();
        }
        let (lingered, filled) = {
            let mut news = self.core.inbox.news.lock();
            let count = news.opened.iter().take_while(|(until, ..)| *until <= now).count();
            let lingered: Vec<_> = news.opened.drain(..count).collect();
            let set = !news.opened.is_empty();
            self.core.inbox.timer_is_set.store(set, Ordering::Release);
            (lingered, std::mem::take(&mut news.filled))
        };
        for slot in filled {
            self.take_closed(&slot);
        }
        for (until, slot, batch) in lingered {
            self.on_lingered(Lingered { until, slot, batch });
        }
        let given_up = now.checked_sub(self.patience()).map(|until| self.overdue.take_until(until));
        for lingered in given_up.into_iter().flatten() {
            self.close(&lingered);
        }
        for leader in self.overdue.leaders() {
            let room = self.sender.room(leader);
            let mut due = Vec::new();
            self.overdue.take(leader, room, |lingered| {
                let size = lingered.slot.open_size(lingered.batch);
                if size.is_some() && self.sender.waits(lingered.slot.index) {
                    return None;
                }
                due.push(lingered.clone());
                Some(size.unwrap_or(0))
            });
            for lingered in due {
                self.close(&lingered);
            }
        }
    }

    /// A batch has lingered: it goes out, or waits until there is room for it.
    fn on_lingered(&mut self, lingered: Lingered) {
        let slot = &lingered.slot;
        let known = self.views.borrow().metadata.partition(&slot.topic, slot.partition).and_then(|known| known.leader);
        match known.filter(|_| !self.core.config.enable_idempotence || self.sender.identity.is_some()) {
            Some(leader) => self.overdue.push(leader, lingered),
            // What is missing is asked for once there is something to be sent.
            None => self.close(&lingered),
        }
    }

    fn close(&mut self, lingered: &Lingered) {
        lingered.slot.close(lingered.batch);
        self.take_closed(&lingered.slot);
    }

    /// How long a batch that has lingered may go on waiting until it is given up, sent or not.
    fn patience(&self) -> Duration {
        let config = &self.core.config;
        config.delivery_timeout.saturating_sub(config.linger)
    }

    /// Closes every open batch, whether it has lingered or not. Each was put in the inbox under the lock of its partition,
    /// so that none holds a record and is not there.
    pub(super) fn close_open(&mut self) {
        let (opened, filled) = {
            let mut news = self.core.inbox.news.lock();
            // The next that opens has a timer to set.
            self.core.inbox.timer_is_set.store(false, Ordering::Release);
            (std::mem::take(&mut news.opened), std::mem::take(&mut news.filled))
        };
        for slot in filled {
            self.take_closed(&slot);
        }
        for lingered in self.overdue.take_all() {
            self.close(&lingered);
        }
        for (until, slot, batch) in opened {
            self.close(&Lingered { until, slot, batch });
        }
    }

    fn take_closed(&mut self, slot: &Arc<Slot>) {
        for closed in slot.take_closed() {
            let metadata = self.views.borrow().metadata.clone();
            if self.core.topics.with(&slot.topic, |_| ()).is_none() {
                // It lingered for so long that its topic was forgotten.
                self.core.cluster.want(&slot.topic);
            }
            if let Some(transactions) = &mut self.transactions {
                transactions.on_batch(slot);
                self.closed_in_vain |= transactions.failure().is_some();
            }
            self.sender.add(slot, &closed, &metadata);
            self.availability.closed(slot.index);
            self.seal(slot, closed);
        }
    }

    /// Sends what may be sent, and asks for what is missing.
    fn send(&mut self, now: Instant) {
        self.split();
        let cluster = self.core.cluster.clone();
        while let Some(outgoing) = self.sender.take(now) {
            self.submit(&cluster, outgoing);
        }
        if self.sender.wants_identity && !self.asks_identity && !self.sender.is_idle() {
            self.asks_identity = true;
            let (cluster, events) = (cluster.clone(), self.core.events.clone());
            let runtime = cluster.runtime().clone();
            runtime.spawn(identify(Arc::downgrade(&cluster), events));
        }
        if std::mem::take(&mut self.sender.wants_metadata) {
            cluster.refresh();
        }
        for broker in self.sender.silent(now) {
            cluster.refresh_avoiding(broker);
        }
        for broker in self.sender.depose() {
            if let Ok(link) = cluster.link(broker, Lane::Main) {
                let reason = format!("broker {broker} is silent and no longer leads what was sent to it");
                link.abandon(Error::new(Kind::Connection, reason));
            }
        }
        // What was deposed goes to its new leader.
        while let Some(outgoing) = self.sender.take(now) {
            self.submit(&cluster, outgoing);
        }
    }

    fn submit(&mut self, cluster: &Arc<Cluster>, outgoing: Outgoing) {
        self.core.metrics.sent(&self.sender, outgoing.id, Instant::now());
        let events = self.core.events.clone();
        let limit = outgoing.max_version();
        let Outgoing { id, broker, mut request, .. } = outgoing;
        let timeout = self.core.config.client.request_timeout;
        request.timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let link = match cluster.link(broker, Lane::Main) {
            Ok(link) => link,
            Err(error) => {
                let _ = events.send(Event::Reply(id, Err(error)));
                return;
            }
        };
        let exchange = Typed::<ProduceRequest, _, _>::new(
            move |versions| Ok((request, versions.choose_up_to::<ProduceRequest>(limit)?)),
            timeout,
            move |outcome: Result<Answer<ProduceRequest>, Error>| {
                let _ = events.send(Event::Reply(id, outcome.map(|answer| answer.response)));
            },
        );
        if self.core.config.acks == Acks::None {
            link.submit(exchange.unanswered());
        } else {
            link.submit(exchange);
        }
    }

    /// Tells everybody what became of their records, and gives the memory back.
    fn settle(&mut self) {
        // What fails in a transaction may bring down what else is in it.
        while !self.sender.settled.is_empty() {
            for settled in std::mem::take(&mut self.sender.settled) {
                let outcome = settled.outcome.as_ref().filter(|_| self.transactions.is_some());
                let failure = outcome.and_then(|(_, settlement, _)| settlement.failure().cloned());
                release(&self.core, settled);
                if let (Some(transactions), Some(failure)) = (&mut self.transactions, failure) {
                    let change = transactions.on_send_failed(&failure);
                    self.follow(change);
                }
            }
        }
        let oldest = self.sender.outstanding.first().copied().unwrap_or(u64::MAX);
        for (_, done) in self.flushes.extract_if(.., |(before, _)| *before <= oldest) {
            let _ = done.send(());
        }
    }

    /// Whether the producer has come to its end.
    fn is_done(&mut self, now: Instant, closing: bool) -> bool {
        let overdue = self.close.as_ref().is_some_and(|(deadline, _)| deadline.is_some_and(|deadline| deadline <= now));
        let no_transaction = self.transactions.as_ref().is_none_or(Transactions::is_settled);
        let is_over = overdue || closing && self.sender.is_idle() && no_transaction;
        if !is_over {
            return false;
        }
        let left: usize =
            self.sender.queues.values().flat_map(|queue| &queue.batches).map(super::queue::Batch::records).sum();
        self.end();
        for done in self.close.take().into_iter().flat_map(|(_, waiting)| waiting) {
            let _ = done.send(left);
        }
        true
    }

    /// Settles everything there is: nothing more will be sent.
    fn end(&mut self) {
        self.core.closed.store(true, Ordering::SeqCst);
        self.core.closing.store(true, Ordering::SeqCst);
        let error = Error::closed("producer");
        for slot in self.core.topics.slots() {
            slot.close_any();
            for closed in slot.take_closed() {
                let records = closed.header.count as usize;
                let reserved = closed.body.capacity();
                let outcome = Some((closed.outcome, Err(error.clone()).into(), records));
                release(&self.core, Settled { outcome, reserved, body: None });
            }
        }
        self.sender.fail_all(&error);
        for settled in self.sender.settled.drain(..) {
            release(&self.core, settled);
        }
        self.flushes.clear();
    }

    fn wake_at(&self) -> Option<Instant> {
        let linger = {
            let news = self.core.inbox.news.lock();
            news.opened.front().map(|(until, ..)| *until)
        };
        let close = self.close.as_ref().and_then(|(deadline, _)| *deadline);
        let overdue = self.overdue.oldest().map(|lingered| after(lingered, self.patience()));
        let retry = self.transactions.as_ref().and_then(Transactions::wake_at);
        let availability = self.availability.wake_at();
        [linger, close, overdue, retry, availability, self.sender.wake_at()].into_iter().flatten().min()
    }
}

impl Drop for Driver {
    /// The runtime ended under it, or it came to its end: either way every record has an outcome.
    fn drop(&mut self) {
        if !self.core.closed.load(Ordering::SeqCst) {
            self.end();
        }
    }
}

fn release(core: &Core, settled: Settled) {
    let Settled { outcome, reserved, body } = settled;
    let keeps = || outcome.as_ref().is_some_and(|(_, settlement, _)| settlement.failure().is_some());
    if !(planted::has(Bug::KeptMemory) && keeps()) {
        core.memory.give_back(reserved);
    }
    if let Some((outcome, settlement, records)) = outcome {
        core.metrics.settled(&outcome, &settlement, records, Instant::now());
        outcome.settle(settlement, records);
    }
    if let Some(buffer) = body.and_then(|body: Bytes| body.try_into_mut().ok()) {
        core.memory.recycle(Vec::from(buffer));
    }
}
