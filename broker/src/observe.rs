//! What a broker saw and what it holds, for tests to look at.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

use crate::api::Context;
use crate::log::record::{self, Record};
use crate::log::{Log, Stored};

/// One request that arrived, as far as its header goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The API asked for.
    pub api: ApiKey,
    /// The version of the request.
    pub version: i16,
    /// The node that got it.
    pub node: i32,
    /// The client's name for itself; empty if it sent none.
    pub client_id: String,
    /// The number that the answer repeats.
    pub correlation_id: i32,
    /// When, counted from the broker's start.
    pub at: Duration,
}

/// The newest requests, oldest first.
#[derive(Debug)]
pub(crate) struct Requests {
    newest: VecDeque<Request>,
    kept: usize,
}

impl Requests {
    pub(crate) fn new(kept: usize) -> Self {
        Self { newest: VecDeque::new(), kept }
    }

    pub(crate) fn saw(&mut self, context: &Context, now: Duration) {
        if self.kept == 0 {
            return;
        }
        if self.newest.len() == self.kept {
            self.newest.pop_front();
        }
        self.newest.push_back(Request {
            api: context.api,
            version: context.version,
            node: context.node,
            client_id: context.client_id.to_string(),
            correlation_id: context.correlation_id,
            at: now,
        });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Request> {
        self.newest.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.newest.clear();
    }
}

/// What a partition's log held at the moment it was asked for.
#[derive(Clone, Debug)]
pub struct LogView {
    batches: Vec<Stored>,
    start_offset: i64,
    end_offset: i64,
}

impl LogView {
    pub(crate) fn new(log: &Log) -> Self {
        Self { batches: log.batches().to_vec(), start_offset: log.start_offset(), end_offset: log.end_offset() }
    }

    /// The number of records kept.
    pub fn len(&self) -> usize {
        usize::try_from(self.end_offset - self.start_offset).unwrap_or(0)
    }

    /// True if no record is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first offset that can be read.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset the next record gets.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// The records, decoded, in order of their offsets.
    pub fn records(&self) -> Vec<Record> {
        let records = self.batches.iter().flat_map(record::records);
        records.filter(|record| record.offset >= self.start_offset).collect()
    }

    /// The values as text, for short assertions; bytes that are not UTF-8 are replaced, null is empty.
    pub fn values(&self) -> Vec<String> {
        let text = |record: Record| String::from_utf8_lossy(&record.value.unwrap_or_default()).into_owned();
        self.records().into_iter().map(text).collect()
    }

    /// The batches, as they are stored.
    pub fn batches(&self) -> Vec<BatchView> {
        self.batches.iter().map(|batch| BatchView(batch.clone())).collect()
    }
}

/// One stored record batch.
#[derive(Clone, Debug)]
pub struct BatchView(Stored);

impl BatchView {
    /// The offset of its first record.
    pub fn base_offset(&self) -> i64 {
        self.0.header.base_offset
    }

    /// The number of its records.
    pub fn len(&self) -> usize {
        usize::try_from(self.0.header.count).unwrap_or(0)
    }

    /// True if it has no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The epoch of the leader that appended it.
    pub fn leader_epoch(&self) -> i32 {
        self.0.header.leader_epoch
    }

    /// The idempotent producer's id; -1 without one.
    pub fn producer_id(&self) -> i64 {
        self.0.header.producer_id
    }

    /// The idempotent producer's epoch; -1 without one.
    pub fn producer_epoch(&self) -> i16 {
        self.0.header.producer_epoch
    }

    /// The sequence number of its first record; -1 without a producer id.
    pub fn base_sequence(&self) -> i32 {
        self.0.header.base_sequence
    }

    /// The compression, as `compression.type` spells it: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub fn compression(&self) -> &'static str {
        crate::log::codec_name(self.0.header.codec())
    }

    /// All its bytes, header included.
    pub fn bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.0.size());
        bytes.extend_from_slice(&self.0.head);
        bytes.extend_from_slice(&self.0.body);
        bytes.freeze()
    }
}
