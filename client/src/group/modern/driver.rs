//! The driver of [`Modern`](super::Modern): what a member says goes to its coordinator, and the answers come back.

use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_wire::{Code, Str};

use super::answer::NOT_SUPPORTED;
use crate::cluster::{Cluster, Lane};
use crate::connection::Versions;
use crate::consume::{PATIENCE, Questions, deadline};
use crate::error::{Error, Kind};
use crate::group::driver::ask_coordinator;

/// From this version on brokers evaluate regular expressions.
const PATTERNS: i16 = 1;

/// Sends one heartbeat. All of a member's go over one connection: none overtakes another, a leave least of all.
pub(crate) async fn heartbeat(
    cluster: &Arc<Cluster>,
    group: &Str,
    request: ConsumerGroupHeartbeatRequest,
    timeout: Duration,
) -> Result<ConsumerGroupHeartbeatResponse, Error> {
    let make = move |versions: &Versions| in_version(request, versions);
    let questions = Questions::after(PATIENCE);
    let asked = ask_coordinator::<ConsumerGroupHeartbeatRequest>(
        cluster,
        group,
        Lane::Group,
        make,
        timeout,
        questions,
        deadline(timeout),
    );
    let (response, _, broker) = asked.await?;
    if response.error_code.refreshes_metadata() {
        cluster.forget_coordinator(group, broker);
    }
    Ok(response)
}

/// Takes leave of the coordinator, in one attempt.
///
/// # Errors
/// Why that failed; not if the coordinator did not know the member any more (edge 60).
pub(crate) async fn leave(
    cluster: &Arc<Cluster>,
    group: &Str,
    request: ConsumerGroupHeartbeatRequest,
    timeout: Duration,
) -> Result<(), Error> {
    let response = heartbeat(cluster, group, request, timeout).await?;
    match response.error_code {
        Code::None | Code::FencedMemberEpoch | Code::GroupIdNotFound | Code::UnknownMemberId => Ok(()),
        code => Err(Error::broker(code, format!("leave group {group}"))),
    }
}

fn in_version(
    mut request: ConsumerGroupHeartbeatRequest,
    versions: &Versions,
) -> Result<(ConsumerGroupHeartbeatRequest, i16), Error> {
    let version = versions.choose::<ConsumerGroupHeartbeatRequest>().map_err(|error| error.within(NOT_SUPPORTED))?;
    if version < PATTERNS && request.subscribed_topic_regex.take().is_some_and(|pattern| !pattern.is_empty()) {
        return Err(Error::new(
            Kind::UnsupportedVersion,
            "the coordinator does not evaluate regular expressions, which takes Kafka 4.0: subscribe to topics by name, or \
             set `group.protocol` to `classic`",
        ));
    }
    Ok((request, version))
}
