//! The assignor `range`: a contiguous part of each topic for each of its subscribers.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Subscriber;

/// A target for each subscriber, in their order. Static members come first, by instance id, the others by member id;
/// the first get one partition more where it doesn't come out even.
pub(super) fn assign(subscribers: &[Subscriber]) -> Vec<BTreeSet<(Uuid, i32)>> {
    let mut order: Vec<usize> = (0..subscribers.len()).collect();
    order.sort_by_key(|index| {
        let subscriber = &subscribers[*index];
        (subscriber.instance.is_none(), subscriber.instance.as_ref().unwrap_or(&subscriber.id))
    });
    let mut counts: BTreeMap<Uuid, i32> = BTreeMap::new();
    for topic in subscribers.iter().flat_map(|subscriber| &subscriber.topics) {
        *counts.entry(topic.id).or_default() += 1;
    }
    // By topic: the next partition to give away, and how many have got theirs.
    let mut given: BTreeMap<Uuid, (i32, i32)> = BTreeMap::new();
    let mut targets = vec![BTreeSet::new(); subscribers.len()];
    for index in order {
        for topic in &subscribers[index].topics {
            let (start, served) = given.entry(topic.id).or_default();
            let members = counts[&topic.id];
            let share = topic.partitions / members + i32::from(*served < topic.partitions % members);
            targets[index].extend((*start..*start + share).map(|partition| (topic.id, partition)));
            *start += share;
            *served += 1;
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::super::uniform::tests::{subscriber, topic};
    use super::*;

    #[test]
    fn each_gets_a_range_and_the_first_one_more() {
        let subscribers = [subscriber("b", &[topic(1, 5)]), subscriber("a", &[topic(1, 5), topic(2, 1)])];
        let targets = assign(&subscribers);
        let id = Uuid::from_u128;
        assert_eq!(targets[1], BTreeSet::from([(id(1), 0), (id(1), 1), (id(1), 2), (id(2), 0)]));
        assert_eq!(targets[0], BTreeSet::from([(id(1), 3), (id(1), 4)]));
    }

    #[test]
    fn static_members_come_first() {
        let mut last = subscriber("z", &[topic(1, 1)]);
        last.instance = Some("i".to_owned());
        let targets = assign(&[subscriber("a", &[topic(1, 1)]), last]);
        assert_eq!((targets[0].len(), targets[1].len()), (0, 1));
    }
}
