use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// One line of `java.txt`: assignor, members, topics, and what Java's class makes of them.
///
/// A member is `id,rack,topic+topic,generation,owned+owned`, a topic `name:` with the racks of each partition, a letter
/// each.
fn case(line: &str) -> (bool, Vec<GroupMember>, GroupTopics, String) {
    let fields: Vec<_> = line.split(" | ").collect();
    let is_cooperative = fields[0] == "cooperative-sticky";
    let given = |text: &str| (text != "-").then(|| text.to_owned());
    let member = |text: &str| {
        let parts: Vec<_> = text.split(',').collect();
        let mut member = GroupMember::new(parts[0], parts[2].split('+').filter(|topic| *topic != "-"));
        member.rack_id = given(parts[1]);
        let generation = given(parts[3]).map(|generation| generation.parse().unwrap());
        let owned = parts[4].split('+').filter(|partition| *partition != "-").map(|partition| {
            let (topic, number) = partition.split_once(':').unwrap();
            TopicPartition::new(topic, number.parse().unwrap())
        });
        claim(&mut member, owned.collect(), generation, is_cooperative);
        member
    };
    let racks = |text: &str| text.chars().filter(|rack| *rack != '-').map(|rack| rack.to_string()).collect::<Vec<_>>();
    let topics = fields[2].split(' ').fold(GroupTopics::default(), |topics, text| {
        let (name, partitions) = text.split_once(':').unwrap();
        topics.topic_in_racks(name, partitions.split('.').map(racks))
    });
    (is_cooperative, fields[1].split(' ').map(member).collect(), topics, fields[3].to_owned())
}

/// Lets the member say that it owns these.
fn claim(member: &mut GroupMember, owned: Vec<TopicPartition>, generation: Option<i32>, is_cooperative: bool) {
    member.generation_id = generation;
    if is_cooperative {
        member.owned_partitions = owned;
    } else {
        let bytes = user_data::write_assignment(&owned, generation.unwrap_or(NO_GENERATION));
        let is_version_0 = generation.is_none();
        member.user_data = Some(if is_version_0 { bytes.slice(..bytes.len() - 4) } else { bytes });
    }
}

fn assign(
    is_cooperative: bool,
    members: &[GroupMember],
    topics: &GroupTopics,
) -> BTreeMap<String, Vec<TopicPartition>> {
    let assigned = if is_cooperative {
        CooperativeStickyAssignor::default().assign(members, topics)
    } else {
        StickyAssignor::default().assign(members, topics)
    };
    let sorted = |(id, mut assignment): (String, MemberAssignment)| {
        assignment.partitions.sort();
        (id, assignment.partitions)
    };
    assigned.unwrap().into_iter().map(sorted).collect()
}

/// `m0=t0:0,t0:1 m1=`
fn show(assignment: &BTreeMap<String, Vec<TopicPartition>>) -> String {
    let show = |(id, partitions): (&String, &Vec<TopicPartition>)| {
        let partitions: Vec<_> =
            partitions.iter().map(|partition| format!("{}:{}", partition.topic, partition.partition)).collect();
        format!("{id}={}", partitions.join(","))
    };
    assignment.iter().map(show).collect::<Vec<_>>().join(" ")
}

/// `java.txt` holds what the classes of kafka-clients 4.3.1 made of groups drawn at random and of what became of them in
/// rounds after, where members come, go, are late, or change what they want.
///
/// Java's result follows the order of its hash tables where it is a matter of taste; the names in `java.txt` are ones that
/// those tables keep in our order. Left out is what Java gives to members that do not want it.
#[test]
fn assigns_as_the_java_client_does() {
    for line in include_str!("java.txt").lines() {
        let (is_cooperative, members, topics, expected) = case(line);
        assert_eq!(show(&assign(is_cooperative, &members, &topics)), expected, "{line}");
    }
}

/// The topics it wants, its rack, its generation, and what it claims.
type DrawnMember = (u8, Option<u8>, Option<i32>, Vec<(u8, i32)>);

/// Members, and for each topic the racks of each partition.
type Drawn = (Vec<DrawnMember>, Vec<Vec<u8>>);

/// Groups of all kinds, with claims to what exists, what does not, and what others claim as well.
fn draw() -> impl Strategy<Value = Drawn> {
    let claims = vec((0..7_u8, -1..9_i32), 0..20);
    let member = (any::<u8>(), option::of(0..3_u8), option::of(-1..4_i32), claims);
    let topics = vec(vec(0..8_u8, 0..8), 1..6);
    (vec(member, 0..9), topics)
}

fn group(
    (members, topics): &Drawn,
    is_cooperative: bool,
    has_racks: bool,
    wants_all: bool,
) -> (Vec<GroupMember>, GroupTopics) {
    let letter = |rack: u8| char::from(b'a' + rack).to_string();
    let member = |(index, (wants, rack, generation, claims)): (usize, &DrawnMember)| {
        let wanted = (0..7).filter(|topic| wants_all || wants & 1 << topic != 0);
        let mut member = GroupMember::new(format!("m{index}"), wanted.map(|topic| format!("t{topic}")));
        member.rack_id = rack.filter(|_| has_racks).map(letter);
        let owned = claims.iter().map(|(topic, number)| TopicPartition::new(format!("t{topic}"), *number)).collect();
        claim(&mut member, owned, *generation, is_cooperative);
        member
    };
    let racks = |racks: &u8| {
        let racks = *racks;
        (0..3).filter(move |rack| has_racks && racks & 1 << rack != 0).map(letter).collect::<Vec<_>>()
    };
    let topics = topics.iter().enumerate().fold(GroupTopics::default(), |all, (index, partitions)| {
        all.topic_in_racks(format!("t{index}"), partitions.iter().map(racks))
    });
    (members.iter().enumerate().map(member).collect(), topics)
}

/// All partitions of `topics` that a member wants, once each, go to members that want them, and none could go to a member
/// with at least two fewer.
fn check_complete_and_balanced(
    assigned: &BTreeMap<String, Vec<TopicPartition>>,
    members: &[GroupMember],
    topics: &GroupTopics,
) -> Result<(), TestCaseError> {
    let mut all: Vec<_> = assigned.values().flatten().cloned().collect();
    all.sort();
    let is_wanted = |partition: &TopicPartition| members.iter().any(|member| member.wants(partition));
    prop_assert_eq!(all, topics.iter().filter(is_wanted).collect::<Vec<_>>());
    for owner in members {
        let owned = &assigned[&owner.member_id];
        for partition in owned {
            prop_assert!(owner.wants(partition), "{} does not want {}", owner.member_id, partition);
            for other in members.iter().filter(|other| other.wants(partition)) {
                let count = assigned[&other.member_id].len();
                prop_assert!(owned.len() <= count + 1, "{partition} should go to {}", other.member_id);
            }
        }
    }
    Ok(())
}

/// Each member owns what it was assigned.
fn adopt(
    members: &mut [GroupMember],
    assigned: &BTreeMap<String, Vec<TopicPartition>>,
    generation: i32,
    is_cooperative: bool,
) {
    for member in members {
        let owned = assigned[&member.member_id].clone();
        claim(member, owned, Some(generation), is_cooperative);
    }
}

proptest! {
    /// edge 67
    #[test]
    fn whatever_is_claimed_it_ends_with_everything_assigned_and_shares_as_equal_as_can_be(
        drawn in draw(), has_racks: bool, wants_all: bool,
    ) {
        let (members, topics) = group(&drawn, false, has_racks, wants_all);
        check_complete_and_balanced(&assign(false, &members, &topics), &members, &topics)?;
    }

    /// KIP-429
    #[test]
    fn what_another_owns_is_not_given_before_that_has_given_it_up(drawn in draw(), has_racks: bool, wants_all: bool) {
        let (members, topics) = group(&drawn, true, has_racks, wants_all);
        let assigned = assign(true, &members, &topics);
        for member in &members {
            for partition in &assigned[&member.member_id] {
                let mut owners = members.iter().filter(|other| other.owned_partitions.contains(partition)).peekable();
                let is_free = owners.peek().is_none();
                prop_assert!(is_free || owners.any(|owner| owner == member), "{partition} to {}", member.member_id);
            }
        }
    }

    /// Where all want the same, the round after is the last in which anything changes; else what was withheld may make
    /// another share the smallest.
    #[test]
    fn a_cooperative_group_comes_to_rest(drawn in draw(), wants_all: bool) {
        let (mut members, topics) = group(&drawn, true, false, wants_all);
        let mut last = assign(true, &members, &topics);
        for round in 1.. {
            adopt(&mut members, &last, 10 + round, true);
            let next = assign(true, &members, &topics);
            if next == last {
                break;
            }
            prop_assert!(round < if wants_all { 2 } else { 5 }, "round {round}: {next:?} after {last:?}");
            last = next;
        }
        check_complete_and_balanced(&last, &members, &topics)?;
    }

    #[test]
    fn who_stays_keeps_everything_when_another_leaves(drawn in draw()) {
        let (mut members, topics) = group(&drawn, false, false, true);
        let before = assign(false, &members, &topics);
        adopt(&mut members, &before, 10, false);
        members.pop();
        let after = assign(false, &members, &topics);
        for member in &members {
            let id = &member.member_id;
            prop_assert!(before[id].iter().all(|partition| after[id].contains(partition)), "{id} lost something");
        }
    }

    #[test]
    fn who_joins_alone_gets_what_others_had(drawn in draw()) {
        let (mut members, topics) = group(&drawn, false, false, true);
        let Some(new) = members.pop() else { return Ok(()) };
        let before = assign(false, &members, &topics);
        adopt(&mut members, &before, 10, false);
        members.push(GroupMember { user_data: None, generation_id: None, ..new });
        let after = assign(false, &members, &topics);
        for (id, owned) in &before {
            prop_assert!(after[id].iter().all(|partition| owned.contains(partition)), "{id} got something");
        }
    }
}

#[test]
fn a_claim_of_an_earlier_generation_yields_to_a_later_one() {
    let mut members = vec![GroupMember::new("a", ["t"]), GroupMember::new("b", ["t"])];
    let all: Vec<_> = (0..2).map(|number| TopicPartition::new("t", number)).collect();
    claim(&mut members[0], all[..1].to_vec(), Some(4), true);
    claim(&mut members[1], all[..1].to_vec(), Some(5), true);
    let assigned = assign(true, &members, &GroupTopics::default().topic("t", 2));
    assert_eq!(show(&assigned), "a=t:1 b=t:0");
}

#[test]
fn what_two_claim_at_once_is_withheld_until_both_have_given_it_up() {
    let mut members = vec![GroupMember::new("a", ["t"]), GroupMember::new("b", ["t"])];
    for member in &mut members {
        claim(member, vec![TopicPartition::new("t", 0)], Some(5), true);
    }
    let topics = GroupTopics::default().topic("t", 2);
    let assigned = assign(true, &members, &topics);
    assert_eq!(show(&assigned), "a= b=t:1");
    adopt(&mut members, &assigned, 6, true);
    assert_eq!(show(&assign(true, &members, &topics)), "a=t:0 b=t:1");
}

#[test]
fn a_member_that_speaks_an_older_version_tells_its_generation_beside_the_subscription() {
    let mut members = vec![GroupMember::new("a", ["t"]), GroupMember::new("b", ["t"])];
    for (member, generation) in members.iter_mut().zip([7, 6]) {
        member.owned_partitions = vec![TopicPartition::new("t", 0)];
        member.user_data = Some(user_data::write_generation(generation));
    }
    let assigned = assign(true, &members, &GroupTopics::default().topic("t", 2));
    assert_eq!(show(&assigned), "a=t:0 b=t:1");
}

#[test]
fn each_tells_the_next_leader_what_it_was_assigned_last() {
    let wanted = BTreeSet::new();
    let group =
        GroupMetadata { group_id: "g".into(), generation_id: 7, member_id: "a".into(), group_instance_id: None };
    let assignment: MemberAssignment = vec![TopicPartition::new("t", 3)].into();

    let sticky = StickyAssignor::default();
    assert_eq!(sticky.subscription_user_data(&wanted), None);
    sticky.on_assignment(&assignment, &group);
    let told = user_data::read_assignment(&sticky.subscription_user_data(&wanted).unwrap());
    assert_eq!(told, (assignment.partitions.clone(), 7));

    let cooperative = CooperativeStickyAssignor::default();
    assert_eq!(cooperative.subscription_user_data(&wanted), Some(user_data::write_generation(NO_GENERATION)));
    cooperative.on_assignment(&assignment, &group);
    assert_eq!(cooperative.subscription_user_data(&wanted), Some(user_data::write_generation(7)));
}

/// A thousand members and ten thousand partitions, of which hardly any may move when few members come and go.
#[test]
fn large_groups_stay_as_they_are_when_a_member_goes() {
    for (has_racks, wants_all) in [(false, true), (true, true), (false, false), (true, false)] {
        let topics = (0..100).fold(GroupTopics::default(), |all, topic| {
            let racks = (0..100).map(|number| if has_racks { vec![["a", "b", "c"][number % 3]] } else { vec![] });
            all.topic_in_racks(format!("t{topic:02}"), racks)
        });
        let member = |index: usize| {
            let wanted = (0..100).filter(|topic| wants_all || (topic + index) % 10 < 7);
            let mut member = GroupMember::new(format!("m{index:03}"), wanted.map(|topic| format!("t{topic:02}")));
            member.rack_id = has_racks.then(|| ["a", "b", "c"][index % 3].to_owned());
            member
        };
        let mut members: Vec<_> = (0..1_000).map(member).collect();
        let before = assign(false, &members, &topics);
        assert!(before.values().all(|owned| (9..=11).contains(&owned.len())), "{has_racks} {wants_all}");
        adopt(&mut members, &before, 1, false);
        members.pop();
        let after = assign(false, &members, &topics);
        let kept: usize = members
            .iter()
            .map(|member| &member.member_id)
            .map(|id| before[id].iter().filter(|partition| after[id].contains(partition)).count())
            .sum();
        assert!(kept > 9_800, "{kept} kept: {has_racks} {wants_all}");
    }
}
