//! Which broker coordinates a group, or a producer's transactions.

use std::collections::BTreeMap;
use std::fmt;

use ottla_wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use ottla_wire::{Code, Str};
use tokio::time::Instant;

use super::Cluster;
use crate::connection::{Backoff, Versions};
use crate::error::{Error, Kind};

/// From this version on a request asks for several keys.
const BATCHED: i16 = 4;

/// What is coordinated. A text alone names a group.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Coordinated {
    Group(Str),
    /// Transactions, by their `transactional.id`.
    Transactions(Str),
}

/// Coordinators as last answered.
#[derive(Debug, Default)]
pub(super) struct Coordinators(BTreeMap<Coordinated, i32>);

impl From<&str> for Coordinated {
    fn from(group: &str) -> Self {
        Self::Group(group.into())
    }
}

impl From<&Str> for Coordinated {
    fn from(group: &Str) -> Self {
        Self::Group(group.clone())
    }
}

impl Coordinated {
    /// The key and its type, as FindCoordinator has them.
    fn key(&self) -> (&Str, i8) {
        match self {
            Self::Group(id) => (id, 0),
            Self::Transactions(id) => (id, 1),
        }
    }

    fn context(&self) -> String {
        format!("find the coordinator of {self}")
    }
}

impl fmt::Display for Coordinated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(id) => write!(f, "group {id}"),
            Self::Transactions(id) => write!(f, "transactional id {id}"),
        }
    }
}

impl Cluster {
    /// The broker that coordinates `what`, looked up unless it is known.
    ///
    /// A coordinator that is still loading or not elected yet is asked for again until the deadline.
    pub(crate) async fn coordinator(&self, what: impl Into<Coordinated>, deadline: Instant) -> Result<i32, Error> {
        let what = what.into();
        if let Some(known) = self.coordinators.lock().0.get(&what) {
            return Ok(*known);
        }
        let mut backoff = Backoff::new(self.config().retry_backoff, self.config().retry_backoff_max);
        loop {
            let attempt = self.find(&what, None);
            let error = match self.until(deadline, attempt).await {
                Some(Ok(broker)) => {
                    self.coordinators.lock().0.insert(what, broker);
                    return Ok(broker);
                }
                Some(Err(error)) if !error.is_retriable() => return Err(error.within(what.context())),
                Some(Err(error)) => error,
                None => return Err(Error::new(Kind::Timeout, what.context())),
            };
            let wait = self.runtime().random(|random| backoff.next(random));
            if !self.pause(wait, deadline).await {
                return Err(Error::caused_by(Kind::Timeout, what.context(), error));
            }
        }
    }

    /// Waits, but not past the deadline. False if that comes first.
    async fn pause(&self, wait: std::time::Duration, deadline: Instant) -> bool {
        let end = self.runtime().now() + wait;
        self.until(end.min(deadline), std::future::pending::<()>()).await;
        end < deadline
    }

    /// Forgets that `broker` coordinates `what`, if that is what is known.
    pub(crate) fn forget_coordinator(&self, what: impl Into<Coordinated>, broker: i32) {
        let what = what.into();
        let mut coordinators = self.coordinators.lock();
        if coordinators.0.get(&what) == Some(&broker) {
            coordinators.0.remove(&what);
        }
    }

    /// Forgets who coordinates `what`, whoever that is.
    pub(crate) fn forget_coordinator_of(&self, what: &Coordinated) {
        self.coordinators.lock().0.remove(what);
    }

    /// The broker that coordinates `what` by the word of any but `silent`. What is known changes accordingly.
    pub(crate) async fn coordinator_after(&self, what: impl Into<Coordinated>, silent: i32) -> Result<i32, Error> {
        let what = what.into();
        let broker = self.find(&what, Some(silent)).await?;
        self.coordinators.lock().0.insert(what, broker);
        Ok(broker)
    }

    async fn find(&self, what: &Coordinated, avoid: Option<i32>) -> Result<i32, Error> {
        let asked = what.clone();
        let make = move |versions: &Versions| {
            let version = versions.choose::<FindCoordinatorRequest>()?;
            Ok((request(&asked, version), version))
        };
        let (response, version, _) = self.ask_any(make, avoid).await?;
        let found = found(&response, version)?;
        if self.metadata().brokers.contains_key(&found) {
            return Ok(found);
        }
        // A broker that metadata does not name yet.
        self.refresh();
        Err(Error::broker(Code::CoordinatorNotAvailable, format!("broker {found} is not in the metadata")))
    }
}

fn request(what: &Coordinated, version: i16) -> FindCoordinatorRequest {
    let (key, key_type) = what.key();
    let mut request = FindCoordinatorRequest { key_type, ..FindCoordinatorRequest::default() };
    if version < BATCHED {
        request.key = key.clone();
    } else {
        request.coordinator_keys = vec![key.clone()];
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
