//! Share groups (KIP-932): many members read the same partitions, and each record is acquired by one of them at a time.

pub(crate) mod assign;
pub(crate) mod group;
pub(crate) mod partition;
pub(crate) mod session;

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use group::ShareGroup;
use partition::SharePartition;
use session::ShareSessions;

/// A share group's partition: group, topic and number.
pub(crate) type Place = (String, Uuid, i32);

/// All share groups, what they have acquired, and their sessions.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    pub(crate) groups: BTreeMap<String, ShareGroup>,
    pub(crate) partitions: BTreeMap<Place, SharePartition>,
    /// Of each node.
    pub(crate) sessions: BTreeMap<i32, ShareSessions>,
    settings: BTreeMap<String, Settings>,
}

/// Where a group begins to read a partition that it never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    Earliest,
    Latest,
    /// At the first record not older than this.
    Duration(Duration),
}

/// A group's settings, by Kafka's names for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) reset: Reset,
    /// How long a record stays with the member that acquired it.
    pub(crate) lock: Duration,
    /// How often a record is delivered at most.
    pub(crate) deliveries: i16,
    /// Records of a partition that may be under way.
    pub(crate) locks: usize,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reset: Reset::Latest,
            lock: Duration::from_secs(30),
            deliveries: 5,
            locks: 2_000,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(5),
        }
    }
}

impl Settings {
    /// Sets one by its name.
    ///
    /// # Errors
    /// A sentence, if there is no such setting or the value isn't one.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let wrong = || format!("{value:?} is no value of {name}");
        let number = || value.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(wrong);
        match name {
            "share.auto.offset.reset" => {
                self.reset = match value {
                    "earliest" => Reset::Earliest,
                    "latest" => Reset::Latest,
                    _ => Reset::Duration(value.strip_prefix("by_duration:").and_then(iso_duration).ok_or_else(wrong)?),
                }
            }
            "share.record.lock.duration.ms" => self.lock = Duration::from_millis(number()?),
            "share.delivery.count.limit" => self.deliveries = i16::try_from(number()?).map_err(|_| wrong())?,
            "share.partition.max.record.locks" => self.locks = usize::try_from(number()?).map_err(|_| wrong())?,
            "share.session.timeout.ms" => self.session_timeout = Duration::from_millis(number()?),
            "share.heartbeat.interval.ms" => self.heartbeat_interval = Duration::from_millis(number()?),
            _ => return Err(format!("{name} is no setting of share groups here")),
        }
        Ok(())
    }
}

/// A duration as ISO 8601 writes it, of days, hours, minutes and seconds: `P1DT2H3M4.5S`.
fn iso_duration(text: &str) -> Option<Duration> {
    let (days, times) = text.strip_prefix('P')?.split_once('T').unwrap_or((text.strip_prefix('P')?, ""));
    let (mut seconds, mut digits) = (0.0, String::new());
    let units = days.chars().map(|c| (c, [('D', 86_400.0)].as_slice()));
    let times = times.chars().map(|c| (c, [('H', 3_600.0), ('M', 60.0), ('S', 1.0)].as_slice()));
    for (character, units) in units.chain(times) {
        match units.iter().find(|(unit, _)| *unit == character) {
            Some((_, unit)) => seconds += std::mem::take(&mut digits).parse::<f64>().ok()? * unit,
            None => digits.push(character),
        }
    }
    if digits.is_empty() { Duration::try_from_secs_f64(seconds).ok() } else { None }
}

impl Shares {
    /// A group's settings.
    pub(crate) fn settings(&self, group: &str) -> Settings {
        self.settings.get(group).copied().unwrap_or_default()
    }

    /// Sets one of a group's settings.
    ///
    /// # Errors
    /// A sentence, if there is no such setting or the value isn't one.
    pub(crate) fn configure(&mut self, group: &str, name: &str, value: &str) -> Result<(), String> {
        self.settings.entry(group.to_owned()).or_default().set(name, value)
    }

    pub(crate) fn set_settings(&mut self, group: &str, settings: Settings) {
        self.settings.insert(group.to_owned(), settings);
    }

    /// The sessions of a node.
    pub(crate) fn sessions(&mut self, node: i32) -> &mut ShareSessions {
        self.sessions.entry(node).or_default()
    }

    /// Forgets a topic that was deleted.
    pub(crate) fn forget_topic(&mut self, topic: Uuid) {
        self.partitions.retain(|(_, id, _), _| *id != topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_iso_8601_writes_them() {
        assert_eq!(iso_duration("PT1H"), Some(Duration::from_secs(3_600)));
        assert_eq!(iso_duration("P1DT1M0.5S"), Some(Duration::from_millis(86_460_500)));
        for wrong in ["", "1H", "PT1", "PTH", "PT1D"] {
            assert_eq!(iso_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn settings_are_each_groups_own() {
        let mut shares = Shares::default();
        shares.configure("mine", "share.auto.offset.reset", "earliest").unwrap();
        assert_eq!(shares.settings("mine").reset, Reset::Earliest);
        assert_eq!(shares.settings("other").reset, Reset::Latest);
        assert!(shares.configure("mine", "share.delivery.count.limit", "0").is_err());
        assert!(shares.configure("mine", "no.such.setting", "1").is_err());
    }
}
