//! Compaction: records go, offsets stay.

use bytes::{BufMut, BytesMut};

use super::batch::CODEC;
use super::record::{self, Record};
use super::{Log, Stored};

impl Log {
    /// Takes out records that `keep` doesn't want, as Kafka's log cleaner does. A batch keeps its offsets from the first
    /// to the last; one without records goes, unless it has a producer id: then its header stays. Markers stay, and so
    /// does a batch that can't be read.
    pub(crate) fn compact(&mut self, keep: impl Fn(&Record) -> bool) {
        let batches = std::mem::take(&mut self.batches);
        self.batches = batches.into_iter().filter_map(|batch| compacted(batch, &keep)).collect();
    }
}

fn compacted(batch: Stored, keep: impl Fn(&Record) -> bool) -> Option<Stored> {
    if batch.header.is_control() {
        return Some(batch);
    }
    let (mut body, mut kept, mut read) = (BytesMut::new(), 0, 0);
    for (record, raw) in record::raw(&batch.header, &batch.body) {
        read += 1;
        if keep(&record) {
            kept += 1;
            body.put_slice(&raw);
        }
    }
    if read != batch.header.count || kept == read {
        return Some(batch);
    }
    if kept == 0 && !batch.header.has_producer() {
        return None;
    }
    let mut header = batch.header;
    header.attributes &= !CODEC;
    header.count = kept;
    let header = header.sealed(&body);
    Some(Stored { head: header.write(), header, body: body.freeze() })
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::{batch, producer_batch};
    use super::*;

    fn offsets(log: &Log) -> Vec<i64> {
        log.batches().iter().flat_map(record::records).map(|record| record.offset).collect()
    }

    #[test]
    fn offsets_stay_where_records_go() {
        let mut log = Log::default();
        log.append(batch(3), 0, true);
        log.append(batch(2), 0, true);
        log.compact(|record| record.offset == 1 || record.offset == 4);
        assert_eq!(offsets(&log), [1, 4]);
        let header = &log.batches()[0].header;
        assert_eq!((header.base_offset, header.last_offset(), header.count), (0, 2, 1));
        assert_eq!(header.crc, header.clone().sealed(&log.batches()[0].body).crc);
        assert_eq!((log.start_offset(), log.end_offset()), (0, 5));
    }

    #[test]
    fn an_empty_batch_stays_only_for_its_producer() {
        let mut log = Log::default();
        log.append(batch(2), 0, true);
        log.append(producer_batch(2, 7, 0, 0), 0, true);
        log.compact(|_| false);
        assert_eq!(log.batches().len(), 1);
        let left = &log.batches()[0];
        assert_eq!((left.header.base_offset, left.header.count, left.body.len()), (2, 0, 0));
        assert_eq!(log.batch_end_before(3), 2);
    }
}
