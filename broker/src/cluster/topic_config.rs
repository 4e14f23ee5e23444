//! The settings of a topic: the few that this broker obeys, and those it merely knows.

use std::collections::BTreeMap;

use crate::log::validate::RecordRules;

/// What `type` DescribeConfigs gives a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean = 1,
    Text = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// A setting that CreateTopics takes and DescribeConfigs shows.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) kind: Kind,
    /// The values allowed, of a list its elements; empty: any of the kind.
    allowed: &'static [&'static str],
}

const fn setting(name: &'static str, default: &'static str, kind: Kind) -> Setting {
    Setting { name, default, kind, allowed: &[] }
}

const LOG_APPEND_TIME: &str = "LogAppendTime";
const COMPACT: &str = "compact";

/// Obeyed are `max.message.bytes`, the three about timestamps and, as far as a compacted topic's records need keys,
/// `cleanup.policy`; the rest is kept and shown, since nothing expires and nothing is compacted in memory. Defaults are
/// Kafka's.
pub(crate) const SETTINGS: [Setting; 17] = [
    Setting { allowed: &[COMPACT, "delete"], ..setting("cleanup.policy", "delete", Kind::List) },
    Setting {
        allowed: &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"],
        ..setting("compression.type", "producer", Kind::Text)
    },
    setting("delete.retention.ms", "86400000", Kind::Long),
    setting("file.delete.delay.ms", "60000", Kind::Long),
    setting("flush.messages", "9223372036854775807", Kind::Long),
    setting("flush.ms", "9223372036854775807", Kind::Long),
    setting("max.compaction.lag.ms", "9223372036854775807", Kind::Long),
    setting("max.message.bytes", "1048588", Kind::Int),
    setting("message.timestamp.after.max.ms", "3600000", Kind::Long),
    setting("message.timestamp.before.max.ms", "9223372036854775807", Kind::Long),
    Setting {
        allowed: &["CreateTime", LOG_APPEND_TIME],
        ..setting("message.timestamp.type", "CreateTime", Kind::Text)
    },
    setting("min.cleanable.dirty.ratio", "0.5", Kind::Double),
    setting("min.insync.replicas", "1", Kind::Int),
    setting("retention.bytes", "-1", Kind::Long),
    setting("retention.ms", "604800000", Kind::Long),
    setting("segment.bytes", "1073741824", Kind::Int),
    setting("unclean.leader.election.enable", "false", Kind::Boolean),
];

/// The settings of one topic that differ from their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicConfig(BTreeMap<String, String>);

impl TopicConfig {
    /// With these names and values.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(crate) fn of(settings: &[(String, String)]) -> Result<Self, String> {
        let mut config = Self::default();
        settings.iter().try_for_each(|(name, value)| config.set(name, value))?;
        Ok(config)
    }

    /// Sets a value.
    ///
    /// # Errors
    /// A sentence, if the setting is unknown or the value isn't one of its kind.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            return Err(format!("Unknown topic config name: {name}"));
        };
        if !setting.takes(value) {
            return Err(format!("Invalid value {value} for configuration {name}"));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Goes back to the default.
    pub(crate) fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The value set, if it was.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The largest batch taken, in bytes.
    pub(crate) fn max_message_bytes(&self) -> usize {
        self.get("max.message.bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or(1_048_588)
    }

    /// The rules that each record must meet.
    pub(crate) fn record_rules(&self) -> RecordRules {
        let policy = self.get("cleanup.policy").unwrap_or_default();
        let limit = |name, default| self.get(name).and_then(|limit| limit.parse().ok()).unwrap_or(default);
        let before = limit("message.timestamp.before.max.ms", i64::MAX);
        let after = limit("message.timestamp.after.max.ms", 3_600_000);
        RecordRules {
            is_compacted: policy.split(',').any(|policy| policy.trim() == COMPACT),
            time: (!self.is_log_append_time()).then_some((before, after)),
        }
    }

    /// True if records get the broker's time.
    pub(crate) fn is_log_append_time(&self) -> bool {
        self.get("message.timestamp.type") == Some(LOG_APPEND_TIME)
    }
}

impl Setting {
    fn takes(&self, value: &str) -> bool {
        match self.kind {
            Kind::Boolean => matches!(value, "true" | "false"),
            Kind::Double => value.parse::<f64>().is_ok(),
            Kind::Int => value.parse::<i32>().is_ok(),
            Kind::Long => value.parse::<i64>().is_ok(),
            Kind::List => self.allowed.is_empty() || value.split(',').all(|one| self.allowed.contains(&one.trim())),
            Kind::Text => self.allowed.is_empty() || self.allowed.contains(&value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_until_a_value_is_set() {
        let mut config = TopicConfig::default();
        assert_eq!(config.max_message_bytes(), 1_048_588);
        config.set("max.message.bytes", "100").unwrap();
        assert_eq!(config.max_message_bytes(), 100);
        config.unset("max.message.bytes");
        assert_eq!(config.max_message_bytes(), 1_048_588);
    }

    #[test]
    fn an_unknown_name_or_a_wrong_value_is_refused() {
        let mut config = TopicConfig::default();
        assert!(config.set("retention.mss", "1").is_err());
        assert!(config.set("retention.ms", "soon").is_err());
        assert!(config.set("message.timestamp.type", "LogTime").is_err());
        assert_eq!(config, TopicConfig::default());
    }

    #[test]
    fn a_topic_may_be_compacted_and_deleted_from() {
        let mut config = TopicConfig::default();
        assert!(!config.record_rules().is_compacted);
        config.set("cleanup.policy", "delete, compact").unwrap();
        assert!(config.record_rules().is_compacted);
        assert!(config.set("cleanup.policy", "shrink").is_err());
    }

    #[test]
    fn every_default_is_a_value_of_its_kind() {
        assert!(SETTINGS.iter().all(|setting| setting.takes(setting.default)));
    }
}
