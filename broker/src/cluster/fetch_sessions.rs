//! Fetch sessions (KIP-227): what clients fetch, remembered so that they need name only what changes.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::PartitionData;
use uuid::Uuid;

/// The id of no session.
pub(crate) const NO_SESSION: i32 = 0;

/// How long a session must be unused, or exist, before another may take its place.
const EVICT_AFTER: Duration = Duration::from_secs(120);

/// A partition as a fetch names it, and the topic's name as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Nil where topics are named by name.
    pub(crate) topic_id: Uuid,
    pub(crate) name: Option<TopicName>,
    pub(crate) partition: FetchPartition,
}

/// What tells one partition of a session from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Id(Uuid, i32),
    Name(TopicName, i32),
}

impl Key {
    /// A partition's key: by the topic's id if there is one.
    pub(crate) fn new(topic_id: Uuid, name: Option<&TopicName>, partition: i32) -> Self {
        match name {
            Some(name) if topic_id.is_nil() => Self::Name(name.clone(), partition),
            _ => Self::Id(topic_id, partition),
        }
    }
}

impl Wanted {
    pub(crate) fn key(&self) -> Key {
        Key::new(self.topic_id, self.name.as_ref(), self.partition.partition)
    }
}

/// A partition of a session, and what its client was last told of it.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(crate) wanted: Wanted,
    high_watermark: i64,
    log_start_offset: i64,
}

impl Remembered {
    fn new(wanted: Wanted) -> Self {
        Self { wanted, high_watermark: -1, log_start_offset: -1 }
    }

    /// Whether the client must be told `answer`; it is then what it was last told.
    fn tell(&mut self, answer: &PartitionData, record_bytes: usize) -> bool {
        let is_news = is_news_anyway(answer, record_bytes)
            || self.high_watermark != answer.high_watermark
            || self.log_start_offset != answer.log_start_offset;
        // After an error it is told again, whatever it knew before.
        self.high_watermark = if answer.error_code == 0 { answer.high_watermark } else { -1 };
        self.log_start_offset = answer.log_start_offset;
        is_news
    }
}

/// Whether an answer is news, whatever the client knew before.
pub(crate) fn is_news_anyway(answer: &PartitionData, record_bytes: usize) -> bool {
    record_bytes > 0
        || answer.error_code != 0
        || answer.preferred_read_replica.0 >= 0
        || answer.diverging_epoch.epoch >= 0
}

/// The partitions of a session, in the order in which they are read: those that had records come last.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    by_turn: BTreeMap<u64, Remembered>,
    turns: BTreeMap<Key, u64>,
    next_turn: u64,
}

impl Partitions {
    /// Adds a partition at the end, or replaces what was asked of it.
    pub(crate) fn want(&mut self, wanted: Wanted) {
        let key = wanted.key();
        match self.turns.get(&key).and_then(|turn| self.by_turn.get_mut(turn)) {
            Some(known) => known.wanted.partition = wanted.partition,
            None => self.push(key, Remembered::new(wanted)),
        }
    }

    fn push(&mut self, key: Key, partition: Remembered) {
        self.turns.insert(key, self.next_turn);
        self.by_turn.insert(self.next_turn, partition);
        self.next_turn += 1;
    }

    pub(crate) fn forget(&mut self, key: &Key) {
        if let Some(turn) = self.turns.remove(key) {
            self.by_turn.remove(&turn);
        }
    }

    /// Whether the client must be told `answer`; a partition with records goes to the end.
    fn tell(&mut self, key: &Key, answer: &PartitionData, record_bytes: usize) -> bool {
        let Some(turn) = self.turns.get(key).copied() else { return false };
        let Some(known) = self.by_turn.get_mut(&turn) else { return false };
        let is_news = known.tell(answer, record_bytes);
        if record_bytes > 0
            && let Some(known) = self.by_turn.remove(&turn)
        {
            self.push(key.clone(), known);
        }
        is_news
    }

    /// Notes what the client was told in the answer that begins the session.
    pub(crate) fn told(&mut self, key: &Key, answer: &PartitionData) {
        self.tell(key, answer, 0);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_turn.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Wanted> {
        self.by_turn.values().map(|known| &known.wanted)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Wanted> {
        self.by_turn.values_mut().map(|known| &mut known.wanted)
    }
}

/// What one client fetches from one node.
#[derive(Debug)]
pub(crate) struct Session {
    /// The epoch that the next request must have.
    pub(crate) epoch: i32,
    pub(crate) uses_topic_ids: bool,
    pub(crate) partitions: Partitions,
    began: Duration,
    last_used: Duration,
    /// The number of partitions when it was last used.
    size: usize,
}

impl Session {
    /// Whether the client must be told `answer`.
    pub(crate) fn tell(&mut self, key: &Key, answer: &PartitionData, record_bytes: usize) -> bool {
        self.partitions.tell(key, answer, record_bytes)
    }

    /// Takes note of a request: the next one must have the next epoch.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.epoch = next_epoch(self.epoch);
        self.last_used = now;
        self.size = self.partitions.len();
    }

    fn is_stale(&self, now: Duration) -> bool {
        now.saturating_sub(self.last_used) > EVICT_AFTER
    }

    /// Old enough to give way to a larger one.
    fn is_evictable(&self) -> bool {
        self.last_used.saturating_sub(self.began) > EVICT_AFTER
    }
}

/// The epoch after `epoch`: from the greatest back to 1, since 0 begins a session.
pub(crate) fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

/// The sessions of one node.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    sessions: BTreeMap<i32, Session>,
    /// The greatest number of sessions; with 0 there are none.
    pub(crate) slots: usize,
}

impl FetchSessions {
    pub(crate) fn new(slots: usize) -> Self {
        Self { sessions: BTreeMap::new(), slots }
    }

    pub(crate) fn get(&self, id: i32) -> Option<&Session> {
        self.sessions.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: i32) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: i32) {
        self.sessions.remove(&id);
    }

    pub(crate) fn clear(&mut self) {
        self.sessions.clear();
    }

    /// In order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i32, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// Begins a session and returns its id; [`NO_SESSION`] if there is no room and none gives way: the one unused for
    /// longest if that is stale, else the smallest of the old ones if it is smaller than this.
    pub(crate) fn begin(
        &mut self,
        partitions: Partitions,
        uses_topic_ids: bool,
        random: &mut fastrand::Rng,
        now: Duration,
    ) -> i32 {
        let size = partitions.len();
        if self.sessions.len() >= self.slots {
            let Some(evicted) = self.evictable(size, now) else { return NO_SESSION };
            self.sessions.remove(&evicted);
        }
        let id = loop {
            let id = random.i32(1..);
            if !self.sessions.contains_key(&id) {
                break id;
            }
        };
        let session = Session { epoch: 1, uses_topic_ids, partitions, began: now, last_used: now, size };
        self.sessions.insert(id, session);
        id
    }

    fn evictable(&self, size: usize, now: Duration) -> Option<i32> {
        if self.slots == 0 {
            return None;
        }
        let (oldest, session) = self.sessions.iter().min_by_key(|(id, session)| (session.last_used, **id))?;
        if session.is_stale(now) {
            return Some(*oldest);
        }
        let old = self.sessions.iter().filter(|(_, session)| session.is_evictable());
        let (smallest, session) = old.min_by_key(|(id, session)| (session.size, **id))?;
        (size > session.size).then_some(*smallest)
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::BrokerId;
    use kafka_protocol::protocol::StrBytes;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn wanted(partition: i32, offset: i64) -> Wanted {
        Wanted {
            topic_id: Uuid::nil(),
            name: Some(TopicName(StrBytes::from_static_str("orders"))),
            partition: FetchPartition::default().with_partition(partition).with_fetch_offset(offset),
        }
    }

    fn partitions(count: i32) -> Partitions {
        let mut partitions = Partitions::default();
        (0..count).for_each(|partition| partitions.want(wanted(partition, 0)));
        partitions
    }

    fn order(partitions: &Partitions) -> Vec<(i32, i64)> {
        partitions.iter().map(|wanted| (wanted.partition.partition, wanted.partition.fetch_offset)).collect()
    }

    fn answer(high_watermark: i64) -> PartitionData {
        PartitionData::default().with_high_watermark(high_watermark).with_log_start_offset(0)
    }

    #[test]
    fn what_is_wanted_again_is_replaced_where_it_stands() {
        let mut partitions = partitions(3);
        partitions.want(wanted(1, 7));
        partitions.forget(&wanted(0, 0).key());
        assert_eq!(order(&partitions), [(1, 7), (2, 0)]);
    }

    #[test]
    fn a_partition_with_records_goes_to_the_end() {
        let mut partitions = partitions(3);
        assert!(partitions.tell(&wanted(0, 0).key(), &answer(5), 100));
        assert!(partitions.tell(&wanted(1, 0).key(), &answer(5), 0));
        assert_eq!(order(&partitions), [(1, 0), (2, 0), (0, 0)]);
    }

    #[test]
    fn only_news_is_told() {
        let mut known = Remembered::new(wanted(0, 0));
        assert!(known.tell(&answer(5), 0), "the first answer");
        assert!(!known.tell(&answer(5), 0), "the same again");
        assert!(known.tell(&answer(6), 0), "another high watermark");
        assert!(known.tell(&answer(6).with_log_start_offset(1), 0), "another start");
        let preferred = answer(6).with_log_start_offset(1).with_preferred_read_replica(BrokerId(2));
        assert!(known.tell(&preferred, 0), "another replica to read from");
        assert!(known.tell(&answer(6).with_log_start_offset(1), 1), "records");
    }

    #[test]
    fn errors_are_always_told_and_so_is_their_end() {
        let mut known = Remembered::new(wanted(0, 0));
        known.tell(&answer(5), 0);
        let error = PartitionData::default().with_error_code(6).with_high_watermark(-1);
        assert!(known.tell(&error, 0));
        assert!(known.tell(&error, 0));
        assert!(known.tell(&answer(5), 0), "though it was 5 before");
    }

    fn full(slots: usize, size: i32, began: Duration) -> FetchSessions {
        let mut sessions = FetchSessions::new(slots);
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..slots {
            assert_ne!(sessions.begin(partitions(size), true, &mut random, began), NO_SESSION);
        }
        sessions
    }

    fn begin(sessions: &mut FetchSessions, size: i32) -> bool {
        sessions.begin(partitions(size), true, &mut fastrand::Rng::with_seed(2), NOW) != NO_SESSION
    }

    #[test]
    fn young_sessions_give_way_to_none() {
        let mut sessions = full(2, 1, NOW - Duration::from_secs(1));
        assert!(!begin(&mut sessions, 9));
        assert_eq!(sessions.iter().count(), 2);
    }

    #[test]
    fn a_stale_session_gives_way_to_any() {
        let mut sessions = full(2, 9, NOW - EVICT_AFTER - Duration::from_millis(1));
        assert!(begin(&mut sessions, 1));
        assert_eq!(sessions.iter().count(), 2);
    }

    #[test]
    fn an_old_session_in_use_gives_way_to_a_larger_one_alone() {
        let mut sessions = full(1, 2, Duration::ZERO);
        let id = sessions.iter().next().unwrap().0;
        sessions.get_mut(id).unwrap().advance(NOW);
        assert!(!begin(&mut sessions, 2));
        assert!(begin(&mut sessions, 3));
        assert!(sessions.get(id).is_none());
    }

    #[test]
    fn without_slots_there_are_no_sessions() {
        assert!(!begin(&mut FetchSessions::new(0), 1));
    }

    #[test]
    fn epochs_go_round_past_zero() {
        assert_eq!(next_epoch(1), 2);
        assert_eq!(next_epoch(i32::MAX), 1);
    }
}
