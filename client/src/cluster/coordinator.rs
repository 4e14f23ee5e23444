//! Which broker coordinates a group.

use std::collections::BTreeMap;

use ottla_wire::Code;
use ottla_wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use tokio::time::Instant;

use super::{Cluster, Lane, driver};
use crate::connection::Backoff;
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
            let attempt = self.find(group);
            let error = match driver::until(deadline, attempt).await {
                Some(Ok(broker)) => {
                    self.coordinators.lock().0.insert(group.to_owned(), broker);
                    return Ok(broker);
                }
                Some(Err(error)) if !error.is_retriable() => return Err(error.within(context())),
                Some(Err(error)) => error,
                None => return Err(Error::new(Kind::Timeout, context())),
            };
            let wait = self.runtime().random(|random| backoff.next(random));
            if driver::until(deadline, tokio::time::sleep(wait)).await.is_none() {
                return Err(Error::caused_by(Kind::Timeout, context(), error));
            }
        }
    }

    /// Forgets that `broker` coordinates `group`, if that is what is known.
    pub(crate) fn forget_coordinator(&self, group: &str, broker: i32) {
        let mut coordinators = self.coordinators.lock();
        if coordinators.0.get(group) == Some(&broker) {
            coordinators.0.remove(group);
        }
    }

    async fn find(&self, group: &str) -> Result<i32, Error> {
        let deadline = self.runtime().now() + self.config().request_timeout;
        self.any_metadata(deadline).await?;
        let Some(broker) = self.least_loaded() else {
            return Err(Error::new(Kind::Connection, "no broker is known"));
        };
        let key = group.to_owned();
        let (response, version) = self
            .call::<FindCoordinatorRequest>(
                broker,
                Lane::Main,
                move |versions| {
                    let version = versions.choose::<FindCoordinatorRequest>()?;
                    Ok((request(&key, version), version))
                },
                self.config().request_timeout,
            )
            .await?;
        let found = found(&response, version)?;
        if self.metadata().brokers.contains_key(&found) {
            return Ok(found);
        }
        // A broker that metadata does not name yet.
        self.refresh();
        Err(Error::broker(Code::CoordinatorNotAvailable, format!("broker {found} is not in the metadata")))
    }
}

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
