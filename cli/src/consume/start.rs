//! Where reading starts: the group's place, or offsets that were asked for.

use std::collections::BTreeSet;

use ottla::{Consumer, TopicPartition};

use super::Args;
use crate::failure::Failure;

/// What `--offset` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    At(i64),
    Earliest,
    /// So many records before the end.
    Last(i64),
    Latest,
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

/// Subscribes as a member of the group, or takes all partitions that were asked for.
pub(super) async fn begin(consumer: &Consumer, args: &Args, has_group: bool) -> Result<(), Failure> {
    let chooses = !args.partitions.is_empty() || args.offset.is_some();
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
    match args.offset {
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
}
