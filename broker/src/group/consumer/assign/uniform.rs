//! The assignor `uniform`: even shares, and as few partitions moved as can be.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Subscriber, Topic};

/// How often all topics are gone through for a better balance.
const MAX_ROUNDS: usize = 16;

/// Targets of subscribers that all subscribe to the same, in their order: no two differ by more than one partition.
pub(super) fn assign_alike(subscribers: &[Subscriber]) -> Vec<BTreeSet<(Uuid, i32)>> {
    let Some(first) = subscribers.first() else { return Vec::new() };
    let all: Vec<(Uuid, i32)> = first.topics.iter().flat_map(partitions).collect();
    let quota = all.len() / subscribers.len();
    let mut extras = all.len() % subscribers.len();
    let mut unassigned: Vec<(Uuid, i32)> = Vec::new();
    let mut targets = Vec::with_capacity(subscribers.len());
    let mut missing = Vec::with_capacity(subscribers.len());
    let is_there: BTreeSet<(Uuid, i32)> = all.iter().copied().collect();
    let held: BTreeSet<(Uuid, i32)> =
        subscribers.iter().flat_map(|subscriber| subscriber.target.iter().copied()).collect();
    unassigned.extend(all.iter().filter(|partition| !held.contains(partition)));
    for (index, subscriber) in subscribers.iter().enumerate() {
        let mut kept: Vec<(Uuid, i32)> = subscriber.target.intersection(&is_there).copied().collect();
        let may_have = quota + usize::from(extras > 0);
        unassigned.extend(kept.split_off(kept.len().min(may_have)));
        // One more than others goes to who has it already, as long as enough remain to be given one.
        let takes_extra = extras > 0 && (kept.len() > quota || subscribers.len() - index <= extras);
        let due = quota + usize::from(takes_extra);
        extras -= usize::from(takes_extra);
        missing.push(due - kept.len().min(due));
        targets.push(BTreeSet::from_iter(kept));
    }
    let mut unassigned = unassigned.into_iter();
    for (target, missing) in targets.iter_mut().zip(missing) {
        target.extend(unassigned.by_ref().take(missing));
    }
    targets
}

/// Targets of subscribers to different topics, in their order: as even as their subscriptions let them be.
pub(super) fn assign(subscribers: &[Subscriber]) -> Vec<BTreeSet<(Uuid, i32)>> {
    let mut targets: Vec<BTreeSet<(Uuid, i32)>> = subscribers
        .iter()
        .map(|subscriber| {
            let is_still_its = |(topic, partition): &(Uuid, i32)| {
                subscriber.topics.iter().any(|subscribed| subscribed.id == *topic && *partition < subscribed.partitions)
            };
            subscriber.target.iter().copied().filter(is_still_its).collect()
        })
        .collect();
    let topics = in_order(subscribers);
    for (topic, interested) in &topics {
        for partition in partitions(topic) {
            if !targets.iter().any(|target| target.contains(&partition))
                && let Some(least) = interested.iter().copied().min_by_key(|index| targets[*index].len())
            {
                targets[least].insert(partition);
            }
        }
    }
    for _ in 0..MAX_ROUNDS {
        let mut has_moved = false;
        for (topic, interested) in &topics {
            has_moved |= balance(&mut targets, topic, interested);
        }
        if !has_moved {
            break;
        }
    }
    targets
}

/// Topics with their subscribers: first those with the most partitions for each.
fn in_order(subscribers: &[Subscriber]) -> Vec<(Topic, Vec<usize>)> {
    let mut topics: BTreeMap<Topic, Vec<usize>> = BTreeMap::new();
    for topic in subscribers.iter().flat_map(|subscriber| &subscriber.topics) {
        topics.entry(*topic).or_insert_with(|| {
            (0..subscribers.len()).filter(|index| subscribers[*index].subscribes_to(topic.id)).collect()
        });
    }
    let mut topics: Vec<_> = topics.into_iter().collect();
    let per_subscriber = |(topic, interested): &(Topic, Vec<usize>)| {
        (f64::from(topic.partitions) / interested.len() as f64, interested.len())
    };
    topics.sort_by(|one, other| {
        let ((one_share, one_count), (other_share, other_count)) = (per_subscriber(one), per_subscriber(other));
        other_share.total_cmp(&one_share).then(one_count.cmp(&other_count))
    });
    topics
}

/// Moves partitions of a topic from who has most in all to who has least. Tells whether any moved.
fn balance(targets: &mut [BTreeSet<(Uuid, i32)>], topic: &Topic, interested: &[usize]) -> bool {
    let mut has_moved = false;
    loop {
        let of_topic = |index: &usize| targets[*index].range((topic.id, 0)..=(topic.id, i32::MAX)).next_back().copied();
        let owners = interested.iter().copied().filter(|index| of_topic(index).is_some());
        let (Some(most), Some(least)) = (
            owners.max_by_key(|index| targets[*index].len()),
            interested.iter().copied().min_by_key(|index| targets[*index].len()),
        ) else {
            return has_moved;
        };
        let Some(partition) = of_topic(&most).filter(|_| targets[most].len() > targets[least].len() + 1) else {
            return has_moved;
        };
        targets[most].remove(&partition);
        targets[least].insert(partition);
        has_moved = true;
    }
}

fn partitions(topic: &Topic) -> impl Iterator<Item = (Uuid, i32)> {
    let id = topic.id;
    (0..topic.partitions).map(move |partition| (id, partition))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn topic(id: u128, partitions: i32) -> Topic {
        Topic { id: Uuid::from_u128(id), partitions }
    }

    pub(in super::super) fn subscriber(id: &str, topics: &[Topic]) -> Subscriber {
        Subscriber { id: id.to_owned(), instance: None, topics: topics.to_vec(), target: BTreeSet::new() }
    }

    fn sizes(targets: &[BTreeSet<(Uuid, i32)>]) -> Vec<usize> {
        targets.iter().map(BTreeSet::len).collect()
    }

    /// Gives everyone what they were assigned.
    fn keep(subscribers: &mut [Subscriber], targets: &[BTreeSet<(Uuid, i32)>]) {
        for (subscriber, target) in subscribers.iter_mut().zip(targets) {
            subscriber.target.clone_from(target);
        }
    }

    #[test]
    fn shares_are_even_and_nothing_moves_that_need_not() {
        let mut subscribers = vec![subscriber("a", &[topic(1, 7)])];
        let first = assign_alike(&subscribers);
        assert_eq!(sizes(&first), [7]);
        keep(&mut subscribers, &first);
        subscribers.push(subscriber("b", &[topic(1, 7)]));
        let second = assign_alike(&subscribers);
        assert_eq!(sizes(&second), [4, 3]);
        assert!(second[0].is_subset(&first[0]));
        keep(&mut subscribers, &second);
        subscribers.push(subscriber("c", &[topic(1, 7)]));
        let third = assign_alike(&subscribers);
        assert_eq!(sizes(&third), [3, 2, 2]);
        assert!(third[0].is_subset(&second[0]) && third[1].is_subset(&second[1]));
        keep(&mut subscribers, &third);
        subscribers.remove(0);
        let last = assign_alike(&subscribers);
        assert!(third[1].is_subset(&last[0]) && third[2].is_subset(&last[1]));
        assert_eq!(last.iter().map(BTreeSet::len).sum::<usize>(), 7);
    }

    #[test]
    fn the_odd_partition_stays_with_who_has_it() {
        let mut subscribers = vec![subscriber("a", &[topic(1, 3)]), subscriber("b", &[topic(1, 3)])];
        let of_topic = |partitions: &[i32]| partitions.iter().map(|index| (Uuid::from_u128(1), *index)).collect();
        let held: Vec<BTreeSet<(Uuid, i32)>> = vec![of_topic(&[2]), of_topic(&[0, 1])];
        keep(&mut subscribers, &held);
        assert_eq!(assign_alike(&subscribers), held);
        assert_eq!(assign(&subscribers), held);
    }

    #[test]
    fn who_subscribes_to_more_makes_room_for_who_subscribes_to_less() {
        let (orders, teas) = (topic(1, 4), topic(2, 4));
        let mut subscribers = vec![subscriber("a", &[orders, teas])];
        let first = assign(&subscribers);
        assert_eq!(sizes(&first), [8]);
        keep(&mut subscribers, &first);
        subscribers.push(subscriber("b", &[teas]));
        let second = assign(&subscribers);
        assert_eq!(sizes(&second), [4, 4]);
        assert!(second[1].iter().all(|(id, _)| *id == teas.id), "b doesn't subscribe to orders");
    }

    #[test]
    fn topics_that_are_gone_or_no_longer_subscribed_to_are_let_go_of() {
        let mut subscribers = vec![subscriber("a", &[topic(1, 2), topic(2, 2)])];
        let first = assign(&subscribers);
        keep(&mut subscribers, &first);
        subscribers[0].topics.remove(0);
        for targets in [assign(&subscribers), assign_alike(&subscribers)] {
            assert_eq!(targets[0], BTreeSet::from([(Uuid::from_u128(2), 0), (Uuid::from_u128(2), 1)]));
        }
    }
}
