//! The rules of a group, tried on the bare state: time is handed in, answers are taken out.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{JoinGroupRequest, SyncGroupRequest};
use kafka_protocol::protocol::StrBytes;

use super::*;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);
const START: Duration = Duration::ZERO;

/// A group and a count of the requests sent to it.
struct Coordinator {
    group: Classic,
    requests: u64,
}

fn coordinator() -> Coordinator {
    Coordinator { group: Classic::new(Duration::ZERO), requests: 0 }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// What a member asks for when it joins.
#[derive(Clone)]
struct Wish {
    id: String,
    instance: Option<&'static str>,
    protocols: Vec<&'static str>,
    version: i16,
}

fn member(id: &str) -> Wish {
    Wish { id: id.to_owned(), instance: None, protocols: vec!["range"], version: 9 }
}

fn static_member(instance: &'static str) -> Wish {
    Wish { instance: Some(instance), ..member("") }
}

impl Coordinator {
    fn ticket(&mut self) -> Ticket {
        self.requests += 1;
        Ticket { number: self.requests, node: 0 }
    }

    fn join(&mut self, wish: &Wish, now: Duration) -> Ticket {
        let ticket = self.ticket();
        let protocol = |name: &&'static str| {
            JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(Bytes::from_static(name.as_bytes()))
        };
        let request = JoinGroupRequest::default()
            .with_member_id(text(&wish.id))
            .with_group_instance_id(wish.instance.map(text))
            .with_protocol_type(text("consumer"))
            .with_protocols(wish.protocols.iter().map(protocol).collect())
            .with_session_timeout_ms(i32::try_from(SESSION.as_millis()).unwrap())
            .with_rebalance_timeout_ms(i32::try_from(REBALANCE.as_millis()).unwrap());
        let join = Join {
            waiting: Waiting { ticket, version: wish.version },
            client_id: "test".into(),
            client_host: "/127.0.0.1".into(),
            new_id: format!("member-{}", self.requests),
            request,
        };
        self.group.join(join, now);
        ticket
    }

    fn sync(&mut self, id: &str, assignments: &[(&str, &'static str)], now: Duration) -> Ticket {
        let ticket = self.ticket();
        let assignment = |(id, assignment): &(&str, &'static str)| {
            let assigned = SyncGroupRequestAssignment::default().with_member_id(text(id));
            assigned.with_assignment(Bytes::from_static(assignment.as_bytes()))
        };
        let request = SyncGroupRequest::default()
            .with_member_id(text(id))
            .with_generation_id(self.group.generation)
            .with_assignments(assignments.iter().map(assignment).collect());
        self.group.sync(Waiting { ticket, version: 5 }, &request, now);
        ticket
    }

    fn joined(&mut self, ticket: Ticket) -> Option<JoinGroupResponse> {
        let index = self.group.answers.iter().position(|(answered, _)| *answered == ticket)?;
        match self.group.answers.remove(index).1 {
            Reply::Joined(response) => Some(response),
            Reply::Synced(_) => panic!("a join was asked for"),
        }
    }

    fn synced(&mut self, ticket: Ticket) -> Option<Result<String, i16>> {
        let index = self.group.answers.iter().position(|(answered, _)| *answered == ticket)?;
        match self.group.answers.remove(index).1 {
            Reply::Synced(response) if response.error_code == 0 => {
                Some(Ok(String::from_utf8(response.assignment.to_vec()).unwrap()))
            }
            Reply::Synced(response) => Some(Err(response.error_code)),
            Reply::Joined(_) => panic!("a sync was asked for"),
        }
    }

    /// Joins with a new member, as a client does: asks for an id, then comes with it.
    fn enter(&mut self, wish: &Wish, now: Duration) -> (String, Ticket) {
        let ticket = self.join(wish, now);
        let refused = self.joined(ticket).expect("the id comes at once");
        assert_eq!(refused.error_code, ResponseError::MemberIdRequired.code());
        let id = refused.member_id.to_string();
        let ticket = self.join(&Wish { id: id.clone(), ..wish.clone() }, now);
        (id, ticket)
    }

    /// A stable group of one member.
    fn with_one_member() -> (Self, String) {
        let mut coordinator = coordinator();
        let (id, ticket) = coordinator.enter(&member(""), START);
        assert_eq!(coordinator.joined(ticket).unwrap().error_code, 0);
        let ticket = coordinator.sync(&id, &[(&id, "all")], START);
        assert_eq!(coordinator.synced(ticket), Some(Ok("all".into())));
        (coordinator, id)
    }

    /// A stable group of two members; the first leads.
    fn with_two_members() -> (Self, String, String) {
        let (mut coordinator, first) = Self::with_one_member();
        let (second, joining) = coordinator.enter(&member(""), START);
        let again = coordinator.join(&member(&first), START);
        assert_eq!(coordinator.joined(again).unwrap().leader, text(&first));
        assert_eq!(coordinator.joined(joining).unwrap().error_code, 0);
        let waiting = coordinator.sync(&second, &[], START);
        let leading = coordinator.sync(&first, &[(&first, "one"), (&second, "two")], START);
        assert_eq!(coordinator.synced(leading), Some(Ok("one".into())));
        assert_eq!(coordinator.synced(waiting), Some(Ok("two".into())));
        (coordinator, first, second)
    }

    fn heartbeat(&mut self, id: &str, now: Duration) -> Result<(), ResponseError> {
        let generation = self.group.generation;
        self.group.heartbeat(id, None, generation, now)
    }
}

#[test]
fn a_new_member_is_given_an_id_first() {
    let mut coordinator = coordinator();
    let (id, ticket) = coordinator.enter(&member(""), START);
    let joined = coordinator.joined(ticket).unwrap();
    assert_eq!((joined.member_id.as_str(), joined.leader.as_str(), joined.generation_id), (&*id, &*id, 1));
    assert_eq!(joined.members.len(), 1, "the leader is told of all members");
    assert_eq!(joined.protocol_name, Some(text("range")));
}

#[test]
fn an_old_client_joins_at_once() {
    let mut coordinator = coordinator();
    let ticket = coordinator.join(&Wish { version: 3, ..member("") }, START);
    assert_eq!(coordinator.joined(ticket).unwrap().error_code, 0);
}

#[test]
fn an_id_never_used_is_forgotten_after_the_session_timeout() {
    let mut coordinator = coordinator();
    let ticket = coordinator.join(&member(""), START);
    let id = coordinator.joined(ticket).unwrap().member_id;
    assert_eq!(coordinator.group.wake_at(), Some(SESSION));
    coordinator.group.on_time(SESSION);
    let ticket = coordinator.join(&member(&id), SESSION);
    assert_eq!(coordinator.joined(ticket).unwrap().error_code, ResponseError::UnknownMemberId.code());
}

#[test]
fn the_leader_s_assignment_reaches_everyone() {
    let (coordinator, ..) = Coordinator::with_two_members();
    assert_eq!(coordinator.group.state(), State::Stable);
}

#[test]
fn a_second_member_makes_the_first_join_again() {
    let (mut coordinator, first) = Coordinator::with_one_member();
    let (_, joining) = coordinator.enter(&member(""), START);
    assert!(coordinator.joined(joining).is_none(), "it waits for the first");
    assert_eq!(coordinator.heartbeat(&first, START), Err(ResponseError::RebalanceInProgress));
    let again = coordinator.join(&member(&first), START);
    assert_eq!(coordinator.joined(again).unwrap().members.len(), 2);
    assert_eq!(coordinator.joined(joining).unwrap().members.len(), 0, "followers need no list");
    assert_eq!(coordinator.group.generation(), 2);
}

#[test]
fn a_rebalance_waits_for_whoever_was_given_an_id() {
    let (mut coordinator, first) = Coordinator::with_one_member();
    let asking = coordinator.join(&member(""), START);
    let promised = coordinator.joined(asking).unwrap().member_id;
    let again = coordinator.join(&member(&first), START);
    assert!(coordinator.joined(again).is_none(), "another is expected");
    coordinator.join(&member(&promised), START);
    assert_eq!(coordinator.joined(again).unwrap().members.len(), 2);
}

#[test]
fn who_misses_the_rebalance_timeout_is_out() {
    let (mut coordinator, first) = Coordinator::with_one_member();
    let (second, joining) = coordinator.enter(&member(""), START);
    // Heartbeats keep the session, not the membership.
    for seconds in (5..60).step_by(5) {
        let now = Duration::from_secs(seconds);
        coordinator.group.on_time(now);
        assert_eq!(coordinator.heartbeat(&first, now), Err(ResponseError::RebalanceInProgress));
    }
    coordinator.group.on_time(REBALANCE);
    let joined = coordinator.joined(joining).unwrap();
    assert_eq!((joined.leader.as_str(), joined.members.len()), (&*second, 1));
    assert_eq!(coordinator.heartbeat(&first, REBALANCE), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_silent_member_is_out_after_its_session_timeout() {
    let (mut coordinator, first, second) = Coordinator::with_two_members();
    let half = SESSION / 2;
    assert_eq!(coordinator.heartbeat(&second, half), Ok(()));
    coordinator.group.on_time(SESSION);
    assert_eq!(coordinator.heartbeat(&first, SESSION), Err(ResponseError::UnknownMemberId));
    assert_eq!(coordinator.heartbeat(&second, SESSION), Err(ResponseError::RebalanceInProgress));
    let again = coordinator.join(&member(&second), SESSION);
    assert_eq!(coordinator.joined(again).unwrap().leader, text(&second));
}

#[test]
fn a_member_that_waits_for_its_join_does_not_expire() {
    let (mut coordinator, first, second) = Coordinator::with_two_members();
    let (_, _) = coordinator.enter(&member(""), START);
    let waiting = coordinator.join(&member(&second), START);
    for seconds in (5..40).step_by(5) {
        let now = Duration::from_secs(seconds);
        coordinator.group.on_time(now);
        assert_eq!(coordinator.heartbeat(&first, now), Err(ResponseError::RebalanceInProgress));
    }
    let now = Duration::from_secs(40);
    coordinator.join(&member(&first), now);
    assert_eq!(coordinator.joined(waiting).unwrap().error_code, 0);
    assert_eq!(coordinator.group.members().len(), 3);
}

#[test]
fn who_sends_no_sync_is_out_after_the_rebalance_timeout() {
    let (mut coordinator, first) = Coordinator::with_one_member();
    let (second, joining) = coordinator.enter(&member(""), START);
    coordinator.join(&member(&first), START);
    assert_eq!(coordinator.joined(joining).unwrap().error_code, 0);
    for seconds in (5..60).step_by(5) {
        let now = Duration::from_secs(seconds);
        assert_eq!(coordinator.heartbeat(&first, now), Ok(()));
        assert_eq!(coordinator.heartbeat(&second, now), Ok(()));
    }
    let waiting = coordinator.sync(&second, &[], Duration::from_secs(55));
    coordinator.group.on_time(REBALANCE);
    assert_eq!(coordinator.synced(waiting), Some(Err(ResponseError::RebalanceInProgress.code())));
    assert_eq!(coordinator.heartbeat(&first, REBALANCE), Err(ResponseError::UnknownMemberId), "the leader sent none");
}

#[test]
fn leaving_rebalances_those_who_stay() {
    let (mut coordinator, first, second) = Coordinator::with_two_members();
    assert_eq!(coordinator.group.leave(&[(first, None)], START), [Ok(())]);
    assert_eq!(coordinator.heartbeat(&second, START), Err(ResponseError::RebalanceInProgress));
    assert_eq!(coordinator.group.leave(&[(second, None)], START), [Ok(())]);
    assert_eq!(coordinator.group.state(), State::Empty);
    assert_eq!(coordinator.group.leave(&[("who".into(), None)], START), [Err(ResponseError::UnknownMemberId)]);
}

#[test]
fn the_favourite_of_most_is_chosen_among_what_all_support() {
    let mut coordinator = Coordinator { group: Classic::new(Duration::from_secs(3)), requests: 0 };
    for protocols in [vec!["range", "sticky"], vec!["roundrobin", "sticky", "range"], vec!["sticky", "range"]] {
        coordinator.enter(&Wish { protocols, ..member("") }, START);
    }
    coordinator.group.on_time(Duration::from_secs(3));
    coordinator.group.on_time(Duration::from_secs(6));
    assert_eq!(coordinator.group.protocol(), "sticky");
    let ticket = coordinator.join(&Wish { protocols: vec!["roundrobin"], ..member("") }, START);
    assert_eq!(coordinator.joined(ticket).unwrap().error_code, ResponseError::InconsistentGroupProtocol.code());
}

#[test]
fn the_first_rebalance_waits_for_more_members_but_not_beyond_the_rebalance_timeout() {
    let delay = Duration::from_secs(25);
    let mut coordinator = Coordinator { group: Classic::new(delay), requests: 0 };
    let (_, first) = coordinator.enter(&member(""), START);
    assert_eq!(coordinator.group.wake_at(), Some(delay));
    coordinator.enter(&member(""), Duration::from_secs(20));
    coordinator.group.on_time(delay);
    assert!(coordinator.joined(first).is_none(), "put off, since someone came");
    coordinator.enter(&member(""), Duration::from_secs(30));
    coordinator.group.on_time(delay * 2);
    assert!(coordinator.joined(first).is_none(), "put off once more");
    coordinator.enter(&member(""), Duration::from_secs(55));
    coordinator.group.on_time(REBALANCE);
    assert_eq!(coordinator.joined(first).unwrap().members.len(), 4);
}

#[test]
fn a_repeated_join_is_answered_from_the_present_generation() {
    let (mut coordinator, first, second) = Coordinator::with_two_members();
    let again = coordinator.join(&member(&second), START);
    assert_eq!(coordinator.joined(again).unwrap().generation_id, 2, "a follower with nothing new");
    assert_eq!(coordinator.group.state(), State::Stable);
    coordinator.join(&member(&first), START);
    assert_eq!(coordinator.group.state(), State::Preparing, "the leader wants a rebalance");
}

#[test]
fn new_metadata_rebalances() {
    let (mut coordinator, _, second) = Coordinator::with_two_members();
    coordinator.join(&Wish { protocols: vec!["range", "sticky"], ..member(&second) }, START);
    assert_eq!(coordinator.group.state(), State::Preparing);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let mut coordinator = coordinator();
    let ticket = coordinator.join(&static_member("a"), START);
    let old = coordinator.joined(ticket).expect("static members need no id first").member_id;
    coordinator.sync(&old, &[(&old, "all")], START);

    let ticket = coordinator.join(&static_member("a"), START);
    let back = coordinator.joined(ticket).unwrap();
    assert_eq!((back.error_code, back.generation_id, back.skip_assignment), (0, 1, true));
    assert_ne!(back.member_id, old);
    assert_eq!(coordinator.group.state(), State::Stable);
    let sync = coordinator.sync(&back.member_id, &[], START);
    assert_eq!(coordinator.synced(sync), Some(Ok("all".into())), "it keeps its assignment");

    let fenced = coordinator.group.heartbeat(&old, Some("a"), 1, START);
    assert_eq!(fenced, Err(ResponseError::FencedInstanceId));
}

#[test]
fn an_old_static_leader_is_not_told_that_it_leads() {
    let mut coordinator = coordinator();
    let old_client = Wish { version: 5, ..static_member("a") };
    let ticket = coordinator.join(&old_client, START);
    let old = coordinator.joined(ticket).unwrap().member_id;
    coordinator.sync(&old, &[(&old, "all")], START);
    let ticket = coordinator.join(&old_client, START);
    let back = coordinator.joined(ticket).unwrap();
    assert_eq!((back.leader, back.members.len()), (old, 0));
}

#[test]
fn a_static_member_that_replaces_one_that_waits_fences_it() {
    let (mut coordinator, _) = Coordinator::with_one_member();
    let waiting = coordinator.join(&static_member("a"), START);
    assert!(coordinator.joined(waiting).is_none());
    coordinator.join(&static_member("a"), START);
    assert_eq!(coordinator.joined(waiting).unwrap().error_code, ResponseError::FencedInstanceId.code());
}

#[test]
fn static_members_stay_though_they_miss_a_rebalance() {
    let (mut coordinator, first) = Coordinator::with_one_member();
    let joining = coordinator.join(&static_member("a"), START);
    coordinator.join(&member(&first), START);
    let id = coordinator.joined(joining).unwrap().member_id;
    coordinator.sync(&first, &[(&first, "one"), (&id, "two")], START);

    let (_, third) = coordinator.enter(&member(""), START);
    for seconds in (5..60).step_by(5) {
        coordinator.group.on_time(Duration::from_secs(seconds));
        let _ = coordinator.heartbeat(&id, Duration::from_secs(seconds));
        let _ = coordinator.heartbeat(&first, Duration::from_secs(seconds));
    }
    coordinator.group.on_time(REBALANCE);
    let joined = coordinator.joined(third).unwrap();
    assert_eq!(joined.members.len(), 2, "the static one and the third");
}

#[test]
fn commits_need_the_present_generation() {
    let (mut coordinator, first, _) = Coordinator::with_two_members();
    let group = &mut coordinator.group;
    assert_eq!(group.check_commit(&first, None, 2, START), Ok(()));
    assert_eq!(group.check_commit(&first, None, 1, START), Err(ResponseError::IllegalGeneration));
    assert_eq!(group.check_commit("who", None, 2, START), Err(ResponseError::UnknownMemberId));
    assert_eq!(group.check_commit("", None, -1, START), Err(ResponseError::UnknownMemberId));
    assert_eq!(Classic::new(START).check_commit("", None, -1, START), Ok(()), "without members anyone may");
}

#[test]
fn no_commit_is_taken_between_join_and_assignment() {
    let (mut coordinator, first) = Coordinator::with_one_member();
    coordinator.join(&member(&first), START);
    assert_eq!(coordinator.group.state(), State::Completing);
    let refused = coordinator.group.check_commit(&first, None, 2, START);
    assert_eq!(refused, Err(ResponseError::RebalanceInProgress));
}

#[test]
fn a_commit_keeps_the_session_alive() {
    let (mut coordinator, first) = Coordinator::with_one_member();
    coordinator.group.check_commit(&first, None, 1, SESSION / 2).unwrap();
    coordinator.group.on_time(SESSION);
    assert_eq!(coordinator.heartbeat(&first, SESSION), Ok(()));
}

#[test]
fn sessions_begin_anew_at_another_coordinator() {
    let (mut coordinator, first) = Coordinator::with_one_member();
    coordinator.group.moved(SESSION / 2);
    coordinator.group.on_time(SESSION);
    assert_eq!(coordinator.heartbeat(&first, SESSION), Ok(()));
}

#[test]
fn who_waits_is_told_that_the_coordinator_moved() {
    let (mut coordinator, _) = Coordinator::with_one_member();
    let (_, waiting) = coordinator.enter(&member(""), START);
    coordinator.group.moved(START);
    assert_eq!(coordinator.joined(waiting).unwrap().error_code, ResponseError::NotCoordinator.code());
}
