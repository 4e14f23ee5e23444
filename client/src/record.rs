//! What goes in: a record, and where to.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::Str;

/// A partition of a topic.
///
/// ```
/// let partition = ottla::TopicPartition::new("orders", 3);
/// assert_eq!(partition.to_string(), "orders[3]");
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// Entries of partitions, gathered by topic as requests have them; those of one topic must follow one another.
pub(crate) fn by_topic<'a, E>(entries: impl Iterator<Item = (&'a str, E)>) -> Vec<(Str, Vec<E>)> {
    let mut topics: Vec<(Str, Vec<E>)> = Vec::new();
    for (topic, entry) in entries {
        match topics.last_mut().filter(|(last, _)| **last == *topic) {
            Some((_, entries)) => entries.push(entry),
            None => topics.push((topic.into(), vec![entry])),
        }
    }
    topics
}

/// Bytes of a record to send: borrowed, or shared.
///
/// Made by `into()` from strings, slices, vectors and [`Bytes`]. They are copied once, into the batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payload<'a>(Inner<'a>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Inner<'a> {
    Borrowed(&'a [u8]),
    Shared(Bytes),
}

impl Payload<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Payload<'static> {
        Payload(Inner::Shared(match self.0 {
            Inner::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Inner::Shared(bytes) => bytes,
        }))
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Inner::Borrowed(bytes) => bytes,
            Inner::Shared(bytes) => bytes,
        }
    }
}

macro_rules! borrowed {
    ($($type:ty)*) => { $(impl<'a> From<&'a $type> for Payload<'a> {
        fn from(bytes: &'a $type) -> Self { Self(Inner::Borrowed(bytes.as_ref())) }
    })* };
}
borrowed! { [u8] str String Vec<u8> Bytes }

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self(Inner::Borrowed(bytes))
    }
}

macro_rules! shared {
    ($($type:ty)*) => { $(impl From<$type> for Payload<'_> {
        fn from(bytes: $type) -> Self { Self(Inner::Shared(bytes.into())) }
    })* };
}
shared! { Bytes String Vec<u8> }

/// A record to send.
///
/// Without a key it goes to whichever partition is being filled; without a value it is a tombstone, which is not the
/// same as an empty value.
///
/// ```
/// use ottla::Record;
/// let record = Record::to("orders").key("user-7").value("tea").header("source", "shop");
/// assert_eq!(record.topic(), "orders");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a record does nothing until it is sent"]
pub struct Record<'a> {
    topic: Cow<'a, str>,
    key: Option<Payload<'a>>,
    value: Option<Payload<'a>>,
    /// Boxed, since few records have any: a record is moved a few times on its way in, and up to 128 bytes that is cheap.
    headers: Option<Box<Headers<'a>>>,
    timestamp: i64,
    has_timestamp: bool,
    has_partition: bool,
    partition: i32,
}

type Headers<'a> = Vec<(Payload<'a>, Option<Payload<'a>>)>;

impl<'a> Record<'a> {
    /// An empty record to `topic`.
    pub fn to(topic: impl Into<Cow<'a, str>>) -> Self {
        Self {
            topic: topic.into(),
            key: None,
            value: None,
            headers: None,
            timestamp: 0,
            has_timestamp: false,
            has_partition: false,
            partition: 0,
        }
    }

    /// Sends it to this partition, whatever its key.
    pub fn partition(mut self, partition: i32) -> Self {
        (self.partition, self.has_partition) = (partition, true);
        self
    }

    /// Sets the key: records of one key go to one partition, in order. An empty key is a key.
    pub fn key(mut self, key: impl Into<Payload<'a>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value.
    pub fn value(mut self, value: impl Into<Payload<'a>>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Adds a header. Names may repeat, and keep their order.
    pub fn header(mut self, name: impl Into<Payload<'a>>, value: impl Into<Payload<'a>>) -> Self {
        self.headers.get_or_insert_default().push((name.into(), Some(value.into())));
        self
    }

    /// Adds a header whose value is null.
    pub fn null_header(mut self, name: impl Into<Payload<'a>>) -> Self {
        self.headers.get_or_insert_default().push((name.into(), None));
        self
    }

    /// Sets the timestamp, in milliseconds since 1970. Unset, it is the time of sending.
    pub fn timestamp(mut self, milliseconds: i64) -> Self {
        (self.timestamp, self.has_timestamp) = (milliseconds, true);
        self
    }

    /// The topic it goes to.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Record<'static> {
        Record {
            topic: Cow::Owned(self.topic.into_owned()),
            key: self.key.map(Payload::into_owned),
            value: self.value.map(Payload::into_owned),
            headers: self.headers.map(|headers| {
                let owned =
                    |(name, value): (Payload<'_>, Option<_>)| (name.into_owned(), value.map(Payload::into_owned));
                Box::new(headers.into_iter().map(owned).collect())
            }),
            timestamp: self.timestamp,
            has_timestamp: self.has_timestamp,
            has_partition: self.has_partition,
            partition: self.partition,
        }
    }

    /// Changes it in place by the methods that build one: `record.update(|record| record.header("h", "1"))`.
    pub fn update(&mut self, change: impl FnOnce(Self) -> Self) {
        *self = change(std::mem::replace(self, Record::to("")));
    }

    /// The partition it is to go to, if that was set.
    pub fn chosen_partition(&self) -> Option<i32> {
        self.has_partition.then_some(self.partition)
    }

    /// The key.
    pub fn key_bytes(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// The value.
    pub fn value_bytes(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    /// Names and values of its headers, in order.
    pub fn header_bytes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + Clone {
        self.headers().iter().map(|(name, value)| (&**name, value.as_deref()))
    }

    #[inline]
    pub(crate) fn headers(&self) -> &[(Payload<'a>, Option<Payload<'a>>)] {
        self.headers.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The timestamp in milliseconds since 1970, if it was set.
    pub fn chosen_timestamp(&self) -> Option<i64> {
        self.has_timestamp.then_some(self.timestamp)
    }

    /// No less than the bytes it takes in a batch.
    pub(crate) fn size_bound(&self) -> usize {
        // Length, attributes, timestamp, offset, and the lengths of key, value and headers: at most this much.
        const FIELDS: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
        let headers: usize = self
            .headers()
            .iter()
            .map(|(name, value)| 10 + name.len() + value.as_ref().map_or(0, |value| value.len()))
            .sum();
        FIELDS
            + self.key.as_ref().map_or(0, |key| key.len())
            + self.value.as_ref().map_or(0, |value| value.len())
            + headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_not_an_empty_value() {
        assert_eq!(Record::to("t").value_bytes(), None);
        assert_eq!(Record::to("t").value("").value_bytes(), Some(&b""[..]));
    }

    #[test]
    fn a_record_is_cheap_to_move() {
        assert!(size_of::<Record<'_>>() <= 128, "{}", size_of::<Record<'_>>());
    }

    #[test]
    fn an_owned_copy_is_equal() {
        let topic = String::from("orders");
        let record = Record::to(&topic).key("k").value(vec![1, 2]).header("h", "1").null_header("h").timestamp(7);
        assert_eq!(
            record.clone().into_owned(),
            Record::to("orders").key("k").value(&[1, 2]).header("h", "1").null_header("h").timestamp(7).into_owned()
        );
        assert_eq!(record.header_bytes().collect::<Vec<_>>(), [(&b"h"[..], Some(&b"1"[..])), (b"h", None)]);
    }
}
