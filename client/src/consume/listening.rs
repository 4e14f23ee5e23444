//! What the listener knows of the assignment, and what it is still to be told.
//!
//! A plain value. Calls are made by polls, see [`tell`](super::tell); until one is over it is still due.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Called, Consumer, RebalanceListener};
use crate::TopicPartition;
use crate::planted::{self, Bug};

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
            if let Some(revoking) = &mut self.revoking {
                revoking.remove(partition);
            }
            self.forget(partition);
        }
    }

    /// It need not hear any more that this partition came.
    fn forget(&mut self, partition: &TopicPartition) {
        if let Some(assigned) = &mut self.assigned
            && assigned.remove(partition)
            && assigned.is_empty()
        {
            self.assigned = None;
        }
    }

    /// These partitions are to go: they wait for the listener, as far as it knows of them.
    pub(super) fn revoke(&mut self, going: &BTreeSet<TopicPartition>) {
        let known = match self.listener {
            Some(_) => going.intersection(&self.told).cloned().collect(),
            None => BTreeSet::new(),
        };
        for partition in going {
            // To hear now that it came would leave it with that.
            if !planted::has(Bug::ToldOfGoing) {
                self.forget(partition);
            }
        }
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
            self.forget(partition);
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

    /// Nothing is to be handed out of a partition that the listener was not told of, nor of any while all is given up:
    /// it hears of none that comes then.
    pub(super) fn is_untold(&self, partition: &TopicPartition) -> bool {
        self.is_parting || self.assigned.as_ref().is_some_and(|assigned| assigned.contains(partition))
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl RebalanceListener for Nobody {}

    fn partitions(numbers: &[i32]) -> Vec<TopicPartition> {
        numbers.iter().map(|number| TopicPartition::new("orders", *number)).collect()
    }

    fn set(numbers: &[i32]) -> BTreeSet<TopicPartition> {
        partitions(numbers).into_iter().collect()
    }

    fn listened() -> Listening {
        let mut listening = Listening::default();
        listening.listen(Some(Arc::new(Nobody)));
        listening
    }

    /// The calls that are due, each made and ended.
    fn calls(listening: &mut Listening) -> Vec<(Event, Vec<TopicPartition>)> {
        let mut calls = Vec::new();
        while let Some(call) = listening.begin() {
            listening.ended(&call);
            calls.push((call.event, call.partitions));
        }
        assert!(!listening.is_due());
        calls
    }

    #[test]
    fn what_came_is_withheld_until_the_listener_has_heard_of_it_even_if_that_is_nothing() {
        let mut listening = listened();
        listening.assigned(set(&[0, 1]));
        assert!(listening.is_untold(&partitions(&[1])[0]));
        assert_eq!(calls(&mut listening), [(Event::Assigned, partitions(&[0, 1]))]);
        assert!(!listening.is_untold(&partitions(&[1])[0]));
        listening.assigned(set(&[]));
        assert_eq!(calls(&mut listening), [(Event::Assigned, vec![])]);
    }

    #[test]
    fn without_a_listener_nothing_is_withheld_and_nothing_waits() {
        let mut listening = Listening::default();
        listening.assigned(set(&[0]));
        assert!(!listening.is_untold(&partitions(&[0])[0]) && !listening.is_due());
        listening.revoke(&set(&[0]));
        assert!(listening.is_revoking() && !listening.must_revoke());
        // One that comes later knows what there was.
        listening.listen(Some(Arc::new(Nobody)));
        listening.revoke(&set(&[0]));
        assert_eq!(calls(&mut listening), [(Event::Revoked, partitions(&[0]))]);
    }

    #[test]
    fn what_it_never_heard_of_goes_without_a_word() {
        let mut listening = listened();
        listening.assigned(set(&[0, 1]));
        listening.lost(&partitions(&[0, 1]));
        assert_eq!(calls(&mut listening), []);
        listening.assigned(set(&[2]));
        listening.revoke(&set(&[2]));
        assert!(!listening.must_revoke());
        listening.revoked(&partitions(&[2]));
        assert_eq!(calls(&mut listening), []);
    }

    #[test]
    fn what_goes_before_it_heard_of_it_is_never_told_to_have_come() {
        let mut listening = listened();
        listening.assigned(set(&[0, 1]));
        listening.revoke(&set(&[0]));
        // The commit is on its way; a poll has the listener called meanwhile.
        listening.keep();
        assert_eq!(calls(&mut listening), [(Event::Assigned, partitions(&[1]))]);
        listening.revoked(&partitions(&[0]));
        assert_eq!(calls(&mut listening), []);
    }

    #[test]
    fn what_is_lost_while_it_hears_of_it_is_told_afterwards() {
        let mut listening = listened();
        listening.assigned(set(&[0]));
        let call = listening.begin().unwrap();
        listening.lost(&call.partitions);
        listening.ended(&call);
        assert_eq!(calls(&mut listening), [(Event::Lost, partitions(&[0]))]);
    }

    #[test]
    fn what_is_lost_while_it_gives_it_up_is_not_told_twice() {
        let mut listening = listened();
        listening.assigned(set(&[0]));
        calls(&mut listening);
        listening.revoke(&set(&[0]));
        let call = listening.begin().unwrap();
        listening.lost(&call.partitions);
        listening.ended(&call);
        listening.keep();
        assert_eq!(calls(&mut listening), []);
    }

    #[test]
    fn what_is_lost_before_it_could_be_revoked_is_told_once() {
        let mut listening = listened();
        listening.assigned(set(&[0, 1]));
        calls(&mut listening);
        listening.part(true);
        listening.begin();
        listening.lost(&partitions(&[0]));
        assert_eq!(calls(&mut listening), [(Event::Lost, partitions(&[0])), (Event::Revoked, partitions(&[1]))]);
    }

    #[test]
    fn what_comes_while_all_is_given_up_is_withheld_to_the_end() {
        let mut listening = listened();
        listening.assigned(set(&[0, 1]));
        calls(&mut listening);
        listening.assigned(set(&[2]));
        listening.part(true);
        listening.assigned(set(&[3]));
        assert_eq!(calls(&mut listening), [(Event::Revoked, partitions(&[0, 1]))]);
        assert!(set(&[2, 3]).iter().all(|partition| listening.is_untold(partition)));
    }

    #[test]
    fn a_call_that_did_not_end_is_due_again_and_losses_come_first() {
        let mut listening = listened();
        listening.assigned(set(&[0, 1]));
        calls(&mut listening);
        listening.assigned(set(&[2]));
        listening.begin();
        listening.lost(&partitions(&[0]));
        let expected = [(Event::Lost, partitions(&[0])), (Event::Assigned, partitions(&[2]))];
        assert_eq!(calls(&mut listening), expected);
    }
}
