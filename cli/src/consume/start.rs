//! Where reading starts: the group's place, or offsets that were asked for.

use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;

use ottla::{Consumer, TopicPartition};

use super::Args;
use crate::failure::Failure;

/// What `--offset` or `--from-time` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    At(i64),
    Earliest,
    /// So many records before the end.
    Last(i64),
    Latest,
    /// At the first record of this time, in milliseconds since 1970, or later.
    Since(i64),
}

impl Start {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "earliest" | "beginning" => return Ok(Self::Earliest),
            "latest" | "end" => return Ok(Self::Latest),
            _ => {}
        }
        match text.parse::<i64>() {
            Ok(offset) if offset >= 0 => Ok(Self::At(offset)),
            Ok(offset) if offset > i64::MIN => Ok(Self::Last(-offset)),
            _ => Err("it is no offset, `earliest`, `latest`, or -N for the last N records".to_owned()),
        }
    }
}

/// Reads a time: RFC 3339, or milliseconds since 1970.
pub(super) fn time(text: &str) -> Result<i64, String> {
    const ALLOWED: &str = "it is no time: RFC 3339, such as 2026-11-26T18:30:00Z, or milliseconds since 1970";
    if let Ok(milliseconds) = text.parse::<i64>() {
        return if milliseconds >= 0 { Ok(milliseconds) } else { Err(ALLOWED.to_owned()) };
    }
    let time = humantime::parse_rfc3339(text).map_err(|_| ALLOWED.to_owned())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| ALLOWED.to_owned())?;
    // A record of the millisecond that has begun is before it.
    i64::try_from(since.as_nanos().div_ceil(1_000_000)).map_err(|_| ALLOWED.to_owned())
}

/// Subscribes as a member of the group, or takes all partitions that were asked for.
pub(super) async fn begin(consumer: &Consumer, args: &Args, has_group: bool) -> Result<(), Failure> {
    let start = args.offset.or(args.from_time.map(Start::Since));
    let chooses = !args.partitions.is_empty() || start.is_some();
    if args.group.is_some() || has_group && !chooses {
        return Ok(consumer.subscribe(args.topics.iter().cloned()).await?);
    }
    let mut wanted = BTreeSet::new();
    for topic in &args.topics {
        let known = consumer.partitions_for(topic).await?;
        if let Some(missing) = args.partitions.iter().find(|number| **number as usize >= known.len()) {
            let partitions = known.len();
            return Err(Failure::failed(format!(
                "{topic}[{missing}] is not there: the topic has {partitions} partitions"
            )));
        }
        wanted.extend(
            known.into_iter().filter(|of| args.partitions.is_empty() || args.partitions.contains(&of.partition)),
        );
    }
    consumer.assign(wanted.iter().cloned()).await?;
    match start {
        Some(start) => seek(consumer, &wanted, start).await,
        None => Ok(()),
    }
}

async fn seek(consumer: &Consumer, partitions: &BTreeSet<TopicPartition>, start: Start) -> Result<(), Failure> {
    match start {
        Start::At(offset) => {
            for of in partitions {
                consumer.seek(of, offset).await?;
            }
        }
        Start::Earliest => consumer.seek_to_beginning(partitions).await?,
        Start::Last(records) => {
            let (first, ends) = tokio::join!(consumer.beginning_offsets(partitions), consumer.end_offsets(partitions));
            let first = first?;
            for (of, end) in ends? {
                let at_least = first.get(&of).copied().unwrap_or(0);
                consumer.seek(&of, end.saturating_sub(records).max(at_least)).await?;
            }
        }
        Start::Latest => consumer.seek_to_end(partitions).await?,
        Start::Since(time) => {
            for (of, found) in consumer.offsets_for_times(partitions.iter().map(|of| (of.clone(), time))).await? {
                match found {
                    Some(found) => consumer.seek(&of, found.offset).await?,
                    None => consumer.seek_to_end([&of]).await?,
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_a_number_a_name_or_a_distance_from_the_end() {
        for (text, start) in [
            ("0", Start::At(0)),
            ("42", Start::At(42)),
            ("-3", Start::Last(3)),
            ("earliest", Start::Earliest),
            ("end", Start::Latest),
        ] {
            assert_eq!(Start::parse(text), Ok(start));
        }
        for text in ["", "x", "1.5", "--1", "99999999999999999999", "-9223372036854775808"] {
            assert!(Start::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_time_is_rfc_3339_or_milliseconds() {
        for (text, milliseconds) in [
            ("0", 0),
            ("1795717800000", 1_795_717_800_000),
            ("2026-11-26T18:30:00Z", 1_795_717_800_000),
            ("2026-11-26T18:30:00.0001Z", 1_795_717_800_001),
        ] {
            assert_eq!(time(text), Ok(milliseconds), "{text}");
        }
        for text in ["", "-1", "yesterday", "2026-11-26", "1969-12-31T00:00:00Z"] {
            assert!(time(text).is_err(), "{text:?}");
        }
    }
}
