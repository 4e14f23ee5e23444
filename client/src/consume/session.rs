//! A broker's memory of what a consumer fetches (KIP-227): a fetch then names only what changed since the one before,
//! and an answer only the partitions that have news.
//!
//! ```text
//! none ── full fetch, epoch 0 ──► an id ──► open: epochs 1, 2, …  ── epoch -1 ──► none
//!   ▲                              └ 0: the broker keeps no more     │
//!   └─────────── refused, or the answer was lost ◄──────────────────┘
//! ```
//!
//! Each loop that fetches has one, for its fetches that wait, of which there is one at a time. Refills stay outside:
//! they run beside those, and epochs allow one fetch after the other alone.

use std::cmp::Ordering;
use std::sync::Arc;

use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use ottla_wire::messages::{FetchRequest, FetchResponse};
use ottla_wire::{Code, Uuid};

use super::fetch::Asked;
use crate::TopicPartition;

/// Of a fetch without a session, and of one that ends its session.
const FINAL_EPOCH: i32 = -1;
/// Of a fetch that names all partitions.
const FULL_EPOCH: i32 = 0;

/// What the broker remembers, as far as this side knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// 0 where there is none.
    id: i32,
    /// That of the next fetch.
    epoch: i32,
    /// Whether its topics go by their ids.
    by_ids: bool,
    /// What the last fetch asked for, sorted.
    known: Arc<[Asked]>,
}

/// What a fetch says beside its limits.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) id: i32,
    pub(super) epoch: i32,
    pub(super) topics: Vec<FetchTopic>,
    pub(super) forgotten: Vec<ForgottenTopic>,
}

/// What an answer says of the partitions that it leaves out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LeftOut {
    /// Each was to be answered: something is wrong with the answer.
    Missing,
    /// There is nothing new in them.
    Unchanged,
    /// The broker does not know the session: nothing was looked at. The next fetch names all again.
    Unasked,
}

impl Session {
    /// A fetch of `asked`, which is sorted.
    pub(super) fn fetch(&self, asked: &[Asked], by_ids: bool, partition_bytes: i32) -> Parts {
        let mut parts = Parts { id: self.id, epoch: self.epoch, topics: Vec::new(), forgotten: Vec::new() };
        if self.is_full(by_ids) {
            parts.epoch = FULL_EPOCH;
            asked.iter().for_each(|asked| add(&mut parts.topics, asked, partition_bytes));
            return parts;
        }
        changes(&self.known, asked, by_ids, |change| match change {
            Change::Forget(known) => forget(&mut parts.forgotten, known),
            Change::Send(asked) => add(&mut parts.topics, asked, partition_bytes),
        });
        parts
    }

    /// A fetch of `asked` outside of any session.
    pub(super) fn without(asked: &[Asked], partition_bytes: i32) -> Parts {
        let mut parts = Parts { id: 0, epoch: FINAL_EPOCH, topics: Vec::new(), forgotten: Vec::new() };
        asked.iter().for_each(|asked| add(&mut parts.topics, asked, partition_bytes));
        parts
    }

    /// Whether the next fetch names all partitions.
    fn is_full(&self, by_ids: bool) -> bool {
        // A session that names topics does not change to ids, nor the other way round.
        self.epoch == FULL_EPOCH || self.by_ids != by_ids
    }

    /// Follows the answer to the fetch of `asked`.
    pub(super) fn on_answer(&mut self, asked: &Arc<[Asked]>, by_ids: bool, response: &FetchResponse) -> LeftOut {
        let was_full = self.is_full(by_ids);
        let code = response.error_code;
        if !code.is_none() {
            self.start_over();
            if code == Code::FetchSessionIdNotFound {
                self.id = 0;
            }
            return if !was_full && is_refusal(code) { LeftOut::Unasked } else { LeftOut::Missing };
        }
        if response.session_id == 0 {
            // The broker has no room for it, or ended it with this answer.
            *self = Self::default();
        } else if was_full || response.session_id == self.id {
            self.id = response.session_id;
            self.epoch = if was_full { 1 } else { self.epoch.checked_add(1).unwrap_or(1) };
            self.by_ids = by_ids;
            self.known = asked.clone();
        } else {
            self.start_over();
        }
        if was_full { LeftOut::Missing } else { LeftOut::Unchanged }
    }

    /// Nobody knows what became of the last fetch, or the broker remembers something else: the next names all.
    pub(super) fn start_over(&mut self) {
        self.epoch = FULL_EPOCH;
        self.known = Arc::default();
    }

    /// The fetch that ends it, if there is one.
    pub(super) fn end(self) -> Option<FetchRequest> {
        (self.id != 0).then(|| FetchRequest {
            session_id: self.id,
            session_epoch: FINAL_EPOCH,
            ..FetchRequest::default()
        })
    }
}

/// Whether a broker says so of the session, and not of the fetch.
fn is_refusal(code: Code) -> bool {
    matches!(code, Code::FetchSessionIdNotFound | Code::InvalidFetchSessionEpoch | Code::FetchSessionTopicIdError)
}

enum Change<'a> {
    Forget(&'a Asked),
    Send(&'a Asked),
}

/// What makes `asked` of `known`, both sorted.
fn changes<'a>(known: &'a [Asked], asked: &'a [Asked], by_ids: bool, mut tell: impl FnMut(Change<'a>)) {
    let (mut known, mut asked) = (known.iter().peekable(), asked.iter().peekable());
    loop {
        let order = match (known.peek(), asked.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => compare(&old.partition, &new.partition),
        };
        match order {
            Ordering::Less => known.next().into_iter().for_each(|old| tell(Change::Forget(old))),
            Ordering::Greater => asked.next().into_iter().for_each(|new| tell(Change::Send(new))),
            Ordering::Equal => {
                let (Some(old), Some(new)) = (known.next(), asked.next()) else { return };
                if by_ids && old.topic_id != new.topic_id {
                    // Another topic of that name (edge 50).
                    tell(Change::Forget(old));
                    tell(Change::Send(new));
                } else if (old.offset, old.leader_epoch) != (new.offset, new.leader_epoch) {
                    tell(Change::Send(new));
                }
            }
        }
    }
}

/// Most partitions stay, under the name that they were assigned by.
fn compare(old: &TopicPartition, new: &TopicPartition) -> Ordering {
    if Arc::ptr_eq(&old.topic, &new.topic) { old.partition.cmp(&new.partition) } else { old.cmp(new) }
}

fn add(topics: &mut Vec<FetchTopic>, asked: &Asked, partition_bytes: i32) {
    let partition = FetchPartition {
        partition: asked.partition.partition,
        current_leader_epoch: asked.leader_epoch,
        fetch_offset: asked.offset,
        partition_max_bytes: partition_bytes,
        ..FetchPartition::default()
    };
    match topics.last_mut().filter(|topic| is_of(asked, &topic.topic, topic.topic_id)) {
        Some(topic) => topic.partitions.push(partition),
        None => topics.push(FetchTopic {
            topic: (&*asked.partition.topic).into(),
            topic_id: asked.topic_id,
            partitions: vec![partition],
        }),
    }
}

fn forget(topics: &mut Vec<ForgottenTopic>, known: &Asked) {
    match topics.last_mut().filter(|topic| is_of(known, &topic.topic, topic.topic_id)) {
        Some(topic) => topic.partitions.push(known.partition.partition),
        None => topics.push(ForgottenTopic {
            topic: (&*known.partition.topic).into(),
            topic_id: known.topic_id,
            partitions: vec![known.partition.partition],
        }),
    }
}

fn is_of(asked: &Asked, topic: &str, id: Uuid) -> bool {
    *topic == *asked.partition.topic && id == asked.topic_id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(partitions: &[(&str, u8, i32, i64)]) -> Arc<[Asked]> {
        let one = |(topic, id, partition, offset): &(&str, u8, i32, i64)| Asked {
            partition: TopicPartition::new(*topic, *partition),
            topic_id: Uuid([*id; 16]),
            stamp: 1,
            offset: *offset,
            leader_epoch: 4,
            is_follower: false,
        };
        partitions.iter().map(one).collect()
    }

    fn answer(session_id: i32, error_code: Code) -> FetchResponse {
        FetchResponse { session_id, error_code, ..FetchResponse::default() }
    }

    /// An open session of these partitions, with id 9.
    fn open(partitions: &Arc<[Asked]>, by_ids: bool) -> Session {
        let mut session = Session::default();
        let full = session.fetch(partitions, by_ids, 1);
        assert_eq!((full.id, full.epoch), (0, 0));
        assert_eq!(sent(&full).len(), partitions.len());
        assert_eq!(session.on_answer(partitions, by_ids, &answer(9, Code::None)), LeftOut::Missing);
        session
    }

    fn sent(parts: &Parts) -> Vec<(String, i32, i64)> {
        let of = |topic: &FetchTopic| {
            let name = topic.topic.to_string();
            topic.partitions.iter().map(move |asked| (name.clone(), asked.partition, asked.fetch_offset)).collect()
        };
        parts.topics.iter().flat_map(of as fn(&FetchTopic) -> Vec<_>).collect()
    }

    fn forgotten(parts: &Parts) -> Vec<(String, u8, Vec<i32>)> {
        let one = |topic: &ForgottenTopic| (topic.topic.to_string(), topic.topic_id.0[0], topic.partitions.clone());
        parts.forgotten.iter().map(one).collect()
    }

    #[test]
    fn after_a_full_fetch_only_what_changed_is_named() {
        let first = asked(&[("a", 1, 0, 10), ("a", 1, 1, 10), ("b", 2, 0, 10), ("c", 3, 0, 10)]);
        let mut session = open(&first, true);
        let second = asked(&[("a", 1, 0, 10), ("a", 1, 1, 15), ("b", 2, 1, 0), ("c", 3, 0, 10)]);
        let parts = session.fetch(&second, true, 1);
        assert_eq!((parts.id, parts.epoch), (9, 1));
        assert_eq!(sent(&parts), [("a".to_owned(), 1, 15), ("b".to_owned(), 1, 0)]);
        assert_eq!(forgotten(&parts), [("b".to_owned(), 2, vec![0])]);
        assert_eq!(session.on_answer(&second, true, &answer(9, Code::None)), LeftOut::Unchanged);
        let parts = session.fetch(&second, true, 1);
        assert_eq!((parts.epoch, parts.topics.len(), parts.forgotten.len()), (2, 0, 0));
    }

    #[test]
    fn ten_thousand_idle_partitions_take_no_byte_of_a_request() {
        let many: Vec<_> = (0..10_000).map(|partition| ("a", 1, partition, 7)).collect();
        let session = open(&asked(&many), true);
        let parts = session.fetch(&asked(&many), true, 1);
        assert!(parts.topics.is_empty() && parts.forgotten.is_empty());
    }

    /// edge 46
    #[test]
    fn a_session_that_the_broker_refuses_starts_over_with_all_partitions() {
        let all = asked(&[("a", 1, 0, 10), ("a", 1, 1, 10)]);
        for (code, id) in [
            (Code::FetchSessionIdNotFound, 0),
            (Code::InvalidFetchSessionEpoch, 9),
            (Code::FetchSessionTopicIdError, 9),
        ] {
            let mut session = open(&all, true);
            assert_eq!(session.on_answer(&all, true, &answer(0, code)), LeftOut::Unasked, "{code}");
            let parts = session.fetch(&all, true, 1);
            assert_eq!((parts.id, parts.epoch, sent(&parts).len()), (id, 0, 2), "{code}");
            assert_eq!(session.on_answer(&all, true, &answer(0, code)), LeftOut::Missing, "no fetch at once again");
        }
    }

    /// edge 46
    #[test]
    fn after_a_lost_answer_all_partitions_are_named_again() {
        let all = asked(&[("a", 1, 0, 10)]);
        let mut session = open(&all, true);
        session.start_over();
        let parts = session.fetch(&all, true, 1);
        assert_eq!((parts.id, parts.epoch, sent(&parts).len()), (9, 0, 1), "the old one is ended by it");
        session.on_answer(&all, true, &answer(11, Code::None));
        assert_eq!((session.id, session.epoch), (11, 1));
    }

    #[test]
    fn a_broker_that_keeps_no_sessions_is_told_all_each_time() {
        let all = asked(&[("a", 1, 0, 10)]);
        let mut session = Session::default();
        for _ in 0..3 {
            let parts = session.fetch(&all, true, 1);
            assert_eq!((parts.id, parts.epoch, sent(&parts).len()), (0, 0, 1));
            assert_eq!(session.on_answer(&all, true, &answer(0, Code::None)), LeftOut::Missing);
        }
        assert!(session.end().is_none());
        let mut session = open(&all, true);
        assert_eq!(session.on_answer(&all, true, &answer(0, Code::None)), LeftOut::Unchanged, "it ended with this");
        assert_eq!(sent(&session.fetch(&all, true, 1)).len(), 1);
    }

    /// edge 50
    #[test]
    fn a_topic_created_anew_is_forgotten_under_its_old_id() {
        let session = open(&asked(&[("a", 1, 0, 10)]), true);
        let parts = session.fetch(&asked(&[("a", 2, 0, 10)]), true, 1);
        assert_eq!(forgotten(&parts), [("a".to_owned(), 1, vec![0])]);
        assert_eq!(parts.topics[0].topic_id, Uuid([2; 16]));
    }

    #[test]
    fn a_change_between_names_and_ids_starts_over() {
        let all = asked(&[("a", 1, 0, 10)]);
        let session = open(&all, false);
        let parts = session.fetch(&all, true, 1);
        assert_eq!((parts.id, parts.epoch, sent(&parts).len()), (9, 0, 1));
        assert_eq!(session.fetch(&all, false, 1).epoch, 1);
    }

    #[test]
    fn it_ends_with_a_fetch_of_nothing() {
        let end = open(&asked(&[("a", 1, 0, 10)]), true).end().unwrap();
        assert_eq!((end.session_id, end.session_epoch, end.topics.len()), (9, -1, 0));
    }

    #[test]
    fn epochs_go_on_behind_the_last_number() {
        let all = asked(&[("a", 1, 0, 10)]);
        let mut session = Session { epoch: i32::MAX, ..open(&all, true) };
        session.on_answer(&all, true, &answer(9, Code::None));
        assert_eq!(session.epoch, 1);
    }
}
