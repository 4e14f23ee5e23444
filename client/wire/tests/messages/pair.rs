//! One random value in two implementations' types.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::{BrokerId, GroupId, ProducerId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use ottla_wire::{Chunks, Code, Str, Uuid, Version};

/// Random numbers that a seed repeats.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits, by the algorithm SplitMix64.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.bits() as u8).collect()
    }

    /// A length: mostly small, now and then one that takes two bytes as a varint.
    fn length(&mut self, small: usize) -> usize {
        if self.below(40) == 0 { 120 + self.below(20) } else { self.below(small) }
    }
}

/// A value that both implementations have.
pub(crate) trait Pair<Theirs>: Sized {
    /// The same random value in both types.
    fn pair(random: &mut Random, version: Version) -> (Self, Theirs);
}

macro_rules! numbers {
    ($($number:ident)*) => {$(
        impl Pair<$number> for $number {
            fn pair(random: &mut Random, _: Version) -> (Self, Self) {
                let value = match random.below(8) {
                    0 => 0,
                    1 => Self::MIN,
                    2 => Self::MAX,
                    _ => random.bits() as Self,
                };
                (value, value)
            }
        }
    )*};
}

numbers! { i8 i16 u16 i32 u32 i64 }

impl Pair<f64> for f64 {
    fn pair(random: &mut Random, _: Version) -> (Self, Self) {
        // A fraction that both must keep to the last bit; never the one value that does not equal itself.
        let value = random.bits() as Self / 3.0;
        (value, value)
    }
}

impl Pair<bool> for bool {
    fn pair(random: &mut Random, _: Version) -> (Self, Self) {
        let value = random.below(2) == 0;
        (value, value)
    }
}

impl Pair<i16> for Code {
    fn pair(random: &mut Random, version: Version) -> (Self, i16) {
        let (value, _) = i16::pair(random, version);
        (Self::from_wire(value), value)
    }
}

impl Pair<BrokerId> for i32 {
    fn pair(random: &mut Random, version: Version) -> (Self, BrokerId) {
        let (value, same) = Self::pair(random, version);
        (value, BrokerId(same))
    }
}

impl Pair<ProducerId> for i64 {
    fn pair(random: &mut Random, version: Version) -> (Self, ProducerId) {
        let (value, same) = Self::pair(random, version);
        (value, ProducerId(same))
    }
}

impl Pair<uuid::Uuid> for Uuid {
    fn pair(random: &mut Random, _: Version) -> (Self, uuid::Uuid) {
        let value = if random.below(8) == 0 { 0 } else { u128::from(random.bits()) << 64 | u128::from(random.bits()) };
        (Self(value.to_be_bytes()), uuid::Uuid::from_u128(value))
    }
}

impl Pair<StrBytes> for Str {
    fn pair(random: &mut Random, _: Version) -> (Self, StrBytes) {
        let length = random.length(12);
        let text: String = (0..length).map(|_| ['a', 'Z', '0', '.', 'é', '≤', '🦀'][random.below(7)]).collect();
        (Self::from(&text), StrBytes::from_string(text))
    }
}

macro_rules! names {
    ($($name:ident)*) => {$(
        impl Pair<$name> for Str {
            fn pair(random: &mut Random, version: Version) -> (Self, $name) {
                let (ours, theirs): (_, StrBytes) = Self::pair(random, version);
                (ours, $name(theirs))
            }
        }
    )*};
}

names! { GroupId TopicName TransactionalId }

impl Pair<Bytes> for Bytes {
    fn pair(random: &mut Random, _: Version) -> (Self, Self) {
        // Short ones are copied into the frame, long ones are not.
        let length = if random.below(4) == 0 { 400 + random.below(400) } else { random.length(20) };
        let value = Self::from(random.bytes(length));
        (value.clone(), value)
    }
}

impl Pair<Bytes> for Chunks {
    fn pair(random: &mut Random, version: Version) -> (Self, Bytes) {
        let chunks: Vec<Bytes> = (0..random.below(4)).map(|_| Bytes::pair(random, version).0).collect();
        let joined = chunks.concat();
        (Self(chunks), joined.into())
    }
}

impl<Ours: Pair<Theirs>, Theirs> Pair<Vec<Theirs>> for Vec<Ours> {
    fn pair(random: &mut Random, version: Version) -> (Self, Vec<Theirs>) {
        (0..random.length(3)).map(|_| Pair::pair(random, version)).unzip()
    }
}

impl<Ours: Pair<Theirs>, Theirs> Pair<Option<Theirs>> for Option<Ours> {
    fn pair(random: &mut Random, version: Version) -> (Self, Option<Theirs>) {
        if random.below(3) == 0 { (None, None) } else { Some(Pair::pair(random, version)).unzip() }
    }
}

/// Adds tagged fields that no version of ours knows.
pub(crate) fn unknown_tags(random: &mut Random, tags: &mut BTreeMap<i32, Bytes>) {
    while random.below(4) == 0 {
        let length = random.length(10);
        tags.insert(100 + random.below(1000) as i32, Bytes::from(random.bytes(length)));
    }
}
