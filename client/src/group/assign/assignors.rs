//! The assignors that a consumer offers its group, and how they are called.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;

use super::{Assignor, CooperativeStickyAssignor, GroupMember, GroupTopics, MemberAssignment, RebalanceProtocol};
use crate::TopicPartition;
use crate::config::AssignmentStrategy;
use crate::error::{Error, Kind};
use crate::group::metadata::GroupMetadata;
use crate::panicked::said;

/// What a consumer offers, in order of preference; never empty. They may remember what they were told: one list is one
/// member's.
#[derive(Clone)]
pub(crate) struct Assignors {
    all: Vec<Arc<dyn Assignor>>,
    protocol: RebalanceProtocol,
}

impl Assignors {
    /// Those of the user's, then the ones that come with the client.
    ///
    /// # Errors
    /// If there are none, two have one name, or they support no protocol in common.
    pub(crate) fn new(own: &[Arc<dyn Assignor>], strategies: &[AssignmentStrategy]) -> Result<Self, Error> {
        let all: Vec<_> = own.iter().cloned().chain(strategies.iter().map(|strategy| strategy.assignor())).collect();
        let mut names = BTreeSet::new();
        if let Some(twice) = all.iter().find(|assignor| !names.insert(assignor.name())) {
            return Err(refused(format_args!("has two of the name `{}`", twice.name())));
        }
        let [first, others @ ..] = all.as_slice() else { return Err(refused(format_args!("names no strategy"))) };
        let common = first
            .supported_protocols()
            .iter()
            .filter(|protocol| others.iter().all(|other| other.supported_protocols().contains(protocol)));
        let Some(protocol) = common.max().copied() else {
            let names: Vec<_> = all.iter().map(|assignor| assignor.name()).collect();
            return Err(refused(format_args!("{} can only rebalance in different ways", names.join(", "))));
        };
        Ok(Self { all, protocol })
    }

    /// How this consumer rebalances: in the latest way that all of its assignors support.
    pub(crate) fn protocol(&self) -> RebalanceProtocol {
        self.protocol
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = &dyn Assignor> {
        self.all.iter().map(|assignor| &**assignor)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<dyn Assignor>> {
        self.all.iter().find(|assignor| assignor.name() == name)
    }

    /// The name of each, and what it tells the group's leader.
    ///
    /// # Errors
    /// If one of them panics.
    pub(crate) fn subscriptions(&self, topics: &BTreeSet<Arc<str>>) -> Result<Vec<(&str, Option<Bytes>)>, Error> {
        let user_data = |assignor: &Arc<dyn Assignor>| call(&**assignor, || assignor.subscription_user_data(topics));
        self.all.iter().map(|assignor| Ok((assignor.name(), user_data(assignor)?))).collect()
    }

    /// Shares out the partitions by `assignor`; every member is in the result, and nobody else.
    ///
    /// # Errors
    /// If it fails or panics, gives something to somebody unknown, or, rebalancing cooperatively, gives away what its
    /// owner has not given up.
    pub(crate) fn assign(
        &self,
        assignor: &dyn Assignor,
        members: &mut [GroupMember],
        topics: &GroupTopics,
    ) -> Result<BTreeMap<String, MemberAssignment>, Error> {
        members.sort_by(GroupMember::order);
        let failed = |why: &dyn fmt::Display| failed(assignor, why);
        let mut assigned = call(assignor, || assignor.assign(members, topics))?.map_err(|error| failed(&error))?;
        let ids: BTreeSet<_> = members.iter().map(|member| &*member.member_id).collect();
        if let Some(unknown) = assigned.keys().find(|id| !ids.contains(&***id)) {
            return Err(failed(&format_args!("it gives partitions to `{unknown}`, which is no member")));
        }
        // That one knows whose claims are out of date.
        let is_checked = assignor.name() != CooperativeStickyAssignor::NAME;
        if self.protocol() == RebalanceProtocol::Cooperative
            && is_checked
            && let Some(partition) = given_too_early(members, &assigned)
        {
            return Err(failed(&format_args!("it gives {partition} to a member while another still owns it")));
        }
        for id in ids {
            assigned.entry(id.to_owned()).or_default();
        }
        Ok(assigned)
    }
}

/// Tells the assignor what this member was assigned.
///
/// # Errors
/// If it panics.
pub(crate) fn on_assignment(
    assignor: &dyn Assignor,
    assignment: &MemberAssignment,
    group: &GroupMetadata,
) -> Result<(), Error> {
    call(assignor, || assignor.on_assignment(assignment, group))
}

/// A partition that a member newly gets, and that another has to give up first.
fn given_too_early(members: &[GroupMember], assigned: &BTreeMap<String, MemberAssignment>) -> Option<TopicPartition> {
    let mut given_up = BTreeSet::new();
    let mut added = BTreeSet::new();
    for member in members {
        let owned: BTreeSet<&TopicPartition> = member.owned_partitions.iter().collect();
        let assigned: BTreeSet<_> =
            assigned.get(&member.member_id).into_iter().flat_map(|assigned| &assigned.partitions).collect();
        added.extend(assigned.difference(&owned).copied());
        given_up.extend(owned.difference(&assigned).copied());
    }
    added.intersection(&given_up).next().copied().cloned()
}

fn call<T>(assignor: &dyn Assignor, asked: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(asked))
        .map_err(|panic| failed(assignor, &format_args!("it panicked: {}", said(&*panic))))
}

fn failed(assignor: &dyn Assignor, why: &dyn fmt::Display) -> Error {
    Error::new(Kind::State, format!("assignor `{}`: {why}", assignor.name()))
}

fn refused(why: fmt::Arguments<'_>) -> Error {
    Error::new(Kind::Config, format!("setting `partition.assignment.strategy`: {why}"))
}

impl fmt::Debug for Assignors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives partitions as told, in the ways it is told to support.
    struct Told(&'static [RebalanceProtocol], fn() -> BTreeMap<String, MemberAssignment>);

    impl Assignor for Told {
        fn name(&self) -> &str {
            "told"
        }

        fn supported_protocols(&self) -> &[RebalanceProtocol] {
            self.0
        }

        fn subscription_user_data(&self, topics: &BTreeSet<Arc<str>>) -> Option<Bytes> {
            topics.iter().next().map(|topic| Bytes::copy_from_slice(topic.as_bytes()))
        }

        fn assign(
            &self,
            _: &[GroupMember],
            _: &GroupTopics,
        ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>> {
            let assigned = self.1();
            if assigned.is_empty() { Err("out of ideas".into()) } else { Ok(assigned) }
        }
    }

    const EAGER: &[RebalanceProtocol] = &[RebalanceProtocol::Eager];
    const COOPERATIVE: &[RebalanceProtocol] = &[RebalanceProtocol::Cooperative];
    const BOTH: &[RebalanceProtocol] = &[RebalanceProtocol::Cooperative, RebalanceProtocol::Eager];

    fn offered(told: Told, strategies: &[AssignmentStrategy]) -> Result<Assignors, Error> {
        Assignors::new(&[Arc::new(told)], strategies)
    }

    /// What comes of it in a group of `a`, which owns t[0], and `b`.
    fn shared_out(
        protocols: &'static [RebalanceProtocol],
        told: fn() -> BTreeMap<String, MemberAssignment>,
    ) -> Result<BTreeMap<String, MemberAssignment>, Error> {
        let assignors = offered(Told(protocols, told), &[]).unwrap();
        let mut members = vec![GroupMember::new("b", ["t"]), GroupMember::new("a", ["t"])];
        members[1].owned_partitions = vec![TopicPartition::new("t", 0)];
        assignors.assign(assignors.all().next().unwrap(), &mut members, &GroupTopics::default().topic("t", 2))
    }

    fn only(member: &str) -> BTreeMap<String, MemberAssignment> {
        [(member.to_owned(), vec![TopicPartition::new("t", 0)].into())].into()
    }

    #[test]
    fn the_latest_protocol_that_all_support_is_chosen() {
        let protocol =
            |protocols, strategies: &[_]| offered(Told(protocols, BTreeMap::new), strategies).unwrap().protocol();
        assert_eq!(protocol(BOTH, &[]), RebalanceProtocol::Cooperative);
        assert_eq!(protocol(EAGER, &[]), RebalanceProtocol::Eager);
        assert_eq!(protocol(BOTH, &[AssignmentStrategy::Range]), RebalanceProtocol::Eager);
        let error = offered(Told(COOPERATIVE, BTreeMap::new), &[AssignmentStrategy::Range]).unwrap_err();
        assert!(error.to_string().contains("told, range can only rebalance in different ways"), "{error}");
    }

    #[test]
    fn a_name_is_offered_once_and_something_is_offered() {
        let error = Assignors::new(&[], &[AssignmentStrategy::Range, AssignmentStrategy::Range]).unwrap_err();
        assert!(error.to_string().contains("`partition.assignment.strategy`: has two of the name `range`"), "{error}");
        assert!(Assignors::new(&[], &[]).unwrap_err().to_string().contains("names no strategy"));
    }

    #[test]
    fn each_tells_the_leader_what_it_wants_to() {
        let assignors = offered(Told(BOTH, BTreeMap::new), &[AssignmentStrategy::Range]).unwrap();
        let told = assignors.subscriptions(&["t".into()].into()).unwrap();
        assert_eq!(told, [("told", Some("t".into())), ("range", None)]);
    }

    #[test]
    fn a_member_that_is_left_out_gets_nothing() {
        let assigned = shared_out(EAGER, || only("b")).unwrap();
        assert_eq!((assigned["a"].partitions.len(), assigned["b"].partitions.len()), (0, 1));
    }

    #[test]
    fn a_failure_names_the_assignor_and_what_it_did() {
        let failure = |protocols, told| shared_out(protocols, told).unwrap_err().to_string();
        assert!(failure(EAGER, BTreeMap::new).contains("assignor `told`: out of ideas"));
        assert!(failure(EAGER, || panic!("no idea")).contains("it panicked: no idea"));
        assert!(failure(EAGER, || only("c")).contains("to `c`, which is no member"));
    }

    /// KIP-429
    #[test]
    fn what_is_still_owned_cannot_be_given_away_where_members_keep_what_they_own() {
        let error = shared_out(COOPERATIVE, || only("b")).unwrap_err();
        assert!(error.to_string().contains("it gives t[0] to a member while another still owns it"), "{error}");
        assert!(shared_out(COOPERATIVE, || only("a")).is_ok());
        assert!(shared_out(EAGER, || only("b")).is_ok());
    }
}
