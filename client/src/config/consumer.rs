//! A consumer's settings, and the rules between them.

use std::sync::Arc;
use std::time::Duration;

use super::client::with_client_rows;
use super::value::{
    AssignmentStrategy, ClientDnsLookup, GroupProtocol, IsolationLevel, OffsetReset, RecordingLevel, RecoveryStrategy,
};
use super::{invalid, ms, settings};
use crate::consume::{ConsumerInterceptor, ConsumerInterceptors};
use crate::error::{Error, Kind};
use crate::group::assign::Assignor;

with_client_rows! {
    settings! {
        /// Settings of a [`Consumer`](crate::Consumer), on the way to one.
        ConsumerConfig, ConsumerBuilder;
        own {
            "allow.auto.create.topics" allow_auto_create_topics: bool = true, "Let a broker that creates topics by itself do so for a topic subscribed to.";
            "auto.commit.interval.ms" auto_commit_interval: Duration = ms(5_000), "How often `poll` commits what earlier polls handed out.";
            "auto.offset.reset" auto_offset_reset: OffsetReset = OffsetReset::Latest, "Where to start without a committed offset, or where the log does not hold it: `by_duration:PT1H` with the first record of the last hour (KIP-1106).";
            "check.crcs" check_crcs: bool = true, "Check the CRC-32C of every batch.";
            "client.rack" client_rack: String = String::new(), "Where this client runs, as the brokers name their racks: of a partition with a replica there, that is read where the brokers' `replica.selector.class` allows it (KIP-392).";
            "default.api.timeout.ms" default_api_timeout: Duration = ms(60_000), "How long a call that takes no timeout may take.";
            "enable.auto.commit" enable_auto_commit: bool = true, "Commit what earlier polls handed out, by interval, on a rebalance and on close.";
            "exclude.internal.topics" exclude_internal_topics: bool = true, "A pattern subscribed to does not find the topics that Kafka keeps for itself; by name they can be read all the same.";
            "fetch.max.bytes" fetch_max_bytes: u32 = 52_428_800, "Bytes that one answer of a broker may carry; a larger first batch comes all the same. What is fetched and not handed out takes at most twice as much for each broker, and a batch.";
            "fetch.max.wait.ms" fetch_max_wait: Duration = ms(500), "How long a broker may wait for `fetch.min.bytes`.";
            "fetch.min.bytes" fetch_min_bytes: u32 = 1, "Bytes that a broker should gather before it answers.";
            "group.id" group: String = String::new(), "The group whose members share the partitions, and whose offsets are committed.";
            "group.instance.id" group_instance_id: String = String::new(), "A name that outlives the process: a restart within the session timeout rebalances nothing (KIP-345).";
            "group.protocol" group_protocol: GroupProtocol = GroupProtocol::Classic, "By which protocol it is a member of its group.";
            "group.remote.assignor" group_remote_assignor: String = String::new(), "With `group.protocol=consumer`: which assignor of the coordinator shares out the partitions; empty leaves that to the group.";
            "heartbeat.interval.ms" heartbeat_interval: Duration = ms(3_000), "How often a member tells its coordinator that it lives.";
            "interceptor.classes" interceptors: ConsumerInterceptors = ConsumerInterceptors::none(), "See the records of every poll before they are handed out, and hear what was committed, in this order.";
            "isolation.level" isolation_level: IsolationLevel = IsolationLevel::ReadUncommitted, "Which records of transactions are seen: with `read_committed` those of committed ones alone, and none behind the first that is open (KIP-98).";
            "max.partition.fetch.bytes" max_partition_fetch_bytes: u32 = 1_048_576, "Bytes that one answer may carry for one partition; a larger first batch comes all the same.";
            "max.poll.interval.ms" max_poll_interval: Duration = ms(300_000), "A member that does not poll for this long leaves its group.";
            "max.poll.records" max_poll_records: usize = 500, "Records that one `poll` hands out at most.";
            "partition.assignment.strategy" partition_assignment_strategy: Vec<AssignmentStrategy> = vec![AssignmentStrategy::Range, AssignmentStrategy::CooperativeSticky], "How partitions are shared out, in order of preference. Members go on reading what they keep if every one of these lets them: so `cooperative-sticky` alone, not the default (KIP-429).";
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

    /// Adds an interceptor, which is called after those added before.
    pub fn interceptor(mut self, interceptor: impl ConsumerInterceptor) -> Self {
        self.config.interceptors = self.config.interceptors.with(interceptor);
        self
    }

    /// The settings, checked one by one and against each other.
    pub(crate) fn validated(mut self) -> Result<(ConsumerConfig, crate::runtime::Environment), Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.config.validate()?;
        if !self.environment.assignors.is_empty() && self.config.group_protocol == GroupProtocol::Consumer {
            return Err(Error::new(
                Kind::Config,
                "an assignor of one's own cannot be used with `group.protocol=consumer`: there the coordinator assigns, by \
                 `group.remote.assignor`",
            ));
        }
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
        self.validate_group_protocol()?;
        if self.group_id().is_none() && self.enable_auto_commit {
            if self.chosen.contains("enable.auto.commit") {
                return Err(invalid("enable.auto.commit", "true", "needs `group.id`"));
            }
            self.enable_auto_commit = false;
        }
        Ok(())
    }

    /// What belongs to one protocol is refused with the other.
    fn validate_group_protocol(&self) -> Result<(), Error> {
        const CLASSIC_ONLY: [&str; 3] =
            ["heartbeat.interval.ms", "partition.assignment.strategy", "session.timeout.ms"];
        match self.group_protocol {
            GroupProtocol::Classic if !self.group_remote_assignor.is_empty() => Err(Error::new(
                Kind::Config,
                "setting `group.remote.assignor` cannot be used with `group.protocol=classic`",
            )),
            GroupProtocol::Classic => Ok(()),
            GroupProtocol::Consumer => {
                if let Some(key) = CLASSIC_ONLY.into_iter().find(|key| self.chosen.contains(key)) {
                    let message = format!(
                        "setting `{key}` cannot be used with `group.protocol=consumer`: there the coordinator decides"
                    );
                    return Err(Error::new(Kind::Config, message));
                }
                Ok(())
            }
        }
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
    fn what_belongs_to_one_group_protocol_is_refused_with_the_other() {
        for key in ["session.timeout.ms", "heartbeat.interval.ms"] {
            let error = build(&[("group.protocol", "consumer"), (key, "5000")]).unwrap_err();
            assert!(error.to_string().contains(&format!("`{key}` cannot be used")), "{error}");
        }
        let error = build(&[("group.protocol", "CONSUMER"), ("partition.assignment.strategy", "range")]).unwrap_err();
        assert!(error.to_string().contains("`partition.assignment.strategy` cannot be used"), "{error}");
        let error = build(&[("group.remote.assignor", "uniform")]).unwrap_err();
        assert!(error.to_string().contains("`group.protocol=classic`"), "{error}");
        assert!(build(&[("group.protocol", "classic")]).is_ok());
        assert!(build(&[("group.protocol", "consumer"), ("group.remote.assignor", "uniform")]).is_ok());
    }

    #[test]
    fn interceptors_are_registered_by_code_alone() {
        build(&[("interceptor.classes", "")]).unwrap();
        let error = build(&[("interceptor.classes", "com.example.Audit")]).unwrap_err().to_string();
        assert!(error.contains("`com.example.Audit`") && error.contains("ConsumerBuilder::interceptor"), "{error}");
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
