//! Where `--exit-at-end` ends: at the end that each partition had when it became ours. To one who reads committed records
//! that is where the first open transaction begins.

use std::collections::BTreeMap;

use ottla::{Consumer, Error, Records, TopicPartition};

/// The ends of the partitions that are being read.
#[derive(Debug, Default)]
pub(super) struct End {
    /// None once it was reached.
    ends: BTreeMap<TopicPartition, Option<i64>>,
    /// Positions are looked at when that can tell something new: records before an end may be gone, or not be for us.
    look: bool,
}

impl End {
    /// Takes note of what a poll handed out, and passed over.
    pub(super) fn saw(&mut self, records: &Records) {
        for (of, next) in records.next_offsets() {
            if let Some(end) = self.ends.get_mut(&of)
                && end.is_some_and(|end| next.offset >= end)
            {
                *end = None;
            }
        }
    }

    /// Takes note that a poll brought nothing.
    pub(super) fn nothing_came(&mut self) {
        self.look = true;
    }

    /// Whether everything was read that was there. Not while a group has given us nothing.
    pub(super) async fn is_reached(&mut self, consumer: &Consumer) -> Result<bool, Error> {
        let assignment = consumer.assignment();
        self.ends.retain(|of, _| assignment.contains(of));
        let new: Vec<_> = assignment.iter().filter(|of| !self.ends.contains_key(*of)).cloned().collect();
        if !new.is_empty() {
            self.look = true;
            self.ends.extend(consumer.end_offsets(&new).await?.into_iter().map(|(of, end)| (of, Some(end))));
        }
        if std::mem::take(&mut self.look) {
            for (of, open) in &mut self.ends {
                let Some(end) = *open else { continue };
                match consumer.position(of).await {
                    Ok(position) if position >= end => *open = None,
                    Ok(_) => {}
                    // It was taken from us meanwhile.
                    Err(_) if !consumer.assignment().contains(of) => *open = None,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(!self.ends.is_empty() && self.ends.values().all(Option::is_none))
    }
}
