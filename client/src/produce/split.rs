//! A batch that the broker found too large, into smaller ones (edge 10).

use ottla_wire::compression::Decompressor;
use ottla_wire::records::{BatchError, BatchHeader, BodyEncoder, batches};

use super::compress::Sealed;
use super::queue::after;

/// A part of a batch.
#[derive(Debug)]
pub(super) struct Piece {
    /// Which record of the batch is its first.
    pub(super) from: u32,
    pub(super) header: BatchHeader,
    /// Bytes of its records, uncompressed.
    pub(super) size: usize,
}

impl Piece {
    /// Its header in place of `whole`, which may have been numbered anew since it was split.
    pub(super) fn header_in(&self, whole: &BatchHeader) -> BatchHeader {
        let mut header =
            BatchHeader { producer_id: whole.producer_id, producer_epoch: whole.producer_epoch, ..self.header };
        if whole.base_sequence >= 0 {
            header.base_sequence = after(whole.base_sequence, self.from as i32);
        }
        header
    }
}

/// The records of a batch in batches of at most half its size, uncompressed, but for a record that is larger.
///
/// Sequence numbers stay with their records ([`Piece::header_in`]): the broker takes the pieces, in order, in place of the
/// whole.
///
/// # Errors
/// If the batch cannot be read back, which is a defect.
pub(super) fn split(
    header: &BatchHeader,
    sealed: &Sealed,
    decompressor: &mut Decompressor,
) -> Result<Vec<(Piece, Vec<u8>)>, BatchError> {
    let whole = [&header.encode(&sealed.crc), &*sealed.body].concat();
    let Some(batch) = batches(whole.into()).next().transpose()? else { return Ok(Vec::new()) };
    let body = batch.body(decompressor)?;
    let most = body.bytes().len() / 2;
    let mut pieces = Vec::new();
    let mut open: Option<(u32, BodyEncoder, Vec<u8>)> = None;
    for (index, record) in (0..).zip(body.records()) {
        let record = record?;
        let headers = record.headers;
        let fits = open.as_ref().is_some_and(|(_, encoder, body)| {
            body.len() + encoder.size_of(record.timestamp, record.key, record.value, headers.clone()) <= most
        });
        if !fits {
            pieces.extend(open.take().map(|open| piece(header, open)));
        }
        let (_, encoder, body) = open.get_or_insert_with(|| (index, BodyEncoder::new(record.timestamp), Vec::new()));
        let pushed = encoder.push(body, record.timestamp, record.key, record.value, headers);
        debug_assert!(pushed.is_ok(), "it fitted into a larger batch");
    }
    pieces.extend(open.take().map(|open| piece(header, open)));
    Ok(pieces)
}

fn piece(whole: &BatchHeader, (from, encoder, body): (u32, BodyEncoder, Vec<u8>)) -> (Piece, Vec<u8>) {
    let mut header = encoder.header();
    header.transactional = whole.transactional;
    (Piece { from, header, size: body.len() }, body)
}
