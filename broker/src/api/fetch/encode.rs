//! A Fetch answer into a frame: encoded fields and slices of logs by turns, nothing copied.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::protocol::Encodable;

use super::{FLEXIBLE_FROM, SESSIONS_FROM};
use crate::api::wire::{patch_length, put_varint};
use crate::log::Slices;

/// An answer and, for each of its partitions in order, the records.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: FetchResponse,
    pub(super) records: Vec<Slices>,
}

impl Answer {
    /// The parts of the frame that `frame` begins: encoded fields and slices of logs by turns, nothing copied.
    ///
    /// Each level is encoded with an empty array, or empty records, in whose place the real ones are put.
    pub(in crate::api) fn encode(self, version: i16, frame: BytesMut) -> Result<Vec<Bytes>, String> {
        let mut response = self.response;
        let topics = std::mem::take(&mut response.responses);
        let mut records = self.records.into_iter();
        let mut parts = Parts { done: Vec::new(), bytes: 0, open: frame, is_flexible: version >= FLEXIBLE_FROM };

        let mut whole = BytesMut::new();
        response.encode(&mut whole, version).map_err(|error| error.to_string())?;
        let before_topics = if version >= SESSIONS_FROM { 10 } else { 4 };
        parts.open.put_slice(&whole[..before_topics]);
        parts.put_array_length(topics.len());
        for mut topic in topics {
            let partitions = std::mem::take(&mut topic.partitions);
            topic.encode(&mut parts.open, version).map_err(|error| error.to_string())?;
            parts.drop_empty();
            parts.put_array_length(partitions.len());
            for mut partition in partitions {
                let slices = records.next().unwrap_or_default();
                partition.records = Some(Bytes::new());
                partition.encode(&mut parts.open, version).map_err(|error| error.to_string())?;
                // Only a partition without tagged fields has records, so what ends here is their length.
                if slices.bytes > 0 {
                    parts.drop_empty();
                    parts.put_records(slices)?;
                    parts.put_no_tags();
                }
            }
            parts.put_no_tags();
        }
        let length_bytes = if parts.is_flexible { 1 } else { 4 };
        parts.open.put_slice(&whole[before_topics + length_bytes..]);
        Ok(parts.finish())
    }
}

/// A frame in parts: those that are done, and the buffer still written to.
struct Parts {
    done: Vec<Bytes>,
    bytes: usize,
    open: BytesMut,
    is_flexible: bool,
}

impl Parts {
    /// Takes back the empty array or records at the end, and the empty tagged fields after it.
    fn drop_empty(&mut self) {
        let bytes = if self.is_flexible { 2 } else { 4 };
        self.open.truncate(self.open.len() - bytes);
    }

    fn put_array_length(&mut self, length: usize) {
        if self.is_flexible {
            put_varint(&mut self.open, length + 1);
        } else {
            self.open.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        }
    }

    fn put_records(&mut self, slices: Slices) -> Result<(), String> {
        if self.is_flexible {
            put_varint(&mut self.open, slices.bytes + 1);
        } else {
            self.open.put_i32(i32::try_from(slices.bytes).map_err(|error| error.to_string())?);
        }
        self.bytes += self.open.len() + slices.bytes;
        self.done.push(self.open.split().freeze());
        self.done.extend(slices.parts);
        Ok(())
    }

    fn put_no_tags(&mut self) {
        if self.is_flexible {
            self.open.put_u8(0);
        }
    }

    /// Closes the frame: its length is known now.
    fn finish(mut self) -> Vec<Bytes> {
        let Some(first) = self.done.first_mut() else {
            patch_length(&mut self.open, 0);
            return vec![self.open.freeze()];
        };
        let mut head = BytesMut::from(std::mem::take(first));
        let beyond = self.bytes - head.len() + self.open.len();
        patch_length(&mut head, beyond);
        *first = head.freeze();
        self.done.push(self.open.freeze());
        self.done
    }
}
