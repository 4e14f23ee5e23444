//! driver: the part of the producer's task that is about transactions.

use std::sync::Arc;

use tokio::time::Instant;

use super::driver::{Command, Driver, Event};
use super::transaction::{Answer, Begun, Change, End, Speaker, Transactions};
use crate::error::{Error, Kind};

/// The newest version of Produce that tells the broker of the older protocol (edge 27).
const PRODUCE_BY_V1: i16 = 11;

impl Driver {
    pub(super) fn on_command(&mut self, command: Command) {
        let Some(transactions) = &mut self.transactions else { return };
        let change = match command {
            Command::Abandon(number) => transactions.abandon(number),
            Command::Begin(reply) => transactions.begin(reply),
            Command::End { number, commit, reply } => transactions.end(number, commit, reply),
            Command::Init(reply) => {
                transactions.init(reply);
                Change::default()
            }
            Command::Offsets { number, offsets, group, reply } => {
                transactions.send_offsets(number, offsets, group, reply);
                Change::default()
            }
            Command::Refused(number, error) => {
                transactions.on_refused(number, &error);
                Change::default()
            }
        };
        self.follow(change);
    }

    pub(super) fn on_coordinated(&mut self, outcome: Result<Answer, Error>) {
        let cluster = self.core.cluster.clone();
        let Some(transactions) = &mut self.transactions else { return };
        transactions.learn(cluster.features().transaction_version);
        let now = self.core.cluster.runtime().now();
        let change = cluster.runtime().random(|random| transactions.on_answer(outcome, now, random));
        self.follow(change);
    }

    /// Does what follows from a change of the transaction.
    pub(super) fn follow(&mut self, change: Change) {
        let Some(transactions) = &self.transactions else { return };
        let (is_v2, number) = (transactions.is_v2, transactions.number());
        let (failure, is_fatal) = (transactions.failure().cloned(), transactions.is_fatal());
        let has_failed = self.core.set_transaction_failure(failure.as_ref()) && failure.is_some();
        self.closed_in_vain |= has_failed;
        if let Some(identity) = change.identity {
            self.sender.identified(identity);
        }
        if let Some(reply) = change.began {
            self.sender.admitted = (!is_v2).then(Default::default);
            self.sender.max_version = if is_v2 { i16::MAX } else { PRODUCE_BY_V1 };
            // Whoever has given up drops it, and so abandons it.
            let _ = reply.send(Ok(Begun { number, events: self.core.events.clone(), is_over: false }));
        }
        for slot in change.admitted {
            self.sender.admit(slot);
        }
        if change.ends.is_some() || has_failed || is_fatal {
            // Nobody can add to the transaction any more.
            self.close_open();
        }
        if change.ends == Some(End::Abort) {
            let context = format!("the transaction of {} was aborted", self.core.config.transactional_id);
            self.sender.fail_unsent(&Error::new(Kind::Aborted, context));
        }
        if let Some(error) = failure.filter(|_| is_fatal) {
            self.sender.fail_all(&error);
        }
        self.give_up_unsent();
    }

    /// Gives up what was closed though its transaction can only be aborted: nobody is to wait for that.
    pub(super) fn give_up_unsent(&mut self) {
        if !std::mem::take(&mut self.closed_in_vain) {
            return;
        }
        if let Some(failure) = self.transactions.as_ref().and_then(Transactions::failure) {
            let error = Error::caused_by(Kind::Aborted, "not sent any more", failure.clone());
            self.sender.fail_unsent(&error);
        }
    }

    /// Asks the coordinator what is to be asked now.
    pub(super) fn transact(&mut self, now: Instant, closing: bool) {
        let is_idle = self.sender.is_idle() && self.sender.settled.is_empty();
        if closing && is_idle {
            // What was enqueued is written, but nobody commits it (edge 17).
            if let Some(transactions) = &mut self.transactions {
                let change = transactions.abandon(transactions.number());
                self.follow(change);
            }
        }
        let Some(transactions) = &mut self.transactions else { return };
        let is_v2 = transactions.is_v2;
        let (request, change) = transactions.next(now, is_idle);
        self.follow(change);
        let Some(request) = request else { return };
        let config = &self.core.config;
        let speaker = Speaker {
            id: config.transactional_id.as_str().into(),
            transaction_timeout_ms: i32::try_from(config.transaction_timeout.as_millis()).unwrap_or(i32::MAX),
            is_v2,
        };
        let (cluster, events) = (Arc::clone(&self.core.cluster), self.core.events.clone());
        let runtime = cluster.runtime().clone();
        runtime.spawn(async move {
            let outcome = tokio::select! {
                biased;
                outcome = speaker.ask(cluster, request) => outcome,
                () = events.closed() => return,
            };
            let _ = events.send(Event::Coordinated(outcome));
        });
    }
}
