//! What the listener knows of the assignment, and what it is still to be told.
//!
//! A plain value. Calls are made by polls, see [`tell`](super::tell); until one is over it is still due.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Called, Consumer, RebalanceListener};
use crate::TopicPartition;

/// The listener, if there is one, and where it lags behind the group.
#[derive(Default)]
pub(super) struct Listening {
    listener: Option<Arc<dyn RebalanceListener>>,
    /// What it believes to be assigned.
    told: BTreeSet<TopicPartition>,
    /// What came and it was not told of, if there was a rebalance.
    assigned: Option<BTreeSet<TopicPartition>>,
    /// What was lost and it was not told of.
    lost: BTreeSet<TopicPartition>,
    /// What waits for it in order to go; None where nothing is to go.
    revoking: Option<BTreeSet<TopicPartition>>,
    /// All is given up: what still comes is of no interest.
    is_parting: bool,
}

/// What a listener is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    Assigned,
    Lost,
    Revoked,
}

/// A call that is due.
#[derive(Clone)]
pub(super) struct Call {
    listener: Arc<dyn RebalanceListener>,
    pub(super) event: Event,
    pub(super) partitions: Vec<TopicPartition>,
}

impl Listening {
    /// Tells this one from now on.
    pub(super) fn listen(&mut self, listener: Option<Arc<dyn RebalanceListener>>) {
        self.listener = listener;
        if self.listener.is_none() {
            self.told.extend(self.assigned.take().into_iter().flatten());
            self.lost.clear();
            self.revoking = self.revoking.take().map(|_| BTreeSet::new());
        }
    }

    /// Whether anybody listens.
    pub(super) fn is_heard(&self) -> bool {
        self.listener.is_some()
    }

    /// A rebalance ended, and these partitions came by it.
    pub(super) fn assigned(&mut self, added: BTreeSet<TopicPartition>) {
        if self.is_parting {
            return;
        }
        match (&self.listener, &mut self.assigned) {
            (None, _) => self.told.extend(added),
            (Some(_), Some(assigned)) => assigned.extend(added),
            (Some(_), None) => self.assigned = Some(added),
        }
    }

    /// These partitions are not this member's any more.
    pub(super) fn lost(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            // What it never knew of, it does not miss.
            if self.told.remove(partition) && self.listener.is_some() {
                self.lost.insert(partition.clone());
            }
            if let Some(assigned) = &mut self.assigned {
                assigned.remove(partition);
            }
        }
    }

    /// These partitions are to go: they wait for the listener, as far as it knows of them.
    pub(super) fn revoke(&mut self, going: &BTreeSet<TopicPartition>) {
        let known = match self.listener {
            Some(_) => going.intersection(&self.told).cloned().collect(),
            None => BTreeSet::new(),
        };
        self.revoking = Some(known);
    }

    pub(super) fn is_revoking(&self) -> bool {
        self.revoking.is_some()
    }

    /// Whether partitions that are to go wait for the listener.
    pub(super) fn must_revoke(&self) -> bool {
        self.revoking.as_ref().is_some_and(|revoking| !revoking.is_empty())
    }

    /// Nothing is to go.
    pub(super) fn keep(&mut self) {
        if !self.is_parting {
            self.revoking = None;
        }
    }

    /// These partitions went in good order.
    pub(super) fn revoked(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.told.remove(partition);
            if let Some(assigned) = &mut self.assigned {
                assigned.remove(partition);
            }
        }
        self.keep();
    }

    /// All is to go: in good order, or because it is lost.
    pub(super) fn part(&mut self, in_order: bool) {
        self.assigned = None;
        self.is_parting = true;
        if in_order {
            let told = self.told.clone();
            self.revoke(&told);
        } else {
            self.revoking = None;
            let told: Vec<_> = self.told.iter().cloned().collect();
            self.lost(&told);
        }
    }

    /// Nothing is assigned, and nobody listens.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Nothing is to be handed out of a partition that the listener was not told of.
    pub(super) fn is_untold(&self, partition: &TopicPartition) -> bool {
        self.assigned.as_ref().is_some_and(|assigned| assigned.contains(partition))
    }

    /// Whether there is a call to make.
    pub(super) fn is_due(&self) -> bool {
        self.listener.is_some() && (!self.lost.is_empty() || self.must_revoke() || self.assigned.is_some())
    }

    /// The call to make first. It is over with [`ended`](Self::ended).
    pub(super) fn begin(&mut self) -> Option<Call> {
        let listener = self.listener.clone()?;
        let revoking = self.revoking.as_ref().filter(|revoking| !revoking.is_empty());
        let (event, partitions) = match (revoking, &self.assigned) {
            _ if !self.lost.is_empty() => (Event::Lost, &self.lost),
            (Some(revoking), _) => (Event::Revoked, revoking),
            (None, Some(assigned)) => {
                // If they are lost while it hears of them, it is to hear of that as well.
                self.told.extend(assigned.iter().cloned());
                (Event::Assigned, assigned)
            }
            (None, None) => return None,
        };
        Some(Call { listener, event, partitions: partitions.iter().cloned().collect() })
    }

    /// The listener has heard it all.
    pub(super) fn ended(&mut self, call: &Call) {
        for partition in &call.partitions {
            match call.event {
                Event::Assigned => {
                    if let Some(assigned) = &mut self.assigned {
                        assigned.remove(partition);
                    }
                }
                Event::Lost => {
                    self.lost.remove(partition);
                }
                Event::Revoked => {
                    self.told.remove(partition);
                    // Lost meanwhile: it has given them up already.
                    self.lost.remove(partition);
                    if let Some(revoking) = &mut self.revoking {
                        revoking.remove(partition);
                    }
                }
            }
        }
        if call.event == Event::Assigned && self.assigned.as_ref().is_some_and(BTreeSet::is_empty) {
            self.assigned = None;
        }
    }
}

impl Call {
    pub(super) fn run<'a>(&'a self, consumer: &'a Consumer) -> Called<'a> {
        match self.event {
            Event::Assigned => self.listener.on_partitions_assigned(consumer, &self.partitions),
            Event::Lost => self.listener.on_partitions_lost(consumer, &self.partitions),
            Event::Revoked => self.listener.on_partitions_revoked(consumer, &self.partitions),
        }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening")
            .field("told", &self.told)
            .field("assigned", &self.assigned)
            .field("lost", &self.lost)
            .field("revoking", &self.revoking)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("event", &self.event).field("partitions", &self.partitions).finish_non_exhaustive()
    }
}
