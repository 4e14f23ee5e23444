//! A member on its way from what it has to what it is to have.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use super::member::{Member, State};
use super::{Consumer, Topics};

/// Where a member stands after a step.
struct Step {
    state: State,
    epoch: i32,
    assigned: BTreeMap<(Uuid, i32), i32>,
    revoking: BTreeMap<(Uuid, i32), i32>,
}

impl Consumer {
    /// Takes a member as far as it can go now. `owned` is what it says it has; `None` if it doesn't say.
    pub(super) fn reconcile(
        &mut self,
        index: usize,
        has_new_subscription: bool,
        owned: Option<&BTreeSet<(Uuid, i32)>>,
        topics: &Topics,
        now: Duration,
    ) {
        let member = &self.members[index];
        if !has_new_subscription && member.is_reconciled(self.assignment_epoch) {
            return;
        }
        let subscribed = self.subscribed_ids(member, topics);
        let owns_any = |revoking: &BTreeMap<(Uuid, i32), i32>| {
            owned.is_none_or(|owned| owned.iter().any(|partition| revoking.contains_key(partition)))
        };
        let step = match member.state {
            State::Stable if member.epoch == self.assignment_epoch => unsubscribe(member, &subscribed, owns_any),
            State::Unrevoked if owns_any(&member.revoking) => {
                has_new_subscription.then(|| unsubscribe(member, &subscribed, owns_any)).flatten()
            }
            State::Stable | State::Unreleased | State::Unrevoked => Some(self.next(index, &subscribed, owns_any)),
        };
        let Some(step) = step else { return };
        let member = &mut self.members[index];
        let is_same = member.state == step.state
            && (member.previous_epoch, member.epoch) == (member.epoch, step.epoch)
            && member.assigned == step.assigned
            && member.revoking == step.revoking;
        if is_same {
            return;
        }
        member.previous_epoch = member.epoch;
        member.epoch = step.epoch;
        member.state = step.state;
        member.assigned = step.assigned;
        member.revoking = step.revoking;
        member.revocation_end = (member.state == State::Unrevoked).then(|| now + member.rebalance_timeout);
    }

    /// The next step towards the target.
    fn next(
        &self,
        index: usize,
        subscribed: &BTreeSet<Uuid>,
        owns_any: impl Fn(&BTreeMap<(Uuid, i32), i32>) -> bool,
    ) -> Step {
        let member = &self.members[index];
        let is_target =
            |partition: &(Uuid, i32)| member.target.contains(partition) && subscribed.contains(&partition.0);
        let (mut assigned, revoking): (BTreeMap<_, _>, BTreeMap<_, _>) =
            member.assigned.iter().map(|(partition, epoch)| (*partition, *epoch)).partition(|(at, _)| is_target(at));
        if !revoking.is_empty() && owns_any(&revoking) {
            // The epoch stays until it has let go.
            return Step { state: State::Unrevoked, epoch: member.epoch, assigned, revoking };
        }
        let is_held = |partition| {
            self.members.iter().enumerate().any(|(other, member)| other != index && member.holds(partition))
        };
        let mut state = State::Stable;
        for partition in member.target.iter().copied().filter(is_target) {
            if assigned.contains_key(&partition) {
                continue;
            }
            if is_held(partition) {
                state = State::Unreleased;
            } else {
                assigned.insert(partition, self.assignment_epoch);
            }
        }
        Step { state, epoch: self.assignment_epoch, assigned, revoking: BTreeMap::new() }
    }
}

/// What to do at once about topics a member no longer subscribes to, before there is a new target; `None` if nothing.
fn unsubscribe(
    member: &Member,
    subscribed: &BTreeSet<Uuid>,
    owns_any: impl Fn(&BTreeMap<(Uuid, i32), i32>) -> bool,
) -> Option<Step> {
    let (assigned, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = member
        .assigned
        .iter()
        .map(|(partition, epoch)| (*partition, *epoch))
        .partition(|(partition, _)| subscribed.contains(&partition.0));
    if gone.is_empty() {
        return None;
    }
    let mut revoking = member.revoking.clone();
    revoking.extend(gone);
    Some(if owns_any(&revoking) {
        Step { state: State::Unrevoked, epoch: member.epoch, assigned, revoking }
    } else {
        Step { state: member.state, epoch: member.epoch, assigned, revoking: member.revoking.clone() }
    })
}
