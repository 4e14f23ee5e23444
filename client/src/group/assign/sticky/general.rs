//! The assignment of a group whose members want different topics.

use std::collections::{BTreeMap, BTreeSet};

use super::claims::{Claims, Group};
use super::racks::Racks;

/// Lets every member keep what it owns, gives what is left to whoever has least, and moves partitions from member to
/// member as long as that makes their shares more equal.
///
/// In the end no partition could move to a member with at least two fewer. Where racks matter, members keep only what is
/// near them, and what is left goes first to a member near it.
pub(super) fn assign(group: &Group<'_>, claims: &Claims, racks: &Racks) -> Vec<Vec<usize>> {
    let balance = balanced(group, claims, racks);
    tracing::debug!(moves = balance.moves.made, "shared out among members that want different topics");
    balance.shares()
}

fn balanced<'a>(group: &'a Group<'a>, claims: &'a Claims, racks: &Racks) -> Balance<'a> {
    let mut balance = Balance::new(group, claims);
    let has_revoked = balance.keep_owned(claims, racks);
    let mut order: Vec<usize> = (0..group.topics.len()).collect();
    order.sort_by_key(|topic| balance.wanted_by[*topic].len());
    let all = order.into_iter().flat_map(|topic| group.partitions_of(topic));
    let movable: Vec<usize> = all.clone().filter(|partition| balance.wanting(*partition).len() > 1).collect();
    let left: Vec<usize> = all.filter(|partition| balance.owner[*partition].is_none()).collect();

    let mut away = left.clone();
    if racks.matter() {
        away.retain(|partition| !balance.give(*partition, |member| !racks.mismatch(member, *partition)));
    }
    for partition in away {
        balance.give(partition, |_| true);
    }
    // What is new to its owner anyway moves first: that may be enough.
    if !has_revoked {
        let left: Vec<_> = left.into_iter().filter(|partition| balance.wanting(*partition).len() > 1).collect();
        balance.settle(&left);
    }
    balance.settle(&movable);
    balance
}

struct Balance<'a> {
    group: &'a Group<'a>,
    earlier: &'a [Option<usize>],
    /// The members that want each topic.
    wanted_by: Vec<Vec<usize>>,
    owner: Vec<Option<usize>>,
    /// How many partitions each member has.
    counts: Vec<usize>,
    moves: Moves,
}

impl<'a> Balance<'a> {
    fn new(group: &'a Group<'a>, claims: &'a Claims) -> Self {
        let wanting = |name| {
            let wants = |member: &usize| group.members[*member].topics.contains(name);
            (0..group.members.len()).filter(wants).collect()
        };
        Self {
            group,
            earlier: &claims.earlier,
            wanted_by: group.topics.iter().map(|topic| wanting(topic.name)).collect(),
            owner: vec![None; group.partitions()],
            counts: vec![0; group.members.len()],
            moves: Moves { before: vec![None; group.partitions()], by_way: BTreeMap::new(), made: 0 },
        }
    }

    /// True if a member cannot keep something that it owns.
    fn keep_owned(&mut self, claims: &Claims, racks: &Racks) -> bool {
        let mut has_revoked = false;
        for (member, owned) in claims.owned.iter().enumerate() {
            for partition in owned {
                if self.wants(member, *partition) && !racks.mismatch(member, *partition) {
                    self.owner[*partition] = Some(member);
                    self.counts[member] += 1;
                } else {
                    has_revoked = true;
                }
            }
        }
        has_revoked
    }

    fn wanting(&self, partition: usize) -> &[usize] {
        &self.wanted_by[self.group.topic_of(partition)]
    }

    fn wants(&self, member: usize, partition: usize) -> bool {
        self.wanting(partition).binary_search(&member).is_ok()
    }

    /// Gives the partition to the one of its members with least that may have it, if there is one.
    fn give(&mut self, partition: usize, may_have: impl Fn(usize) -> bool) -> bool {
        let suitable = self.wanting(partition).iter().copied().filter(|member| may_have(*member));
        let Some(member) = suitable.min_by_key(|member| self.counts[*member]) else { return false };
        self.owner[partition] = Some(member);
        self.counts[member] += 1;
        true
    }

    /// Moves these partitions, in order and again and again, until none of them can move to a member with less.
    ///
    /// edge 67: this ends. A move takes from a member with at least two more than the one it gives to, so it lowers the sum
    /// of the squares of all counts, by two at least.
    fn settle(&mut self, partitions: &[usize]) {
        let mut has_moved = true;
        while has_moved {
            has_moved = false;
            for partition in partitions {
                let Some(owner) = self.owner[*partition] else { continue };
                let gains = |member: &usize| self.counts[owner] > self.counts[*member] + 1;
                let had_it = self.earlier[*partition].filter(|member| self.wants(*member, *partition) && gains(member));
                let has_least = || self.wanting(*partition).iter().copied().min_by_key(|member| self.counts[*member]);
                if let Some(member) = had_it.or_else(|| has_least().filter(gains)) {
                    self.move_one(*partition, member);
                    has_moved = true;
                }
            }
        }
    }

    /// Moves the partition, or rather one that its owner got from `member` before: then that one does not move at all.
    fn move_one(&mut self, partition: usize, member: usize) {
        let improves =
            |partition: usize| self.owner[partition].filter(|owner| self.counts[*owner] > self.counts[member] + 1);
        let back = self.moves.back(self.group.topic_of(partition), partition, self.owner[partition], member);
        let back = back.and_then(|partition| Some((partition, improves(partition)?)));
        let Some((partition, from)) = back.or_else(|| Some((partition, improves(partition)?))) else { return };
        self.moves.record(self.group.topic_of(partition), partition, from, member);
        self.owner[partition] = Some(member);
        self.counts[from] -= 1;
        self.counts[member] += 1;
    }

    fn shares(self) -> Vec<Vec<usize>> {
        let mut shares = vec![Vec::new(); self.counts.len()];
        for (partition, owner) in self.owner.iter().enumerate() {
            if let Some(owner) = owner {
                shares[*owner].push(partition);
            }
        }
        shares
    }
}

/// Which partitions of each topic have moved from which member to which.
struct Moves {
    /// Who had each partition that has moved.
    before: Vec<Option<usize>>,
    /// By topic, who had them, and who has them.
    by_way: BTreeMap<(usize, usize, usize), BTreeSet<usize>>,
    made: usize,
}

impl Moves {
    /// A partition that has moved the opposite way to one that is to move from `from` to `to`.
    fn back(&self, topic: usize, partition: usize, from: Option<usize>, to: usize) -> Option<usize> {
        let from = self.before[partition].or(from)?;
        self.by_way.get(&(topic, to, from))?.last().copied()
    }

    fn record(&mut self, topic: usize, partition: usize, from: usize, to: usize) {
        self.made += 1;
        let before = self.before[partition].take();
        if let Some(before) = before
            && let Some(moved) = self.by_way.get_mut(&(topic, before, from))
        {
            moved.remove(&partition);
            if moved.is_empty() {
                self.by_way.remove(&(topic, before, from));
            }
        }
        let before = before.unwrap_or(from);
        if before != to {
            self.before[partition] = Some(before);
            self.by_way.entry((topic, before, to)).or_default().insert(partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{GroupMember, GroupTopics};
    use super::super::claims::Claim;
    use super::*;
    use crate::TopicPartition;

    /// Members in a row, each of which shares a topic with the next and owns all of it; the first topic is as large as all
    /// others together. How often a partition moves until shares are as equal as can be, and how many there are.
    fn moves_along_a_chain(length: usize, partitions: usize) -> (usize, usize) {
        let name = |index: usize| format!("t{index:03}");
        let size = |index: usize| if index == 1 { length * partitions } else { partitions };
        let topics = (1..length).fold(GroupTopics::default(), |all, index| all.topic(name(index), size(index)));
        let member = |index: usize| GroupMember::new(format!("m{index:03}"), [name(index), name(index + 1)]);
        let members: Vec<_> = (0..length).map(member).collect();
        let claim = |index: usize| {
            let claimed = (0..).take(size(index + 1)).map(|number| TopicPartition::new(name(index + 1), number));
            Claim { partitions: claimed.collect(), generation: 1 }
        };
        let claims: Vec<_> = (0..length).map(claim).collect();
        let group = Group::new(&members, &topics);
        let weighed = group.weigh(&claims);
        let balance = balanced(&group, &weighed, &group.racks(&topics));
        (balance.moves.made, group.partitions())
    }

    /// edge 67
    #[test]
    fn moves_are_few_where_those_with_most_share_nothing_with_those_with_least() {
        for (length, partitions) in [(2, 50), (3, 1), (40, 1), (40, 7), (200, 20)] {
            let (moves, all) = moves_along_a_chain(length, partitions);
            assert!(moves > 0 && moves <= 2 * all, "{moves} moves of {all} partitions");
        }
    }
}
