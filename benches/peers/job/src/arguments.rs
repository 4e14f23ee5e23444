//! What a client is told: words such as `linger_ms=5`, each of them once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Failure;

/// One job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job {
    /// The broker, as `host:port`.
    pub bootstrap: String,
    /// The topics that records go to in turn.
    pub topics: Vec<String>,
    /// Partitions of each topic.
    pub partitions: u16,
    /// The file with the values.
    pub values: PathBuf,
    /// Bytes of a value.
    pub size: usize,
    /// Whether records have a key of 12 bytes.
    pub keyed: bool,
    /// Codec of the batches.
    pub compression: Compression,
    /// How long a batch may wait for more records.
    pub linger: Duration,
    /// The most bytes in a batch.
    pub batch_bytes: usize,
    /// The most bytes that wait to be sent or acknowledged.
    pub buffer_bytes: usize,
    /// What becomes of the results, where a client leaves a choice.
    pub deliveries: Deliveries,
    /// The group to read as a member of; none to choose the partitions.
    pub group: Option<String>,
    /// By which protocol it is one.
    pub protocol: Protocol,
    /// How many records, and when.
    pub work: Work,
}

/// A codec, at its default level.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// As `lz4`.
    Lz4,
    /// As `none`.
    None,
    /// As `zstd`.
    Zstd,
}

/// Who shares out the partitions of a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// One of the members.
    Classic,
    /// The coordinator (KIP-848).
    Consumer,
}

/// What becomes of the results.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deliveries {
    /// Every one is awaited, in the order of the records.
    Awaited,
    /// Kept until a flush, then looked at.
    Bulk,
    /// Dropped: the last flush tells of failures.
    Dropped,
}

/// How many records, and when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Work {
    /// Read from the beginning of the topics, as fast as it goes.
    Consume {
        /// Records that are measured.
        records: u64,
        /// Records before them.
        warm_up: u64,
    },
    /// Written at a fixed rate, and read by the same process.
    EndToEnd {
        /// Records per second.
        rate: u64,
        /// Records that are measured.
        records: u64,
        /// Records before them, at the same rate.
        warm_up: u64,
    },
    /// One record is written to each partition.
    OneEach,
    /// Written as fast as it goes.
    Produce {
        /// Records that are measured.
        records: u64,
        /// Records before them.
        warm_up: u64,
    },
    /// Written at a fixed rate.
    Latency {
        /// Records per second.
        rate: u64,
        /// Records that are measured.
        records: u64,
        /// Records before them, at the same rate.
        warm_up: u64,
    },
    /// A second member joins a group, and is handed the first record of each partition that it gets.
    Rebalance,
}

impl Job {
    /// The job in this program's arguments.
    ///
    /// # Errors
    /// As [`Job::parse`].
    pub fn from_args() -> Result<Self, Failure> {
        Self::parse(std::env::args().skip(1))
    }

    /// The job in `words`, each of them `name=value`.
    ///
    /// # Errors
    /// If a word is unknown, said twice or missing, or its value is not one: names it.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, Failure> {
        let mut said = Words::read(words)?;
        let topic: String = said.take("topic")?;
        let topics: usize = said.take("topics")?;
        let (records, warm_up) = (said.take("records")?, said.take("warm_up")?);
        let job = Self {
            bootstrap: said.take("bootstrap")?,
            topics: match topics {
                1 => vec![topic],
                _ => (0..topics).map(|number| format!("{topic}-{number}")).collect(),
            },
            partitions: said.take("partitions")?,
            values: said.take("values")?,
            size: said.take("size")?,
            keyed: said.take("keyed")?,
            compression: said.take("compression")?,
            linger: Duration::from_millis(said.take("linger_ms")?),
            batch_bytes: said.take("batch_bytes")?,
            buffer_bytes: said.take("buffer_bytes")?,
            deliveries: said.take("deliveries")?,
            group: Some(said.take::<String>("group")?).filter(|group| !group.is_empty()),
            protocol: said.take("protocol")?,
            work: match (said.take::<String>("work")?.as_str(), said.take("rate")?) {
                ("consume", _) => Work::Consume { records, warm_up },
                ("one-each", _) => Work::OneEach,
                ("rebalance", _) => Work::Rebalance,
                ("produce", 0) => Work::Produce { records, warm_up },
                ("produce", rate) => Work::Latency { rate, records, warm_up },
                ("end-to-end", rate) if rate > 0 => Work::EndToEnd { rate, records, warm_up },
                (other, _) => {
                    return Err(
                        format!("`work={other}`: one of consume, end-to-end, one-each, produce, rebalance").into()
                    );
                }
            },
        };
        said.finish()?;
        Ok(job)
    }

    /// The most deliveries that a client keeps at a time: their values stay well below the buffer, so that a client which
    /// waits for the oldest of them is not held up by its own backpressure.
    #[must_use]
    pub fn window(&self) -> usize {
        (self.buffer_bytes * 3 / 4 / self.size).clamp(1, 200_000)
    }
}

impl Compression {
    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::None => "none",
            Self::Zstd => "zstd",
        }
    }
}

impl Protocol {
    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

impl FromStr for Protocol {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Classic, Self::Consumer]
            .into_iter()
            .find(|protocol| protocol.name() == text)
            .ok_or("one of classic, consumer")
    }
}

impl FromStr for Compression {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Lz4, Self::None, Self::Zstd]
            .into_iter()
            .find(|codec| codec.name() == text)
            .ok_or("one of lz4, none, zstd")
    }
}

impl FromStr for Deliveries {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "awaited" => Ok(Self::Awaited),
            "bulk" => Ok(Self::Bulk),
            "dropped" => Ok(Self::Dropped),
            _ => Err("one of awaited, bulk, dropped"),
        }
    }
}

/// What was said and not yet taken.
struct Words(HashMap<String, String>);

impl Words {
    fn read(words: impl IntoIterator<Item = String>) -> Result<Self, Failure> {
        let mut said = HashMap::new();
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is not `name=value`"))?;
            if said.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(format!("`{name}` is said twice").into());
            }
        }
        Ok(Self(said))
    }

    fn take<T: FromStr<Err: std::fmt::Display>>(&mut self, name: &str) -> Result<T, Failure> {
        let value = self.0.remove(name).ok_or_else(|| format!("`{name}` is missing"))?;
        value.parse().map_err(|error| format!("`{name}={value}`: {error}").into())
    }

    fn finish(self) -> Result<(), Failure> {
        match self.0.keys().min() {
            Some(name) => Err(format!("`{name}` is unknown").into()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "bootstrap=127.0.0.1:9092 topic=bench topics=1 partitions=6 values=/tmp/values size=100 keyed=true \
                         compression=lz4 linger_ms=5 batch_bytes=1000000 buffer_bytes=67108864 deliveries=bulk \
                         records=1000 warm_up=100 rate=0 work=produce group= protocol=classic";

    fn parse(text: &str) -> Result<Job, String> {
        Job::parse(text.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_job_is_read_from_its_words() {
        let job = parse(WORDS).unwrap();
        assert_eq!(job.topics, ["bench"]);
        assert_eq!((job.size, job.keyed, job.compression), (100, true, Compression::Lz4));
        assert_eq!((job.linger, job.deliveries), (Duration::from_millis(5), Deliveries::Bulk));
        assert_eq!(job.work, Work::Produce { records: 1000, warm_up: 100 });
    }

    #[test]
    fn a_rate_makes_it_a_job_of_latency() {
        let job = parse(&WORDS.replace("rate=0", "rate=50")).unwrap();
        assert_eq!(job.work, Work::Latency { rate: 50, records: 1000, warm_up: 100 });
    }

    #[test]
    fn records_are_read_alone_or_as_a_member_of_a_group() {
        let words = WORDS.replace("work=produce", "work=consume");
        let job = parse(&words).unwrap();
        assert_eq!((job.work, job.group), (Work::Consume { records: 1000, warm_up: 100 }, None));
        let job = parse(&words.replace("group= protocol=classic", "group=g protocol=consumer")).unwrap();
        assert_eq!((job.group.as_deref(), job.protocol), (Some("g"), Protocol::Consumer));
    }

    #[test]
    fn several_topics_are_numbered() {
        let job = parse(&WORDS.replace("topics=1", "topics=3")).unwrap();
        assert_eq!(job.topics, ["bench-0", "bench-1", "bench-2"]);
    }

    #[test]
    fn a_window_stays_below_the_buffer() {
        assert_eq!(parse(WORDS).unwrap().window(), 200_000);
        assert_eq!(parse(&WORDS.replace("size=100", "size=1024")).unwrap().window(), 49_152);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |words: &str| parse(words).unwrap_err();
        assert_eq!(wrong(&WORDS.replace("size=100", "")), "`size` is missing");
        assert_eq!(wrong(&format!("{WORDS} sise=100")), "`sise` is unknown");
        assert_eq!(wrong(&format!("{WORDS} size=100")), "`size` is said twice");
        assert_eq!(wrong(&format!("{WORDS} size")), "`size` is not `name=value`");
        assert_eq!(wrong(&WORDS.replace("lz4", "gzip")), "`compression=gzip`: one of lz4, none, zstd");
        assert_eq!(wrong(&WORDS.replace("size=100", "size=many")), "`size=many`: invalid digit found in string");
    }
}
