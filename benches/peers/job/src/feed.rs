//! Records without end, made without a copy.

use std::{fs, io};

use crate::Job;

const KEYS: usize = 10_000;
const KEY_BYTES: usize = 12;

/// What a record is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Item {
    /// Which of the job's topics it goes to.
    pub topic: usize,
    /// Its key, of 12 bytes, if the job's records have keys.
    pub key: Option<&'static [u8]>,
    /// Its value.
    pub value: &'static [u8],
}

/// The job's records: topics, keys and values in turn, from the first again after the last.
///
/// Keys and values live as long as the process, so that a client may keep them without a reference count. Nothing is
/// divided on the way: a division per record would be a tenth of what the cheapest client costs.
#[derive(Clone, Debug)]
pub struct Feed {
    values: &'static [u8],
    size: usize,
    value_at: usize,
    /// Empty for records without keys.
    keys: &'static [[u8; KEY_BYTES]],
    key_at: usize,
    topics: usize,
    topic_at: usize,
}

impl Feed {
    /// Reads the values into memory.
    ///
    /// # Errors
    /// If the file cannot be read, or does not hold a whole number of values.
    pub fn load(job: &Job) -> io::Result<Self> {
        let values = fs::read(&job.values)
            .map_err(|error| io::Error::new(error.kind(), format!("read {}: {error}", job.values.display())))?;
        if values.is_empty() || values.len() % job.size != 0 {
            let what = format!("{} does not hold values of {} bytes", job.values.display(), job.size);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(Self::of(values, job.size, job.keyed, job.topics.len()))
    }

    fn of(values: Vec<u8>, size: usize, keyed: bool, topics: usize) -> Self {
        let keys = if keyed { (0..KEYS).map(key).collect() } else { Vec::new() };
        Self { values: values.leak(), size, value_at: 0, keys: keys.leak(), key_at: 0, topics, topic_at: 0 }
    }

    /// Bytes of all values, which this process holds beside what its client needs.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.values.len()
    }
}

impl Iterator for Feed {
    type Item = Item;

    #[inline]
    fn next(&mut self) -> Option<Item> {
        let topic = self.topic_at;
        self.topic_at += 1;
        if self.topic_at == self.topics {
            self.topic_at = 0;
        }
        let key = self.keys.get(self.key_at).map(|key| &key[..]);
        self.key_at += 1;
        if self.key_at >= self.keys.len() {
            self.key_at = 0;
        }
        let value = &self.values[self.value_at..][..self.size];
        self.value_at += self.size;
        if self.value_at == self.values.len() {
            self.value_at = 0;
        }
        Some(Item { topic, key, value })
    }
}

fn key(number: usize) -> [u8; KEY_BYTES] {
    let mut key = *b"key-00000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_topics_come_in_turn() {
        let feed = Feed::of(b"aabbcc".to_vec(), 2, false, 2);
        let items: Vec<_> = feed.take(5).map(|item| (item.topic, item.value)).collect();
        assert_eq!(items, [(0, &b"aa"[..]), (1, b"bb"), (0, b"cc"), (1, b"aa"), (0, b"bb")]);
    }

    #[test]
    fn keys_come_in_turn_and_have_twelve_bytes() {
        let feed = Feed::of(b"a".to_vec(), 1, true, 1);
        let keys: Vec<_> = feed.take(KEYS + 1).map(|item| item.key.unwrap()).collect();
        assert_eq!((keys[0], keys[1], keys[9_999]), (&b"key-00000000"[..], &b"key-00000001"[..], &b"key-00009999"[..]));
        assert_eq!(keys[KEYS], keys[0]);
    }

    #[test]
    fn records_without_keys_have_none() {
        assert_eq!(Feed::of(b"a".to_vec(), 1, false, 1).next().unwrap().key, None);
    }
}
