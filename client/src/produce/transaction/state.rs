//! One producer's transactions as a plain value: what may be done, what is to be said to coordinators, and when.
//!
//! ```text
//!                 init                    begin          end              EndTxn
//! Uninitialized ───────► Initializing ─► Ready ─► Open ─────► Ending ───────────► Ready, perhaps after Raising
//!                                                  │ failure     │ failure
//!                                                  └──► Failed ◄─┘ ── abort ─► Ending
//! from anywhere, when another producer took over: Fatal
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::{Code, Str};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::handle::Begun;
use super::request::{Answer, Meaning, Place, Request};
use crate::connection::Backoff;
use crate::error::{Error, Kind, Retry};
use crate::group::metadata::GroupMetadata;
use crate::group::offsets::Offsets;
use crate::planted::{self, Bug};
use crate::produce::batch::Slot;
use crate::produce::queue::Identity;

/// While the transaction before is being completed its successor asks again this soon (edge 22).
const SOON: Duration = Duration::from_millis(20);

/// Told once what became of a call.
pub(in crate::produce) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// The transactions of one producer, one after another.
#[derive(Debug)]
pub(in crate::produce) struct Transactions {
    id: Str,
    phase: Phase,
    identity: Option<Identity>,
    /// The protocol of KIP-890: partitions and offsets are added by the very requests that carry them, and the epoch
    /// rises with every end.
    pub(in crate::produce) is_v2: bool,
    /// What the cluster was last known to want for the next transaction.
    wants_v2: bool,
    /// The coordinator raises the epoch when asked: brokers since 2.5 do.
    can_bump: bool,
    /// The epoch is to be raised before the next transaction.
    needs_bump: bool,
    /// Counts transactions, so that a call about one does not end another.
    number: u64,
    /// Something may stand in the coordinator's books: the end must be told.
    is_started: bool,
    /// Nobody holds the transaction any more: if its commit fails, it is aborted.
    is_abandoned: bool,
    /// Partitions in the transaction, and those to be added, by their slots' indexes.
    added: BTreeSet<usize>,
    to_add: BTreeSet<Place>,
    groups: BTreeSet<Str>,
    offsets: VecDeque<ToCommit>,
    under_way: Option<Request>,
    /// Adds something, and was not answered: it may have been done.
    in_doubt: Option<Request>,
    retry_at: Option<Instant>,
    backoff: Backoff,
    starting: Vec<Reply<()>>,
    beginning: Vec<Reply<Begun>>,
    ending: Vec<Reply<()>>,
    /// How the last transaction ended: its number, whether as a commit, and whether it did.
    last: Option<(u64, bool, Result<(), Error>)>,
    /// The failure of a commit that nobody waited for any more.
    unreported: Option<Error>,
}

/// Offsets of a group, and who waits for their commit.
type ToCommit = (Arc<(Offsets, GroupMetadata)>, Reply<()>);

/// Where the producer is.
#[derive(Clone, Debug)]
enum Phase {
    Uninitialized,
    Initializing,
    Ready,
    Open,
    /// Only an abort is possible.
    Failed(Error),
    Ending {
        commit: bool,
    },
    /// It has ended; before the next begins the epoch is raised.
    Raising,
    Fatal(Error),
}

/// What is to follow from something that happened.
#[derive(Debug, Default)]
pub(in crate::produce) struct Change {
    /// The producer speaks as this from now on.
    pub(in crate::produce) identity: Option<Identity>,
    /// The batches of these slots may be sent.
    pub(in crate::produce) admitted: Vec<usize>,
    /// A transaction began: whoever asked for it is to be given it.
    pub(in crate::produce) began: Option<Reply<Begun>>,
    /// Nothing is added to the transaction any more: what is gathered is to be sent or, if it is aborted, given up.
    pub(in crate::produce) ends: Option<End>,
}

/// How a transaction is to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::produce) enum End {
    Abort,
    Commit,
}

impl Transactions {
    pub(in crate::produce) fn new(id: Str, backoff: Backoff) -> Self {
        Self {
            id,
            phase: Phase::Uninitialized,
            identity: None,
            is_v2: false,
            wants_v2: false,
            can_bump: false,
            needs_bump: false,
            number: 0,
            is_started: false,
            is_abandoned: false,
            added: BTreeSet::new(),
            to_add: BTreeSet::new(),
            groups: BTreeSet::new(),
            offsets: VecDeque::new(),
            under_way: None,
            in_doubt: None,
            retry_at: None,
            backoff,
            starting: Vec::new(),
            beginning: Vec::new(),
            ending: Vec::new(),
            last: None,
            unreported: None,
        }
    }

    /// What the cluster's features say now. Followed between transactions only (edge 27).
    pub(in crate::produce) fn learn(&mut self, transaction_version: i16) {
        self.wants_v2 = transaction_version >= 2;
    }

    /// Gets an id, unless there is one.
    pub(in crate::produce) fn init(&mut self, reply: Reply<()>) {
        match &self.phase {
            Phase::Uninitialized | Phase::Initializing => {
                self.phase = Phase::Initializing;
                self.starting.push(reply);
            }
            Phase::Fatal(error) => answer(reply, Err(error.clone())),
            _ => answer(reply, Ok(())),
        }
    }

    /// Begins a transaction, once the one before is over.
    pub(in crate::produce) fn begin(&mut self, reply: Reply<Begun>) -> Change {
        if let Some(error) = self.unreported.take() {
            answer(reply, Err(error));
            return Change::default();
        }
        match &self.phase {
            Phase::Fatal(error) => answer(reply, Err(error.clone())),
            Phase::Open | Phase::Failed(_) if !self.is_abandoned => {
                let context = format!("begin a transaction of {}: the one before is still open", self.id);
                answer(reply, Err(Error::new(Kind::State, context)));
            }
            Phase::Uninitialized => {
                self.phase = Phase::Initializing;
                self.beginning.push(reply);
            }
            _ => self.beginning.push(reply),
        }
        self.next_begin()
    }

    fn next_begin(&mut self) -> Change {
        self.beginning.retain(|reply| !reply.is_closed());
        if !matches!(self.phase, Phase::Ready) || self.beginning.is_empty() {
            return Change::default();
        }
        self.number += 1;
        self.phase = Phase::Open;
        self.is_started = false;
        self.is_abandoned = false;
        Change { began: Some(self.beginning.remove(0)), ..Change::default() }
    }

    /// The number of the last transaction that began.
    pub(in crate::produce) fn number(&self) -> u64 {
        self.number
    }

    /// A batch of this slot is on its way, unless it was closed to be given up.
    pub(in crate::produce) fn on_batch(&mut self, slot: &Slot) {
        if !matches!(self.phase, Phase::Open | Phase::Ending { commit: true }) {
            return;
        }
        if self.is_v2 {
            self.is_started = true;
        } else if !self.added.contains(&slot.index) {
            self.to_add.insert(Place { topic: slot.topic.clone(), partition: slot.partition, slot: slot.index });
        }
    }

    /// Commits offsets as a part of the transaction `number`.
    pub(in crate::produce) fn send_offsets(
        &mut self,
        number: u64,
        offsets: Offsets,
        group: GroupMetadata,
        reply: Reply<()>,
    ) {
        match &self.phase {
            Phase::Open if number == self.number => self.offsets.push_back((Arc::new((offsets, group)), reply)),
            Phase::Failed(error) | Phase::Fatal(error) => answer(reply, Err(error.clone())),
            _ => answer(reply, Err(self.is_over(number))),
        }
    }

    /// Ends the transaction `number`, once nothing of it is on its way any more.
    pub(in crate::produce) fn end(&mut self, number: u64, commit: bool, reply: Reply<()>) -> Change {
        let result = match &self.phase {
            _ if number != self.number => Err(self.is_over(number)),
            Phase::Failed(error) if commit => {
                self.unreported = None;
                Err(error.clone())
            }
            Phase::Open | Phase::Failed(_) => {
                self.unreported = None;
                self.ending.push(reply);
                return self.start_to_end(commit);
            }
            Phase::Ending { commit: before } if *before == commit => {
                self.ending.push(reply);
                return Change::default();
            }
            // It may be done already (edge 25).
            Phase::Ending { commit: before } => {
                let [wanted, before] = [commit, *before].map(|commit| if commit { "commit" } else { "abort" });
                let context = format!(
                    "{wanted} of a transaction of {}: its {before} is under way and may have happened; call {before} again",
                    self.id
                );
                Err(Error::new(Kind::State, context))
            }
            Phase::Fatal(error) => Err(error.clone()),
            _ => match &self.last {
                Some((last, how, result)) if (*last, *how) == (number, commit) => result.clone(),
                _ => Err(self.is_over(number)),
            },
        };
        answer(reply, result);
        Change::default()
    }

    /// Nobody holds the transaction `number` any more.
    pub(in crate::produce) fn abandon(&mut self, number: u64) -> Change {
        if number != self.number {
            return Change::default();
        }
        self.is_abandoned = true;
        match self.phase {
            Phase::Open | Phase::Failed(_) => self.start_to_end(false),
            _ => Change::default(),
        }
    }

    fn start_to_end(&mut self, commit: bool) -> Change {
        self.phase = Phase::Ending { commit };
        if commit {
            return Change { ends: Some(End::Commit), ..Change::default() };
        }
        self.to_add.clear();
        self.fail_offsets(&Error::new(Kind::Aborted, format!("the transaction of {} is being aborted", self.id)));
        Change { ends: Some(End::Abort), ..Change::default() }
    }

    /// A batch could not be sent: the transaction cannot be committed any more (edge 24).
    pub(in crate::produce) fn on_send_failed(&mut self, error: &Error) -> Change {
        let is_open = matches!(self.phase, Phase::Open | Phase::Failed(_) | Phase::Ending { .. });
        // What was never sent fails because the transaction is aborted.
        if !is_open || error.kind() == Kind::Aborted || planted::has(Bug::CommitInPart) {
            return Change::default();
        }
        let is_fatal = match error.kind() {
            Kind::Broker(
                Code::ClusterAuthorizationFailed
                | Code::InvalidProducerIdMapping
                | Code::ProducerFenced
                | Code::TransactionalIdAuthorizationFailed,
            )
            | Kind::UnsupportedVersion => true,
            // The broker may be at another sequence number now, and there is no other epoch to be had.
            _ => !self.is_v2 && !self.can_bump,
        };
        if is_fatal {
            self.fail_for_good(error.clone());
            return Change::default();
        }
        self.needs_bump |= !self.is_v2;
        self.fail(error)
    }

    /// A record was not taken into a batch: the transaction is not whole (edge 24).
    pub(in crate::produce) fn on_refused(&mut self, number: u64, error: &Error) {
        if number == self.number && matches!(self.phase, Phase::Open) {
            self.fail(error);
        }
    }

    /// What is to be asked of a coordinator now, if anything. `is_idle`: no record is on its way any more.
    pub(in crate::produce) fn next(&mut self, now: Instant, is_idle: bool) -> (Option<Request>, Change) {
        if self.under_way.is_some() || self.retry_at.is_some_and(|at| at > now) {
            return (None, Change::default());
        }
        self.retry_at = None;
        // What stands in the coordinator's books must be ended, and only what stands there can be.
        if matches!(self.phase, Phase::Ending { commit: false })
            && !self.is_started
            && let Some(request) = self.in_doubt.take()
        {
            self.under_way = Some(request.clone());
            return (Some(request), Change::default());
        }
        let request = match (&self.phase, self.identity) {
            (Phase::Initializing, _) => Request::Init(None),
            (Phase::Open | Phase::Ending { .. }, Some(identity)) if !self.to_add.is_empty() => {
                Request::AddPartitions(identity, std::mem::take(&mut self.to_add))
            }
            (Phase::Open | Phase::Ending { .. }, Some(identity)) if !self.offsets.is_empty() => {
                let (offsets, _) = &self.offsets[0];
                let group = &offsets.1.group_id;
                if self.is_v2 || self.groups.contains(group) {
                    self.is_started = true;
                    Request::Offsets(identity, offsets.clone())
                } else {
                    Request::AddOffsets(identity, group.clone())
                }
            }
            // The coordinator knows nothing of it (edge 27).
            (Phase::Ending { .. }, Some(identity)) if is_idle && !self.is_started => {
                let change = self.ended(false);
                if !matches!(self.phase, Phase::Raising) {
                    return (None, change);
                }
                Request::Init(Some(identity))
            }
            (Phase::Ending { commit }, Some(identity)) if is_idle => Request::End { identity, commit: *commit },
            (Phase::Raising, Some(identity)) => Request::Init(Some(identity)),
            _ => return (None, Change::default()),
        };
        self.under_way = Some(request.clone());
        (Some(request), Change::default())
    }

    /// When [`next`](Self::next) is to be asked again though nothing happens.
    pub(in crate::produce) fn wake_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Takes in what came of the request that was under way. `Err` with the code that a coordinator answered with, or
    /// with what kept it from being asked.
    pub(in crate::produce) fn on_answer(
        &mut self,
        outcome: Result<Answer, Error>,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Change {
        let Some(request) = self.under_way.take() else { return Change::default() };
        let ends = matches!(request, Request::End { .. }) && planted::has(Bug::CommitAnyway);
        let adds = matches!(request, Request::Offsets(..)) && planted::has(Bug::OffsetsAnyway);
        let outcome = outcome.or_else(|error| if ends || adds { Ok(Answer::Done) } else { Err(error) });
        let error = match outcome {
            Ok(answer) => {
                self.backoff.reset();
                return self.on_success(request, answer);
            }
            Err(error) => error,
        };
        let meaning = match error.code() {
            Some(code) => request.meaning(code),
            // A way to a broker that is closed was forgotten with the broker: there will be another.
            None if error.is_retriable() || matches!(error.kind(), Kind::Protocol | Kind::Closed) => Meaning::Retry,
            None => Meaning::Fatal,
        };
        let mut context = format!("{} of transactional id {}", request.name(), self.id);
        if error.code() == Some(Code::InvalidTransactionTimeout) {
            context += ": `transaction.timeout.ms` is over the broker's `transaction.max.timeout.ms`";
        }
        match meaning {
            Meaning::Retry | Meaning::RetryElsewhere | Meaning::RetrySoon => {
                let wait = self.backoff.next(random);
                let soon = meaning == Meaning::RetrySoon && self.added.is_empty();
                self.retry_at = Some(now + if soon { wait.min(SOON) } else { wait });
                tracing::debug!(%error, context, "to be tried again");
                if let Request::AddPartitions(_, places) = &request
                    && matches!(self.phase, Phase::Open | Phase::Ending { commit: true })
                {
                    self.to_add.extend(places.iter().cloned());
                }
                if matches!(request, Request::AddPartitions(..) | Request::AddOffsets(..)) {
                    self.in_doubt = Some(request);
                }
                Change::default()
            }
            Meaning::Abortable => self.fail(&error.within(context)),
            Meaning::AbortableWithNewEpoch if self.is_v2 || self.can_bump => {
                self.needs_bump |= !self.is_v2;
                self.fail(&error.within(context))
            }
            Meaning::AbortableWithNewEpoch | Meaning::Fatal => {
                self.fail_for_good(error.within(context));
                Change::default()
            }
            Meaning::Fenced => {
                let context = format!("{context}: another producer of the same transactional id has taken over");
                self.fail_for_good(Error::broker(Code::ProducerFenced, context));
                Change::default()
            }
            Meaning::NotStarted => {
                self.phase = Phase::Uninitialized;
                let error = error.within(context);
                self.starting.drain(..).for_each(|reply| answer(reply, Err(error.clone())));
                self.beginning.drain(..).for_each(|reply| answer(reply, Err(error.clone())));
                Change::default()
            }
        }
    }

    fn on_success(&mut self, request: Request, reply: Answer) -> Change {
        let mut change = Change::default();
        if let Answer::Identity(identity, can_bump) = reply {
            self.identity = Some(identity);
            self.can_bump |= can_bump;
            change.identity = Some(identity);
        }
        match request {
            Request::Init(None) => {
                self.is_v2 = self.wants_v2;
                self.phase = Phase::Ready;
                self.starting.drain(..).for_each(|reply| answer(reply, Ok(())));
                change.began = self.next_begin().began;
            }
            Request::Init(Some(_)) => change.began = self.ready().began,
            Request::AddPartitions(_, places) => {
                self.is_started = true;
                change.admitted = places.into_iter().map(|place| place.slot).collect();
                self.added.extend(&change.admitted);
            }
            Request::AddOffsets(_, group) => {
                self.is_started = true;
                self.groups.insert(group);
            }
            Request::Offsets(..) => {
                if let Some((_, reply)) = self.offsets.pop_front() {
                    answer(reply, Ok(()));
                }
            }
            Request::End { .. } => change.began = self.ended(change.identity.is_some()).began,
        }
        change
    }

    /// The transaction is over, whatever comes: whoever waits for its end is told. The next may begin, if the end brought
    /// a new epoch or none is needed.
    fn ended(&mut self, has_new_epoch: bool) -> Change {
        let Phase::Ending { commit } = self.phase else { return Change::default() };
        self.last = Some((self.number, commit, Ok(())));
        self.ending.drain(..).for_each(|reply| answer(reply, Ok(())));
        // The newer protocol begins under an epoch of its own (edge 27).
        self.needs_bump |= !self.is_v2 && self.wants_v2;
        if self.needs_bump && self.can_bump && !has_new_epoch {
            self.phase = Phase::Raising;
            return Change::default();
        }
        self.ready()
    }

    fn ready(&mut self) -> Change {
        self.reset();
        self.is_v2 = self.wants_v2;
        self.phase = Phase::Ready;
        self.next_begin()
    }

    fn reset(&mut self) {
        self.is_started = false;
        self.in_doubt = None;
        self.needs_bump = false;
        self.added.clear();
        self.to_add.clear();
        self.groups.clear();
        self.retry_at = None;
        self.backoff.reset();
    }

    /// From here on only an abort is possible.
    fn fail(&mut self, error: &Error) -> Change {
        let context = format!("the transaction of {} failed and is to be aborted", self.id);
        let error = error.clone().and_then(context, Retry::Abort);
        self.fail_offsets(&error);
        match self.phase {
            Phase::Ending { commit: true } => {
                self.last = Some((self.number, true, Err(error.clone())));
                self.tell_the_end(&error);
                self.phase = Phase::Failed(error);
            }
            Phase::Open => self.phase = Phase::Failed(error),
            Phase::Initializing => {
                self.phase = Phase::Uninitialized;
                self.starting.drain(..).for_each(|reply| answer(reply, Err(error.clone())));
                self.beginning.drain(..).for_each(|reply| answer(reply, Err(error.clone())));
            }
            // An abort goes on, whatever else fails.
            _ => return Change::default(),
        }
        // Nobody is left to abort it.
        if self.is_abandoned && matches!(self.phase, Phase::Failed(_)) {
            return self.abandon(self.number);
        }
        Change::default()
    }

    /// Tells whoever waits for the end why it did not come; else who waits to begin, or keeps it for the next who does.
    fn tell_the_end(&mut self, error: &Error) {
        let waiting = self.ending.drain(..).map(|reply| reply.send(Err(error.clone())).is_ok());
        let mut told = waiting.fold(false, |told, this| told | this);
        while !told && !self.beginning.is_empty() {
            told = self.beginning.remove(0).send(Err(error.clone())).is_ok();
        }
        if !told {
            self.unreported = Some(error.clone());
        }
    }

    /// The producer can do no more.
    fn fail_for_good(&mut self, error: Error) {
        let context = format!("the producer of transactional id {} can do no more", self.id);
        let error = error.and_then(context, Retry::Restart);
        self.fail_offsets(&error);
        self.starting.drain(..).for_each(|reply| answer(reply, Err(error.clone())));
        self.beginning.drain(..).for_each(|reply| answer(reply, Err(error.clone())));
        self.ending.drain(..).for_each(|reply| answer(reply, Err(error.clone())));
        self.under_way = None;
        self.retry_at = None;
        self.phase = Phase::Fatal(error);
    }

    fn fail_offsets(&mut self, error: &Error) {
        self.offsets.drain(..).for_each(|(_, reply)| answer(reply, Err(error.clone())));
    }

    /// Why nothing can be added to the transaction, if so.
    pub(in crate::produce) fn failure(&self) -> Option<&Error> {
        match &self.phase {
            Phase::Failed(error) | Phase::Fatal(error) => Some(error),
            _ => None,
        }
    }

    pub(in crate::produce) fn is_fatal(&self) -> bool {
        matches!(self.phase, Phase::Fatal(_))
    }

    /// Whether no transaction is open.
    pub(in crate::produce) fn is_settled(&self) -> bool {
        !matches!(self.phase, Phase::Open | Phase::Failed(_) | Phase::Ending { .. })
    }

    fn is_over(&self, number: u64) -> Error {
        Error::new(Kind::State, format!("transaction {number} of {} is over", self.id))
    }
}

fn answer<T>(reply: Reply<T>, result: Result<T, Error>) {
    // Whoever asked may have given up.
    let _ = reply.send(result);
}
