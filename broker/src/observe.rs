//! What a broker saw and what it holds, for tests to look at.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

use crate::api::Context;
use crate::log::marker::Marker;
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
///
/// Markers, which end transactions, take offsets but are no records: they are in [`Self::markers`] and
/// [`Self::batches`] alone.
#[derive(Clone, Debug)]
pub struct LogView {
    batches: Vec<Stored>,
    start_offset: i64,
    end_offset: i64,
    last_stable_offset: i64,
    /// Of each batch, in order: it belongs to a transaction that was aborted.
    aborted: Vec<bool>,
}

impl LogView {
    pub(crate) fn new(log: &Log) -> Self {
        let is_aborted = |batch: &Stored| {
            let header = &batch.header;
            header.is_transactional() && log.aborted.has(header.producer_id, header.base_offset)
        };
        Self {
            batches: log.batches().to_vec(),
            start_offset: log.start_offset(),
            end_offset: log.end_offset(),
            last_stable_offset: log.last_stable_offset(),
            aborted: log.batches().iter().map(is_aborted).collect(),
        }
    }

    /// The number of records kept.
    pub fn len(&self) -> usize {
        let counted = |batch: &Stored| {
            if batch.header.base_offset < self.start_offset {
                return record::records(batch).filter(|record| record.offset >= self.start_offset).count();
            }
            usize::try_from(batch.header.count).unwrap_or(0)
        };
        self.kept().filter(|batch| !batch.header.is_control()).map(counted).sum()
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

    /// The offset at which the first open transaction begins: where readers of committed records stop. The end if none
    /// is open.
    pub fn last_stable_offset(&self) -> i64 {
        self.last_stable_offset
    }

    /// The records, decoded, in order of their offsets, whatever became of their transactions.
    pub fn records(&self) -> Vec<Record> {
        self.records_of(|_, _| true)
    }

    /// The records that a consumer with `isolation.level=read_committed` sees: those outside transactions and those of
    /// committed ones, up to the last stable offset.
    pub fn committed_records(&self) -> Vec<Record> {
        self.records_of(|batch, is_aborted| !is_aborted && batch.header.base_offset < self.last_stable_offset)
    }

    /// The values as text, for short assertions; bytes that are not UTF-8 are replaced, null is empty.
    pub fn values(&self) -> Vec<String> {
        texts(self.records())
    }

    /// The values of [`Self::committed_records`], as text like [`Self::values`].
    pub fn committed_values(&self) -> Vec<String> {
        texts(self.committed_records())
    }

    /// The markers that ended transactions, with their offsets.
    pub fn markers(&self) -> Vec<(i64, Marker)> {
        let marker = |batch: &Stored| Some((batch.header.base_offset, Marker::read(&batch.header, &batch.body)?));
        self.kept().filter_map(marker).collect()
    }

    /// The batches, as they are stored.
    pub fn batches(&self) -> Vec<BatchView> {
        self.batches.iter().map(|batch| BatchView(batch.clone())).collect()
    }

    fn kept(&self) -> impl Iterator<Item = &Stored> {
        self.batches.iter().filter(|batch| batch.header.last_offset() >= self.start_offset)
    }

    /// Records of the batches that `wanted`, told whether each was aborted, picks.
    fn records_of(&self, wanted: impl Fn(&Stored, bool) -> bool) -> Vec<Record> {
        let batches = self.batches.iter().zip(&self.aborted);
        let data = batches.filter(|(batch, aborted)| !batch.header.is_control() && wanted(batch, **aborted));
        let records = data.flat_map(|(batch, _)| record::records(batch));
        records.filter(|record| record.offset >= self.start_offset).collect()
    }
}

fn texts(records: Vec<Record>) -> Vec<String> {
    let text = |record: Record| String::from_utf8_lossy(&record.value.unwrap_or_default()).into_owned();
    records.into_iter().map(text).collect()
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

    /// True if it belongs to a transaction, as data or as its marker.
    pub fn is_transactional(&self) -> bool {
        self.0.header.is_transactional()
    }

    /// The marker it is, if it is one: where a transaction ended.
    pub fn marker(&self) -> Option<Marker> {
        Marker::read(&self.0.header, &self.0.body)
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
