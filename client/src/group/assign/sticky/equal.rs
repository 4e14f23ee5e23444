//! The assignment of a group whose members all want the same topics.

use std::collections::VecDeque;

use super::claims::{Claims, Group};
use super::racks::Racks;

/// What each member gets, and which of it another has to give up first.
pub(super) struct Shares {
    pub(super) shares: Vec<Vec<usize>>,
    pub(super) changes_hands: Vec<bool>,
}

/// Lets every member keep what it owns, as far as shares stay equal, and deals the rest.
///
/// Shares differ by one at most. Where racks matter, members keep only what is near them, and what is left goes first to
/// a member near it.
pub(super) fn assign(group: &Group<'_>, claims: &Claims, racks: &Racks) -> Shares {
    let members = group.members.len().max(1);
    let mut dealing = Dealing {
        claims,
        racks,
        shares: vec![Vec::new(); group.members.len()],
        given_up_by: vec![None; group.partitions()],
        changes_hands: vec![false; group.partitions()],
        least: group.partitions() / members,
        larger: group.partitions() % members,
        large: 0,
        lacking: Vec::new(),
        least_full: VecDeque::new(),
    };
    dealing.keep_owned(group);
    let mut is_kept = vec![false; group.partitions()];
    dealing.shares.iter().flatten().for_each(|partition| is_kept[*partition] = true);
    let mut left: Vec<usize> = (0..group.partitions()).filter(|partition| !is_kept[*partition]).collect();
    // Those with the fewest members near them choose first.
    left.sort_by_key(|partition| racks.members_near(*partition));
    if racks.matter() {
        dealing.deal_near(&mut left);
    }
    dealing.deal(left);
    Shares { shares: dealing.shares, changes_hands: dealing.changes_hands }
}

struct Dealing<'a> {
    claims: &'a Claims,
    racks: &'a Racks,
    shares: Vec<Vec<usize>>,
    /// Who had each partition that its owner cannot keep.
    given_up_by: Vec<Option<usize>>,
    changes_hands: Vec<bool>,
    /// What every member gets; some get one more.
    least: usize,
    /// How many members are to get one more, and how many have.
    larger: usize,
    large: usize,
    /// Members with less than the least.
    lacking: Vec<usize>,
    /// Members with the least, as long as one of them may get one more.
    least_full: VecDeque<usize>,
}

impl Dealing<'_> {
    fn keep_owned(&mut self, group: &Group<'_>) {
        for (member, owned) in self.claims.owned.iter().enumerate() {
            let (mut keeps, mut loses): (Vec<_>, Vec<_>) =
                owned.iter().copied().partition(|partition| !self.racks.mismatch(member, *partition));
            keeps.sort_by_key(|partition| (group.number(*partition), group.topic_of(*partition)));
            if keeps.len() < self.least {
                self.lacking.push(member);
            } else if keeps.len() > self.least && self.large < self.larger {
                loses.extend(keeps.split_off(self.least + 1));
                self.became_large();
            } else {
                loses.extend(keeps.split_off(self.least));
                if self.large < self.larger {
                    self.least_full.push_back(member);
                }
            }
            self.shares[member] = keeps;
            loses.into_iter().for_each(|partition| self.given_up_by[partition] = Some(member));
        }
    }

    fn became_large(&mut self) {
        self.large += 1;
        if self.large == self.larger {
            self.least_full.clear();
        }
    }

    /// Deals what can go to a member near it, each to the next that lacks something, and leaves the rest in `left`.
    fn deal_near(&mut self, left: &mut Vec<usize>) {
        let mut next = 0;
        left.retain(|partition| {
            let is_near = |member: usize| self.racks.are_near(member, *partition);
            let turn = (next..self.lacking.len()).chain(0..next).find(|turn| is_near(self.lacking[*turn]));
            if let Some(turn) = turn {
                let member = self.lacking[turn];
                self.give(member, *partition);
                next = turn + 1;
                if self.shares[member].len() >= self.least {
                    self.lacking.remove(turn);
                    next = turn;
                    if self.large < self.larger {
                        self.least_full.push_back(member);
                    }
                }
                if next >= self.lacking.len() {
                    next = 0;
                }
                return false;
            }
            let Some(place) = self.least_full.iter().position(|member| is_near(*member)) else { return true };
            if let Some(member) = self.least_full.remove(place) {
                self.give(member, *partition);
                self.became_large();
            }
            false
        });
    }

    /// Deals one partition after the other to those that lack something in turn, then to those that may get one more.
    fn deal(&mut self, left: Vec<usize>) {
        let mut next = 0;
        for partition in left {
            if next >= self.lacking.len() {
                next = 0;
            }
            if let Some(member) = self.lacking.get(next).copied() {
                self.give(member, partition);
                next += 1;
                if self.shares[member].len() == self.least {
                    next -= 1;
                    self.lacking.remove(next);
                    self.least_full.push_back(member);
                }
            } else if let Some(member) = self.least_full.pop_front() {
                self.give(member, partition);
            }
        }
    }

    fn give(&mut self, member: usize, partition: usize) {
        self.shares[member].push(partition);
        let had = self.given_up_by[partition];
        self.changes_hands[partition] = self.claims.contested[partition] || had.is_some_and(|had| had != member);
    }
}
