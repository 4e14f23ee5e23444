//! A consumer's settings, and the rules between them.

use std::sync::Arc;
use std::time::Duration;

use super::client::with_client_rows;
use super::value::{
    AssignmentStrategy, ClientDnsLookup, IsolationLevel, OffsetReset, RecordingLevel, RecoveryStrategy,
};
use super::{invalid, ms, settings};
use crate::error::Error;
use crate::group::assign::Assignor;

with_client_rows! {
    settings! {
        /// Settings of a [`Consumer`](crate::Consumer), on the way to one.
        ConsumerConfig, ConsumerBuilder;
        own {
            "allow.auto.create.topics" allow_auto_create_topics: bool = true, "Let a broker that creates topics by itself do so for a topic subscribed to.";
            "auto.commit.interval.ms" auto_commit_interval: Duration = ms(5_000), "How often `poll` commits what earlier polls handed out.";
            "auto.offset.reset" auto_offset_reset: OffsetReset = OffsetReset::Latest, "Where to start without a committed offset.";
            "check.crcs" check_crcs: bool = true, "Check the CRC-32C of every batch.";
            "client.rack" client_rack: String = String::new(), "Where this client runs, as the brokers name their racks.";
            "default.api.timeout.ms" default_api_timeout: Duration = ms(60_000), "How long a call that takes no timeout may take.";
            "enable.auto.commit" enable_auto_commit: bool = true, "Commit what earlier polls handed out, by interval, on a rebalance and on close.";
            "fetch.max.bytes" fetch_max_bytes: u32 = 52_428_800, "Bytes that one answer of a broker may carry; a larger first batch comes all the same.";
            "fetch.max.wait.ms" fetch_max_wait: Duration = ms(500), "How long a broker may wait for `fetch.min.bytes`.";
            "fetch.min.bytes" fetch_min_bytes: u32 = 1, "Bytes that a broker should gather before it answers.";
            "group.id" group: String = String::new(), "The group whose members share the partitions, and whose offsets are committed.";
            "group.instance.id" group_instance_id: String = String::new(), "A name that outlives the process: a restart within the session timeout rebalances nothing (KIP-345).";
            "heartbeat.interval.ms" heartbeat_interval: Duration = ms(3_000), "How often a member tells its coordinator that it lives.";
            "isolation.level" isolation_level: IsolationLevel = IsolationLevel::ReadUncommitted, "Which records of transactions are seen: with `read_committed` those of committed ones alone, and none behind the first that is open (KIP-98).";
            "max.partition.fetch.bytes" max_partition_fetch_bytes: u32 = 1_048_576, "Bytes that one answer may carry for one partition; a larger first batch comes all the same.";
            "max.poll.interval.ms" max_poll_interval: Duration = ms(300_000), "A member that does not poll for this long leaves its group.";
            "max.poll.records" max_poll_records: usize = 500, "Records that one `poll` hands out at most.";
            "partition.assignment.strategy" partition_assignment_strategy: Vec<AssignmentStrategy> = vec![AssignmentStrategy::Range], "How partitions are shared out, in order of preference (Java adds the cooperative sticky assignor as its second).";
            "session.timeout.ms" session_timeout: Duration = ms(45_000), "A member that is not heard of for this long is taken out of its group.";
        }
    }
}

impl ConsumerBuilder {
    /// Adds an assignor to those that this consumer offers its group: it is preferred over those added later, and over
    /// those of `partition.assignment.strategy`, which are offered only if that is set as well.
    ///
    /// It serves one consumer: a builder must not be cloned after this if it remembers something.
    pub fn assignor(mut self, assignor: impl Assignor) -> Self {
        self.environment.assignors.push(Arc::new(assignor));
        self
    }

    /// The settings, checked one by one and against each other.
    pub(crate) fn validated(mut self) -> Result<(ConsumerConfig, crate::runtime::Environment), Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.config.validate()?;
        if !self.environment.assignors.is_empty() && !self.config.chosen.contains("partition.assignment.strategy") {
            self.config.partition_assignment_strategy.clear();
        }
        Ok((self.config, self.environment))
    }
}

impl ConsumerConfig {
    /// The group, if there is one.
    pub(crate) fn group_id(&self) -> Option<&str> {
        Some(self.group.as_str()).filter(|group| !group.is_empty())
    }

    /// The member's lasting name, if it has one.
    pub(crate) fn instance_id(&self) -> Option<&str> {
        Some(self.group_instance_id.as_str()).filter(|name| !name.is_empty())
    }

    fn validate(&mut self) -> Result<(), Error> {
        self.client.validate()?;
        if self.max_poll_records == 0 {
            return Err(invalid("max.poll.records", "0", "must be at least 1"));
        }
        if self.max_poll_interval.is_zero() {
            return Err(invalid("max.poll.interval.ms", "0", "must be at least 1"));
        }
        if self.heartbeat_interval >= self.session_timeout {
            let value = self.heartbeat_interval.as_millis().to_string();
            let rule = format!("must be below `session.timeout.ms`, which is {}", self.session_timeout.as_millis());
            return Err(invalid("heartbeat.interval.ms", &value, &rule));
        }
        if self.group_id().is_none() && self.enable_auto_commit {
            if self.chosen.contains("enable.auto.commit") {
                return Err(invalid("enable.auto.commit", "true", "needs `group.id`"));
            }
            self.enable_auto_commit = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(settings: &[(&str, &str)]) -> Result<ConsumerConfig, Error> {
        ConsumerBuilder::new("a:9092").set_all(settings.iter().copied()).validated().map(|(config, _)| config)
    }

    #[test]
    fn automatic_commits_need_a_group() {
        assert!(!build(&[]).unwrap().enable_auto_commit);
        assert!(build(&[("group.id", "g")]).unwrap().enable_auto_commit);
        let error = build(&[("enable.auto.commit", "true")]).unwrap_err();
        assert!(error.to_string().contains("`group.id`"), "{error}");
    }

    #[test]
    fn heartbeats_must_come_within_the_session() {
        let error = build(&[("session.timeout.ms", "3000")]).unwrap_err();
        assert!(error.to_string().contains("`heartbeat.interval.ms`: `3000`"), "{error}");
    }

    #[test]
    fn strategies_are_known_by_their_java_names() {
        let config =
            build(&[("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RoundRobinAssignor, range")]);
        assert_eq!(
            config.unwrap().partition_assignment_strategy,
            [AssignmentStrategy::RoundRobin, AssignmentStrategy::Range]
        );
    }

    #[test]
    fn isolation_levels_are_known_by_their_java_names() {
        let level = |text| build(&[("isolation.level", text)]).map(|config| config.isolation_level);
        assert_eq!(level("read_committed").unwrap(), IsolationLevel::ReadCommitted);
        assert_eq!(level("read_uncommitted").unwrap(), IsolationLevel::ReadUncommitted);
        let error = level("serializable").unwrap_err();
        assert!(error.to_string().contains("`read_uncommitted` or `read_committed`"), "{error}");
    }
}
