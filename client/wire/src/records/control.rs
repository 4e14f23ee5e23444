//! What a record of a control batch says.
//!
//! Source: <https://kafka.apache.org/documentation/#controlbatch>

use super::RecordRef;

/// The type of a control record, from its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlType {
    /// The producer's transaction was aborted (0).
    Abort,
    /// The producer's transaction was committed (1).
    Commit,
    /// Another, for others than clients: to be passed over.
    Other(i16),
}

/// The value of an [`Abort`](ControlType::Abort) or [`Commit`](ControlType::Commit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// The epoch of the transaction coordinator that wrote the marker.
    pub coordinator_epoch: i32,
}

impl ControlType {
    /// Reads the key of a control batch's record; `None` if it is too short or its version negative.
    #[must_use]
    pub fn of(record: &RecordRef<'_>) -> Option<Self> {
        let (version, rest) = record.key?.split_first_chunk()?;
        let (control_type, _) = rest.split_first_chunk()?;
        if i16::from_be_bytes(*version) < 0 {
            return None;
        }
        // Later versions of the key may only add to it.
        Some(match i16::from_be_bytes(*control_type) {
            0 => Self::Abort,
            1 => Self::Commit,
            other => Self::Other(other),
        })
    }
}

impl EndTransactionMarker {
    /// Reads the value of a transaction marker; `None` if it is too short or its version negative.
    #[must_use]
    pub fn of(record: &RecordRef<'_>) -> Option<Self> {
        let (version, rest) = record.value?.split_first_chunk()?;
        let (coordinator_epoch, _) = rest.split_first_chunk()?;
        if i16::from_be_bytes(*version) < 0 {
            return None;
        }
        Some(Self { coordinator_epoch: i32::from_be_bytes(*coordinator_epoch) })
    }
}
