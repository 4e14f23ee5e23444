//! A share consumer's settings, and the rules between them.

use std::time::Duration;

use super::client::with_client_rows;
use super::value::{ClientDnsLookup, RecordingLevel, RecoveryStrategy, ShareAcknowledgementMode, ShareAcquireMode};
use super::{invalid, ms, settings};
use crate::error::{Error, Kind};

with_client_rows! {
    settings! {
        /// Settings of a [`ShareConsumer`](crate::ShareConsumer), on the way to one.
        ShareConsumerConfig, ShareConsumerBuilder;
        own {
            "allow.auto.create.topics" allow_auto_create_topics: bool = true, "Let a broker that creates topics by itself do so for a topic subscribed to.";
            "check.crcs" check_crcs: bool = true, "Check the CRC-32C of every batch.";
            "client.rack" client_rack: String = String::new(), "Where this client runs, as the brokers name their racks.";
            "default.api.timeout.ms" default_api_timeout: Duration = ms(60_000), "How long a call that takes no timeout may take, and how long an acknowledgement is tried.";
            "fetch.max.bytes" fetch_max_bytes: u32 = 52_428_800, "Bytes that one answer of a broker may carry; a larger first batch comes all the same.";
            "fetch.max.wait.ms" fetch_max_wait: Duration = ms(500), "How long a broker may wait for `fetch.min.bytes`.";
            "fetch.min.bytes" fetch_min_bytes: u32 = 1, "Bytes that a broker should gather before it answers.";
            "group.id" group: String = String::new(), "The share group whose members take records from common partitions.";
            "max.partition.fetch.bytes" max_partition_fetch_bytes: u32 = 1_048_576, "Taken as by Java, and without effect: a share fetch has no limit for each partition.";
            "max.poll.interval.ms" max_poll_interval: Duration = ms(300_000), "A member that does not poll for this long leaves its group.";
            "max.poll.records" max_poll_records: usize = 500, "Records that a broker is asked for, and after which a `poll` takes no further batch.";
            "share.acknowledgement.mode" share_acknowledgement_mode: ShareAcknowledgementMode = ShareAcknowledgementMode::Implicit, "Whether the next poll accepts what the last one handed out, or each record is acknowledged.";
            "share.acquire.mode" share_acquire_mode: ShareAcquireMode = ShareAcquireMode::BatchOptimized, "Whether brokers may deliver whole batches, or no record more than `max.poll.records` (KIP-1206, Kafka 4.2).";
        }
    }
}

impl ShareConsumerBuilder {
    /// The settings, checked one by one and against each other.
    pub(crate) fn validated(mut self) -> Result<(ShareConsumerConfig, crate::runtime::Environment), Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.config.validate()?;
        Ok((self.config, self.environment))
    }
}

impl ShareConsumerConfig {
    fn validate(&self) -> Result<(), Error> {
        self.client.validate()?;
        if self.group.is_empty() {
            return Err(Error::new(Kind::Config, "the setting `group.id` is missing: name the share group"));
        }
        if self.max_poll_records == 0 {
            return Err(invalid("max.poll.records", "0", "must be at least 1"));
        }
        if self.max_poll_interval.is_zero() {
            return Err(invalid("max.poll.interval.ms", "0", "must be at least 1"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(settings: &[(&str, &str)]) -> Result<ShareConsumerConfig, Error> {
        ShareConsumerBuilder::new("a:9092").set_all(settings.iter().copied()).validated().map(|(config, _)| config)
    }

    #[test]
    fn modes_are_known_by_their_java_names() {
        let config = build(&[
            ("group.id", "g"),
            ("share.acknowledgement.mode", "explicit"),
            ("share.acquire.mode", "RECORD_LIMIT"),
        ])
        .unwrap();
        assert_eq!(config.share_acknowledgement_mode, ShareAcknowledgementMode::Explicit);
        assert_eq!(config.share_acquire_mode, ShareAcquireMode::RecordLimit);
    }

    #[test]
    fn a_share_group_needs_its_name() {
        assert!(build(&[]).unwrap_err().to_string().contains("`group.id`"));
    }

    #[test]
    fn what_a_share_group_has_no_use_for_is_refused_by_name() {
        for key in ["auto.offset.reset", "enable.auto.commit", "group.instance.id", "isolation.level", "group.protocol"]
        {
            let error = build(&[("group.id", "g"), (key, "earliest")]).unwrap_err();
            assert_eq!(error.to_string(), format!("setting `{key}` cannot be set for a share group"));
        }
        let error = build(&[("group.id", "g"), ("max.poll.recordz", "1")]).unwrap_err();
        assert!(error.to_string().contains("a share consumer: did you mean `max.poll.records`"), "{error}");
    }
}
