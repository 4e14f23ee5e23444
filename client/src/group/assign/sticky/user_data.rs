//! What the sticky assignors tell their group's leader beside their subscription, byte for byte as Java's.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};

use crate::TopicPartition;

/// The generation of a member that tells none.
pub(super) const NO_GENERATION: i32 = -1;

/// The user data of `sticky`, version 1: the last assignment, and the generation it is of.
pub(super) fn write_assignment(partitions: &[TopicPartition], generation: i32) -> Bytes {
    let mut by_topic: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        by_topic.entry(&partition.topic).or_default().push(partition.partition);
    }
    let mut bytes = Vec::new();
    bytes.put_i32(length(by_topic.len()));
    for (topic, numbers) in by_topic {
        // Kafka's topics have names of 249 bytes at most.
        bytes.put_i16(i16::try_from(topic.len()).unwrap_or(i16::MAX));
        bytes.put_slice(&topic.as_bytes()[..topic.len().min(i16::MAX as usize)]);
        bytes.put_i32(length(numbers.len()));
        numbers.into_iter().for_each(|number| bytes.put_i32(number));
    }
    bytes.put_i32(generation);
    bytes.into()
}

/// The last assignment of a member, and its generation, which version 0 does not tell. Nothing, if it cannot be read.
pub(super) fn read_assignment(bytes: &Bytes) -> (Vec<TopicPartition>, i32) {
    let mut rest = &**bytes;
    match read_partitions(&mut rest) {
        Some(partitions) => (partitions, rest.try_get_i32().unwrap_or(NO_GENERATION)),
        None => (Vec::new(), NO_GENERATION),
    }
}

/// The user data of `cooperative-sticky`.
pub(super) fn write_generation(generation: i32) -> Bytes {
    Bytes::copy_from_slice(&generation.to_be_bytes())
}

pub(super) fn read_generation(bytes: &Bytes) -> i32 {
    (&**bytes).try_get_i32().unwrap_or(NO_GENERATION)
}

fn read_partitions(rest: &mut &[u8]) -> Option<Vec<TopicPartition>> {
    let mut partitions = Vec::new();
    for _ in 0..count(rest)? {
        let length = usize::try_from(rest.try_get_i16().ok()?).ok()?;
        let name = rest.split_off(..length)?;
        let topic: Arc<str> = String::from_utf8_lossy(name).into();
        for _ in 0..count(rest)? {
            partitions.push(TopicPartition { topic: topic.clone(), partition: rest.try_get_i32().ok()? });
        }
    }
    Some(partitions)
}

/// How many entries follow. Nothing is reserved for them: each is read, or reading ends.
fn count(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(rest.try_get_i32().ok()?).ok()
}

fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions() -> Vec<TopicPartition> {
        vec![TopicPartition::new("a", 0), TopicPartition::new("a", 2), TopicPartition::new("b", 1)]
    }

    /// The bytes of Java's `StickyAssignor.serializeTopicPartitionAssignment`.
    const JAVA: &[u8] = b"\x00\x00\x00\x02\x00\x01a\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x02\
        \x00\x01b\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x07";

    #[test]
    fn an_assignment_is_written_and_read_as_java_does() {
        assert_eq!(write_assignment(&partitions(), 7), JAVA);
        assert_eq!(read_assignment(&Bytes::from_static(JAVA)), (partitions(), 7));
    }

    #[test]
    fn an_older_member_tells_no_generation() {
        let version_0 = Bytes::from_static(&JAVA[..JAVA.len() - 4]);
        assert_eq!(read_assignment(&version_0), (partitions(), NO_GENERATION));
    }

    #[test]
    fn what_cannot_be_read_claims_nothing() {
        for end in 0..JAVA.len() - 4 {
            assert_eq!(read_assignment(&Bytes::from_static(&JAVA[..end])), (Vec::new(), NO_GENERATION), "{end} bytes");
        }
        let huge = Bytes::from_static(b"\x7f\xff\xff\xff\x00\x01a\x7f\xff\xff\xff");
        assert_eq!(read_assignment(&huge), (Vec::new(), NO_GENERATION));
        let negative = Bytes::from_static(b"\xff\xff\xff\xff\x00\x00\x00\x07");
        assert_eq!(read_assignment(&negative), (Vec::new(), NO_GENERATION));
        assert_eq!(read_generation(&Bytes::from_static(b"\x00\x00")), NO_GENERATION);
    }

    #[test]
    fn a_generation_is_four_bytes() {
        assert_eq!(write_generation(7), &b"\x00\x00\x00\x07"[..]);
        assert_eq!(read_generation(&write_generation(7)), 7);
    }
}
