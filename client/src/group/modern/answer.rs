//! What the coordinator's answers mean for a member.

use std::time::Duration;

use ottla_wire::Code;
use ottla_wire::messages::ConsumerGroupHeartbeatResponse;
use tokio::time::Instant;

use super::heartbeat::Said;
use super::{Change, DEFAULT_INTERVAL, Identity, Modern, Phase};
use crate::error::{Error, Kind};

/// What to do about a cluster that is not ready for the protocol.
pub(super) const NOT_SUPPORTED: &str = "the cluster does not support `group.protocol` = `consumer`, which needs Kafka 4.0; set it to \
                             `classic` until the cluster is upgraded";

impl Modern {
    /// The answer to the heartbeat of that number.
    pub(crate) fn on_heartbeat(
        &mut self,
        number: u64,
        answer: Result<ConsumerGroupHeartbeatResponse, Error>,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Option<Change> {
        // What is said of an earlier membership, or of one that was left, is of no interest.
        if self.in_flight != Some(number) {
            return None;
        }
        self.in_flight = None;
        let response = match answer {
            Ok(response) => response,
            Err(error) => return self.not_answered(error, now, random),
        };
        if !response.error_code.is_none() {
            return self.refused(&response, now, random);
        }
        if response.member_epoch <= 0 {
            let what = format!("the coordinator answered a heartbeat with epoch {}", response.member_epoch);
            let error = Error::new(Kind::Protocol, format!("group {}: {what}", self.settings.group));
            return self.fail(error);
        }
        self.backoff.reset();
        self.retry_at = None;
        self.interval = match u64::try_from(response.heartbeat_interval_ms) {
            Ok(0) | Err(_) => DEFAULT_INTERVAL,
            Ok(interval) => Duration::from_millis(interval),
        };
        if self.identity.generation != response.member_epoch {
            tracing::debug!(group = %self.settings.group, member = %self.member_id, epoch = response.member_epoch);
            self.identity = Identity { generation: response.member_epoch, member_id: self.member_id.clone() };
        }
        if matches!(self.phase, Phase::Joining) {
            self.phase = Phase::Stable;
        }
        if let Some(assignment) = response.assignment
            && let Err(error) = self.on_assignment(assignment)
        {
            return self.fail(error);
        }
        None
    }

    /// A leave was answered, or given up.
    pub(crate) fn on_left(&mut self) {
        self.leaves = self.leaves.saturating_sub(1);
    }

    /// What came of the commit of that number, before partitions are given up.
    pub(crate) fn on_released(
        &mut self,
        number: u64,
        outcome: Result<(), Error>,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Option<Change> {
        let Phase::Committing { until, in_flight, retry_at, going } = &mut self.phase else { return None };
        // A commit may outlast the membership that asked for it: the next to give something up awaits its own.
        if *in_flight != Some(number) {
            return None;
        }
        if let Err(error) = outcome {
            if error.is_retriable() && until.is_none_or(|until| now < until) {
                *retry_at = now.checked_add(self.backoff.next(random));
                *in_flight = None;
                return None;
            }
            tracing::warn!(group = %self.settings.group, %error, "what was read last could not be committed before the rebalance");
        }
        let going = std::mem::take(going);
        self.backoff.reset();
        self.gave_up(&going);
        Some(Change::Revoked(going.into_iter().collect()))
    }

    /// A commit, or a question what is committed, was answered with this code: the next heartbeat will tell more.
    pub(crate) fn on_commit(&mut self, sender: &Identity, code: Code) {
        let tells = matches!(code, Code::FencedMemberEpoch | Code::StaleMemberEpoch | Code::UnknownMemberId);
        self.is_in_doubt |= tells && *sender == self.identity && !matches!(self.phase, Phase::Joining);
    }

    /// The coordinator did not take a heartbeat. The next one says everything: it may be told to another.
    fn refused(
        &mut self,
        response: &ConsumerGroupHeartbeatResponse,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Option<Change> {
        let code = response.error_code;
        let message = response.error_message.as_deref().unwrap_or_default();
        match code {
            // edge 60: the coordinator goes on without this member.
            Code::FencedMemberEpoch | Code::UnknownMemberId => {
                let lost = self.lose();
                let was_joining = matches!(self.phase, Phase::Joining);
                tracing::warn!(group = %self.settings.group, epoch = self.identity.generation, %code, message, "fenced; joins again");
                let backoff = self.backoff.clone();
                self.join();
                if was_joining {
                    self.backoff = backoff;
                    self.again(now, random);
                }
                lost
            }
            // What is not allowed may be once somebody has seen to it: the member stays what it is.
            Code::TopicAuthorizationFailed => {
                self.warning = Some(self.refusal(code, message));
                self.again(now, random);
                None
            }
            Code::UnsupportedVersion => {
                let error = self.refusal(code, NOT_SUPPORTED);
                self.fail(error)
            }
            // edge 57: moved, still loading: the same again soon, perhaps elsewhere.
            code if code.retriable() => {
                tracing::debug!(group = %self.settings.group, %code, message, "refused for now");
                self.again(now, random);
                None
            }
            code => {
                let error = self.refusal(code, message);
                self.fail(error)
            }
        }
    }

    /// No answer: whatever the heartbeat said may have arrived, or not.
    fn not_answered(&mut self, error: Error, now: Instant, random: &mut fastrand::Rng) -> Option<Change> {
        if error.kind() == Kind::UnsupportedVersion {
            return self.fail(error.within(format_args!("group {}", self.settings.group)));
        }
        if !error.is_retriable() {
            self.warning = Some(error.within(format_args!("group {}", self.settings.group)));
        } else {
            tracing::debug!(group = %self.settings.group, %error, "a heartbeat failed");
        }
        self.again(now, random);
        None
    }

    fn again(&mut self, now: Instant, random: &mut fastrand::Rng) {
        self.said = Said::default();
        self.retry_at = now.checked_add(self.backoff.next(random));
    }

    fn refusal(&self, code: Code, message: &str) -> Error {
        let hint = match code {
            Code::FencedInstanceId | Code::UnreleasedInstanceId => {
                "; each consumer that runs needs a `group.instance.id` of its own"
            }
            Code::GroupMaxSizeReached => "; `group.consumer.max.size` of the broker says how many members it may have",
            Code::InvalidRegularExpression => "; patterns have the syntax of RE2",
            Code::UnsupportedAssignor => {
                "; `group.remote.assignor` must be one of the broker's `group.consumer.assignors`"
            }
            _ => "",
        };
        let message = if message.is_empty() { String::new() } else { format!(": {message}") };
        self.error(code, &format!("heartbeat{message}{hint}"))
    }
}
