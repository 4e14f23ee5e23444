//! The assignor of share groups: every partition has a member, every member has partitions, and little moves.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// A partition, by topic and number.
pub(crate) type Partition = (Uuid, i32);

/// What a member is subscribed to, and what it had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriber {
    pub(crate) topics: BTreeSet<Uuid>,
    pub(crate) had: BTreeSet<Partition>,
}

/// Assigns the partitions of topics to members, as Kafka's `SimpleAssignor` does: where there are more members than
/// partitions, each partition is shared by about as many members. If not all members are subscribed to the same topics,
/// each topic is assigned for itself.
pub(crate) fn assign(
    members: &BTreeMap<String, Subscriber>,
    topics: &BTreeMap<Uuid, i32>,
) -> BTreeMap<String, BTreeSet<Partition>> {
    let mut assigned: BTreeMap<String, BTreeSet<Partition>> =
        members.keys().map(|member| (member.clone(), BTreeSet::new())).collect();
    let mut subscriptions = members.values().map(|member| &member.topics);
    let first = subscriptions.next();
    let are_alike = subscriptions.all(|topics| Some(topics) == first);
    let shares: Vec<Vec<Uuid>> = if are_alike {
        vec![topics.keys().copied().collect()]
    } else {
        topics.keys().map(|topic| vec![*topic]).collect()
    };
    for share in shares {
        let subscribed = |member: &Subscriber| share.iter().any(|topic| member.topics.contains(topic));
        let takers: Vec<(&String, &Subscriber)> = members.iter().filter(|(_, member)| subscribed(member)).collect();
        let subscribed = |topic: &&Uuid| takers.iter().any(|(_, member)| member.topics.contains(topic));
        let partitions: Vec<Partition> = share
            .iter()
            .filter(subscribed)
            .flat_map(|topic| (0..topics.get(topic).copied().unwrap_or(0)).map(|index| (*topic, index)))
            .collect();
        for (member, partition) in share_out(&takers, &partitions) {
            assigned.entry(member.clone()).or_default().insert(partition);
        }
    }
    assigned
}

fn share_out<'a>(takers: &[(&'a String, &Subscriber)], partitions: &[Partition]) -> Vec<(&'a String, Partition)> {
    if takers.is_empty() || partitions.is_empty() {
        return Vec::new();
    }
    let sharing = takers.len().div_ceil(partitions.len());
    let places = sharing * partitions.len();
    // The first n members have n/m of all places, rounded up.
    let upto = |count: usize| (places * count).div_ceil(takers.len());
    let mut room: Vec<usize> = (0..takers.len()).map(|index| upto(index + 1) - upto(index)).collect();
    let mut missing: BTreeMap<Partition, usize> = partitions.iter().map(|partition| (*partition, sharing)).collect();
    let mut given = BTreeSet::new();
    for (index, (_, member)) in takers.iter().enumerate() {
        for partition in &member.had {
            if let Some(left) = missing.get_mut(partition).filter(|left| **left > 0)
                && room[index] > 0
            {
                *left -= 1;
                room[index] -= 1;
                given.insert((index, *partition));
            }
        }
    }
    for (partition, left) in missing {
        let mut left = left;
        for (index, room) in room.iter_mut().enumerate() {
            if left > 0 && *room > 0 && given.insert((index, partition)) {
                left -= 1;
                *room -= 1;
            }
        }
        // Those with room have it already: better one more for somebody than a partition that nobody reads.
        if left == sharing {
            given.insert((0, partition));
        }
    }
    given.into_iter().map(|(index, partition)| (takers[index].0, partition)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn members(subscribed: &[(&str, &[Uuid])]) -> BTreeMap<String, Subscriber> {
        let member = |(name, topics): &(&str, &[Uuid])| {
            ((*name).to_owned(), Subscriber { topics: topics.iter().copied().collect(), had: BTreeSet::new() })
        };
        subscribed.iter().map(member).collect()
    }

    fn numbers(assigned: &BTreeMap<String, BTreeSet<Partition>>) -> Vec<Vec<i32>> {
        assigned.values().map(|partitions| partitions.iter().map(|(_, index)| *index).collect()).collect()
    }

    #[test]
    fn partitions_are_divided_among_fewer_members() {
        let members = members(&[("a", &[TOPIC]), ("b", &[TOPIC])]);
        let assigned = assign(&members, &[(TOPIC, 3)].into());
        assert_eq!(numbers(&assigned), [vec![0, 1], vec![2]]);
    }

    #[test]
    fn more_members_share_partitions() {
        let members = members(&[("a", &[TOPIC]), ("b", &[TOPIC]), ("c", &[TOPIC])]);
        let assigned = assign(&members, &[(TOPIC, 1)].into());
        assert_eq!(numbers(&assigned), [[0], [0], [0]]);
        let assigned = assign(&members, &[(TOPIC, 2)].into());
        assert!(numbers(&assigned).iter().all(|partitions| !partitions.is_empty()));
    }

    #[test]
    fn what_a_member_had_stays_if_it_can() {
        let mut members = members(&[("a", &[TOPIC]), ("b", &[TOPIC])]);
        members.get_mut("b").unwrap().had = [(TOPIC, 0), (TOPIC, 1), (TOPIC, 2), (TOPIC, 3)].into();
        let assigned = assign(&members, &[(TOPIC, 4)].into());
        assert_eq!(numbers(&assigned), [[2, 3], [0, 1]]);
    }

    #[test]
    fn nobody_gets_what_it_is_not_subscribed_to() {
        let members = members(&[("a", &[TOPIC]), ("b", &[TOPIC, OTHER])]);
        let assigned = assign(&members, &[(TOPIC, 2), (OTHER, 2)].into());
        assert_eq!(assigned["a"].iter().filter(|(topic, _)| *topic == OTHER).count(), 0);
        assert_eq!(assigned["b"].iter().filter(|(topic, _)| *topic == OTHER).count(), 2);
        assert!(assign(&BTreeMap::new(), &[(TOPIC, 1)].into()).is_empty());
    }
}
