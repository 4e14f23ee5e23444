//! What polls handed out and the application has not acknowledged for good.

use std::collections::BTreeMap;

use super::acknowledge::{AcknowledgeType, Acknowledgements, TopicIdPartition};
use super::delivery::{Read, only};
use super::runs::Runs;
use crate::TopicPartition;
use crate::consume::Part;

type Key = (TopicIdPartition, i32);

/// Records in the application's hands, by partition and by the broker that delivered them.
#[derive(Debug, Default)]
pub(super) struct Handed {
    lots: BTreeMap<Key, Lot>,
    /// Being renewed: not in the application's hands until the broker says so.
    renewing: BTreeMap<Key, Renewing>,
    /// Renewed: to be handed out again.
    renewed: Vec<(Key, Vec<Part>)>,
    /// Whether records are kept, so that they can be renewed.
    keeps: bool,
}

#[derive(Debug, Default)]
struct Lot {
    unacknowledged: Runs<()>,
    acks: Runs<i8>,
    parts: Vec<Part>,
}

#[derive(Debug, Default)]
struct Renewing {
    offsets: Runs<()>,
    parts: Vec<Part>,
}

impl Handed {
    pub(super) fn new(keeps: bool) -> Self {
        Self { keeps, ..Self::default() }
    }

    /// These records are handed out now; what is known without the user goes with their acknowledgements.
    pub(super) fn add(&mut self, broker: i32, partition: &TopicIdPartition, read: &Read) {
        let lot = self.lots.entry((partition.clone(), broker)).or_default();
        lot.unacknowledged.extend(&read.handed_out);
        lot.acks.extend(&read.acks);
        if self.keeps {
            lot.parts.extend(read.parts.iter().cloned());
        }
    }

    /// False if the record is not in the application's hands. It may be there more than once: from a leader and from the
    /// one before.
    pub(super) fn acknowledge(&mut self, partition: &TopicPartition, offset: i64, kind: AcknowledgeType) -> bool {
        let mut any = false;
        for ((known, _), lot) in &mut self.lots {
            let is_new = lot.unacknowledged.get(offset).is_some();
            let may_change = lot.acks.get(offset).is_some_and(|kind| kind > 0);
            if known.topic_partition == *partition && (is_new || may_change) {
                lot.unacknowledged.remove(offset, offset);
                lot.acks.insert(offset, offset, kind.to_wire());
                any = true;
            }
        }
        any
    }

    pub(super) fn accept_all(&mut self) {
        for lot in self.lots.values_mut() {
            lot.acks.extend(&lot.unacknowledged.with(AcknowledgeType::Accept.to_wire()));
            lot.unacknowledged = Runs::default();
        }
    }

    /// The first record, if any, that was not acknowledged.
    pub(super) fn unacknowledged(&self) -> Option<(&TopicPartition, i64)> {
        self.lots.iter().find_map(|((partition, _), lot)| {
            lot.unacknowledged.iter().next().map(|(first, ..)| (&partition.topic_partition, first))
        })
    }

    /// What was acknowledged since the last call, by the broker that delivered it.
    pub(super) fn take(&mut self) -> BTreeMap<i32, Acknowledgements> {
        let mut taken: BTreeMap<i32, Acknowledgements> = BTreeMap::new();
        for (key, lot) in &mut self.lots {
            let acks = std::mem::take(&mut lot.acks);
            if acks.is_empty() {
                continue;
            }
            let offsets = renewals(&acks);
            if !offsets.is_empty() {
                let renewing = self.renewing.entry(key.clone()).or_default();
                renewing.parts.extend(only(&lot.parts, &offsets));
                renewing.offsets.extend(&offsets);
            }
            taken.entry(key.1).or_default().insert(key.0.clone(), acks);
        }
        self.lots.retain(|_, lot| !lot.unacknowledged.is_empty());
        taken
    }

    /// The broker answered. True if records became renewed, or were the last to wait for.
    pub(super) fn acknowledged(
        &mut self,
        broker: i32,
        partition: &TopicIdPartition,
        acks: &Runs<i8>,
        ok: bool,
    ) -> bool {
        let mut offsets = renewals(acks);
        let key = (partition.clone(), broker);
        let Some(renewing) = self.renewing.get_mut(&key).filter(|_| !offsets.is_empty()) else { return false };
        renewing.offsets.subtract(&offsets);
        if ok {
            self.renewed.push((key.clone(), only(&renewing.parts, &offsets)));
        }
        offsets = renewing.offsets.clone();
        if offsets.is_empty() {
            self.renewing.remove(&key);
        }
        true
    }

    /// Whether records are being renewed, or to be handed out again: no others are handed out before.
    pub(super) fn has_renewals(&self) -> bool {
        self.is_renewing() || !self.renewed.is_empty()
    }

    pub(super) fn is_renewing(&self) -> bool {
        !self.renewing.is_empty()
    }

    /// Hands out again what was renewed.
    pub(super) fn take_renewed(&mut self) -> Vec<Part> {
        let mut all = Vec::new();
        for ((partition, broker), parts) in std::mem::take(&mut self.renewed) {
            let mut read = Read { parts: parts.clone(), ..Read::default() };
            for record in parts.iter().flat_map(Part::records) {
                read.handed_out.insert(record.offset(), record.offset(), ());
            }
            self.add(broker, &partition, &read);
            all.extend(parts);
        }
        all
    }
}

pub(super) fn renewals(acks: &Runs<i8>) -> Runs<()> {
    let mut offsets = Runs::default();
    for (first, last, _) in acks.iter().filter(|(.., kind)| *kind == AcknowledgeType::Renew.to_wire()) {
        offsets.insert(first, last, ());
    }
    offsets
}
