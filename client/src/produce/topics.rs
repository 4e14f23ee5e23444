//! The topics that were sent to, and their partitions' slots: looked at for every record, changed rarely.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::batch::Slot;
use super::partition::{self, Sticky};
use crate::cluster::Topic;

/// One topic and the slots of its partitions.
#[derive(Debug)]
pub(super) struct TopicSlots {
    /// Index = partition. Never empty.
    pub(super) slots: Vec<Arc<Slot>>,
    /// Partitions with a leader.
    pub(super) available: Arc<[i32]>,
    /// Those of them whose leader is not avoided, or all of them if every one is: for records that may go anywhere.
    candidates: Arc<[i32]>,
    pub(super) sticky: Sticky,
    /// When it was last sent to, in milliseconds since 1970.
    used: AtomicI64,
}

impl TopicSlots {
    /// A partition for records that may go anywhere; `adaptive`: rather one for which few batches wait.
    pub(super) fn choose(&self, adaptive: bool, random: &mut fastrand::Rng) -> usize {
        let chosen = if adaptive {
            partition::choose(&self.candidates, |partition| self.slots[partition as usize].waiting(), random)
        } else {
            random.choice(&*self.candidates).copied()
        };
        match chosen {
            Some(partition) => partition as usize,
            None => random.usize(..self.slots.len()),
        }
    }

    /// Notes that it was sent to at `now`. Written rarely: all callers share the line of memory.
    pub(super) fn touch(&self, now: i64) {
        if now - self.used.load(Ordering::Relaxed) >= 1_000 {
            self.used.store(now, Ordering::Relaxed);
        }
    }
}

type Table = HashMap<Arc<str>, Arc<TopicSlots>, foldhash::fast::FixedState>;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Topics {
    table: ArcSwap<Table>,
    /// Held while the table is replaced.
    known: Mutex<Known>,
    next_index: AtomicUsize,
}

#[derive(Debug, Default)]
struct Known {
    /// Every slot there ever was, by topic and partition. A slot lasts as long as the producer, even if its topic is
    /// forgotten: its sequence numbers must go on.
    slots: BTreeMap<Arc<str>, Vec<Arc<Slot>>>,
    /// Brokers whose partitions get no record that may go elsewhere.
    avoided: BTreeSet<i32>,
}

impl Topics {
    /// Runs `found` with the topic, if it is known.
    #[inline]
    pub(super) fn with<T>(&self, topic: &str, found: impl FnOnce(&TopicSlots) -> T) -> Option<T> {
        self.table.load().get(topic).map(|topic| found(topic))
    }

    /// Avoids these brokers, from the next time on that each topic is learned.
    pub(super) fn avoid(&self, brokers: BTreeSet<i32>) {
        self.known.lock().avoided = brokers;
    }

    /// Takes what metadata says of a topic: new topics and new partitions get slots, known ones keep theirs.
    pub(super) fn learn(&self, topic: &Topic, now: i64) {
        self.learn_all([topic], now);
    }

    /// The same of several, at once: the table is copied for all that is new in them.
    pub(super) fn learn_all<'a>(&self, topics: impl IntoIterator<Item = &'a Topic>, now: i64) {
        let mut known = self.known.lock();
        let table = self.table.load_full();
        let mut newer = None;
        for topic in topics {
            let before = table.get(topic.name.as_str());
            if let Some((name, slots)) = self.learned(&mut known, topic, before, now) {
                newer.get_or_insert_with(|| Table::clone(&table)).insert(name, Arc::new(slots));
            }
        }
        if let Some(newer) = newer {
            self.table.store(Arc::new(newer));
        }
    }

    /// A topic as it is to stand in the table, if it is another than `before`.
    fn learned(
        &self,
        known: &mut Known,
        topic: &Topic,
        before: Option<&Arc<TopicSlots>>,
        now: i64,
    ) -> Option<(Arc<str>, TopicSlots)> {
        if topic.partitions.is_empty() {
            return None;
        }
        let Known { slots, avoided } = known;
        let leaders = (0..).zip(&topic.partitions).filter_map(|(index, partition)| Some((index, partition.leader?)));
        let available: Arc<[i32]> = leaders.clone().map(|(index, _)| index).collect();
        let mut candidates = available.clone();
        if !avoided.is_empty() {
            candidates = leaders.filter(|(_, leader)| !avoided.contains(leader)).map(|(index, _)| index).collect();
        }
        if candidates.is_empty() {
            candidates = available.clone();
        }
        if before.is_some_and(|before| {
            before.slots.len() == topic.partitions.len()
                && before.available == available
                && before.candidates == candidates
        }) {
            return None;
        }
        let name = match slots.get_key_value(topic.name.as_str()) {
            Some((name, _)) => name.clone(),
            None => topic.name.as_str().into(),
        };
        let all = slots.entry(name.clone()).or_default();
        while all.len() < topic.partitions.len() {
            let index = self.next_index.fetch_add(1, Ordering::Relaxed);
            all.push(Arc::new(Slot::new(name.clone(), all.len() as i32, index)));
        }
        let slots = all[..topic.partitions.len()].to_vec();
        Some((name, TopicSlots { slots, available, candidates, sticky: Sticky::new(), used: AtomicI64::new(now) }))
    }

    /// The topics in use, sorted.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.table.load().keys().cloned().collect();
        names.sort();
        names
    }

    /// Every slot there ever was.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        self.known.lock().slots.values().flatten().cloned().collect()
    }

    /// Forgets the topics that were not sent to since `before`, and names them.
    pub(super) fn forget_unused(&self, before: i64) -> Vec<Arc<str>> {
        let _changing = self.known.lock();
        let table = self.table.load_full();
        let (kept, forgotten): (Table, Table) = table
            .iter()
            .map(|(name, topic)| (name.clone(), topic.clone()))
            .partition(|(_, topic)| topic.used.load(Ordering::Relaxed) >= before);
        if !forgotten.is_empty() {
            self.table.store(Arc::new(kept));
        }
        forgotten.into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use ottla_wire::{Code, Uuid};

    use super::*;
    use crate::cluster::Partition;

    fn topic(leaders: &[Option<i32>]) -> Topic {
        let partition = |leader: &Option<i32>| Partition {
            leader: *leader,
            leader_epoch: 0,
            replicas: Vec::new(),
            isr: Vec::new(),
            offline: Vec::new(),
        };
        Topic {
            name: "orders".into(),
            id: Uuid::ZERO,
            is_internal: false,
            partitions: leaders.iter().map(partition).collect(),
            error: Code::None,
        }
    }

    #[test]
    fn what_metadata_says_of_several_topics_is_learned_at_once() {
        let topics = Topics::default();
        let named = |name: &str| Topic { name: name.into(), ..topic(&[Some(1)]) };
        topics.learn_all(&[named("a"), named("b"), Topic { partitions: Vec::new(), ..named("c") }], 0);
        assert_eq!(topics.names(), ["a".into(), "b".into()] as [Arc<str>; 2]);
    }

    /// edge 16: more partitions are used as soon as they are known, and the old ones keep what they gathered.
    #[test]
    fn new_partitions_get_slots_and_old_ones_keep_theirs() {
        let topics = Topics::default();
        topics.learn(&topic(&[Some(1)]), 0);
        let before = topics.with("orders", |topic| topic.slots[0].clone()).unwrap();
        topics.learn(&topic(&[Some(1), Some(2)]), 0);
        let after = topics.with("orders", |topic| topic.slots.clone()).unwrap();
        assert_eq!(after.len(), 2);
        assert!(Arc::ptr_eq(&before, &after[0]));
        assert_ne!(after[0].index, after[1].index);
    }

    #[test]
    fn a_record_that_may_go_anywhere_avoids_partitions_without_a_leader() {
        let topics = Topics::default();
        let mut random = fastrand::Rng::with_seed(1);
        topics.learn(&topic(&[None, Some(1), None]), 0);
        assert_eq!(topics.with("orders", |topic| topic.choose(true, &mut random)), Some(1));
        topics.learn(&topic(&[None, None]), 0);
        assert!(topics.with("orders", |topic| topic.choose(true, &mut random)).unwrap() < 2);
    }

    #[test]
    fn partitions_of_avoided_brokers_are_chosen_only_if_there_are_no_others() {
        let topics = Topics::default();
        let mut random = fastrand::Rng::with_seed(1);
        topics.avoid([1, 2].into());
        topics.learn(&topic(&[Some(1), Some(2), Some(3)]), 0);
        for adaptive in [true, false] {
            assert_eq!(topics.with("orders", |topic| topic.choose(adaptive, &mut random)), Some(2));
        }
        assert_eq!(topics.with("orders", |topic| topic.available.to_vec()).unwrap(), [0, 1, 2]);
        topics.avoid([1, 2, 3].into());
        topics.learn(&topic(&[Some(1), Some(2), Some(3)]), 0);
        let chosen: BTreeSet<_> =
            (0..100).filter_map(|_| topics.with("orders", |topic| topic.choose(true, &mut random))).collect();
        assert_eq!(chosen, [0, 1, 2].into());
    }

    #[test]
    fn a_topic_that_nothing_is_sent_to_is_forgotten() {
        let topics = Topics::default();
        topics.learn(&topic(&[Some(1)]), 1_000);
        let slot = topics.with("orders", |topic| topic.slots[0].clone()).unwrap();
        assert!(topics.forget_unused(1_000).is_empty());
        assert_eq!(topics.forget_unused(1_001), [Arc::from("orders")]);
        assert!(topics.with("orders", |_| ()).is_none());
        topics.learn(&topic(&[Some(1)]), 2_000);
        let again = topics.with("orders", |topic| topic.slots[0].clone()).unwrap();
        assert!(Arc::ptr_eq(&slot, &again), "its sequence numbers go on");
    }
}
