//! Which broker coordinates a group.

use std::collections::{BTreeMap, VecDeque};

use ottla_wire::Code;
use ottla_wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Cluster, Lane, driver};
use crate::connection::{Answer, Backoff, Typed, Versions};
use crate::deadline::after;
use crate::error::{Error, Kind};

/// The key type of groups in FindCoordinator.
const GROUP: i8 = 0;

/// From this version on a request asks for several keys.
const BATCHED: i16 = 4;

/// Coordinators as last answered, by group.
#[derive(Debug, Default)]
pub(super) struct Coordinators(BTreeMap<String, i32>);

impl Cluster {
    /// The broker that coordinates `group`, looked up unless it is known.
    ///
    /// A coordinator that is still loading or not elected yet is asked for again until the deadline.
    pub(crate) async fn coordinator(&self, group: &str, deadline: Instant) -> Result<i32, Error> {
        if let Some(known) = self.coordinators.lock().0.get(group) {
            return Ok(*known);
        }
        let context = || format!("find the coordinator of group {group}");
        let mut backoff = Backoff::new(self.config().retry_backoff, self.config().retry_backoff_max);
        loop {
            let attempt = self.find(group, None);
            let error = match self.until(deadline, attempt).await {
                Some(Ok(broker)) => {
                    self.coordinators.lock().0.insert(group.to_owned(), broker);
                    return Ok(broker);
                }
                Some(Err(error)) if !error.is_retriable() => return Err(error.within(context())),
                Some(Err(error)) => error,
                None => return Err(Error::new(Kind::Timeout, context())),
            };
            let wait = self.runtime().random(|random| backoff.next(random));
            if !self.pause(wait, deadline).await {
                return Err(Error::caused_by(Kind::Timeout, context(), error));
            }
        }
    }

    /// Waits, but not past the deadline. False if that comes first.
    async fn pause(&self, wait: std::time::Duration, deadline: Instant) -> bool {
        let end = self.runtime().now() + wait;
        self.until(end.min(deadline), std::future::pending::<()>()).await;
        end < deadline
    }

    /// Forgets that `broker` coordinates `group`, if that is what is known.
    pub(crate) fn forget_coordinator(&self, group: &str, broker: i32) {
        let mut coordinators = self.coordinators.lock();
        if coordinators.0.get(group) == Some(&broker) {
            coordinators.0.remove(group);
        }
    }

    /// The broker that coordinates `group` by the word of any but `silent`. What is known changes accordingly.
    pub(crate) async fn coordinator_after(&self, group: &str, silent: i32) -> Result<i32, Error> {
        let broker = self.find(group, Some(silent)).await?;
        self.coordinators.lock().0.insert(group.to_owned(), broker);
        Ok(broker)
    }

    /// Asks one broker, the next when it is silent or cannot be reached; the first answer counts.
    async fn find(&self, group: &str, avoid: Option<i32>) -> Result<i32, Error> {
        let deadline = after(self.runtime().now(), self.config().request_timeout);
        self.any_metadata(deadline).await?;
        let mut brokers = self.by_load().into_iter().filter(|broker| Some(*broker) != avoid).collect::<VecDeque<_>>();
        let (answers, mut answered) = mpsc::unbounded_channel();
        let mut asked = 0;
        let mut failure = Error::new(Kind::Connection, "no other broker is known");
        loop {
            if let Some(broker) = brokers.pop_front() {
                self.ask(group, broker, &answers);
                asked += 1;
            } else if asked == 0 {
                return Err(failure);
            }
            let patience = if brokers.is_empty() { deadline } else { self.runtime().now() + driver::PATIENCE };
            match self.until(patience, answered.recv()).await {
                Some(Some(Ok((response, version)))) => return self.found(&response, version),
                Some(Some(Err(error))) => {
                    asked -= 1;
                    failure = error;
                }
                Some(None) | None if brokers.is_empty() => return Err(Error::new(Kind::Timeout, "no broker answers")),
                Some(None) | None => {}
            }
        }
    }

    fn ask(&self, group: &str, broker: i32, answers: &mpsc::UnboundedSender<Found>) {
        let link = match self.link(broker, Lane::Main) {
            Ok(link) => link,
            Err(error) => return drop(answers.send(Err(error))),
        };
        let key = group.to_owned();
        let make = move |versions: &Versions| {
            let version = versions.choose::<FindCoordinatorRequest>()?;
            Ok((request(&key, version), version))
        };
        let (answers, watched) = (answers.clone(), answers.clone());
        let done = move |answer: Result<Answer<FindCoordinatorRequest>, Error>| {
            let answer = answer.and_then(|answer| {
                let response = answer.response.ok_or_else(|| Error::closed("connection"))?;
                Ok((response, answer.version))
            });
            // Nobody waits for it when another broker was faster.
            drop(answers.send(answer));
        };
        link.submit(Typed::new(make, self.config().request_timeout, done).abandoned_if(move || watched.is_closed()));
    }

    fn found(&self, response: &FindCoordinatorResponse, version: i16) -> Result<i32, Error> {
        let found = found(response, version)?;
        if self.metadata().brokers.contains_key(&found) {
            return Ok(found);
        }
        // A broker that metadata does not name yet.
        self.refresh();
        Err(Error::broker(Code::CoordinatorNotAvailable, format!("broker {found} is not in the metadata")))
    }
}

type Found = Result<(FindCoordinatorResponse, i16), Error>;

fn request(group: &str, version: i16) -> FindCoordinatorRequest {
    let mut request = FindCoordinatorRequest { key_type: GROUP, ..FindCoordinatorRequest::default() };
    if version < BATCHED {
        request.key = group.into();
    } else {
        request.coordinator_keys = vec![group.into()];
    }
    request
}

fn found(response: &FindCoordinatorResponse, version: i16) -> Result<i32, Error> {
    let (code, broker, message) = if version < BATCHED {
        (response.error_code, response.node_id, response.error_message.clone())
    } else {
        match response.coordinators.first() {
            Some(coordinator) => (coordinator.error_code, coordinator.node_id, coordinator.error_message.clone()),
            None => return Err(Error::new(Kind::Protocol, "the answer to FindCoordinator is empty")),
        }
    };
    match code {
        Code::None => Ok(broker),
        code => Err(Error::broker(code, message.map_or_else(|| "FindCoordinator".into(), |text| text.to_string()))),
    }
}
