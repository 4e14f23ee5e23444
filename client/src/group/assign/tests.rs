use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::TopicPartition;

/// What each member gets, by member id.
type Assignment = BTreeMap<String, Vec<TopicPartition>>;

const STRATEGIES: [AssignmentStrategy; 2] = [AssignmentStrategy::Range, AssignmentStrategy::RoundRobin];

fn member(id: &str, topics: &[&str]) -> GroupMember {
    GroupMember::new(id, topics.iter().copied())
}

fn without_racks(topics: &[(&str, usize)]) -> GroupTopics {
    topics.iter().fold(GroupTopics::default(), |topics, (name, partitions)| topics.topic(*name, *partitions))
}

/// What the leader sends, each member's partitions in order.
fn assign(strategy: AssignmentStrategy, members: &[GroupMember], topics: &GroupTopics) -> Assignment {
    let assignors = Assignors::new(&[], &[strategy]).unwrap();
    let assignor = assignors.all().next().unwrap();
    let assigned = assignors.assign(assignor, &mut members.to_vec(), topics).unwrap();
    let sorted = |(id, mut assignment): (String, MemberAssignment)| {
        assignment.partitions.sort();
        (id, assignment.partitions)
    };
    assigned.into_iter().map(sorted).collect()
}

/// `m0=t0:0,t0:1 m1=`
fn show(assignment: &Assignment) -> String {
    let show = |(id, partitions): (&String, &Vec<TopicPartition>)| {
        let partitions: Vec<_> =
            partitions.iter().map(|partition| format!("{}:{}", partition.topic, partition.partition)).collect();
        format!("{id}={}", partitions.join(","))
    };
    assignment.iter().map(show).collect::<Vec<_>>().join(" ")
}

/// One line of `java.txt`: strategy, members, topics, and what Java's class makes of them.
///
/// A member is `id,instance,rack,topic+topic`, a topic `name:` with the racks of each partition, a letter each.
fn case(line: &str) -> (AssignmentStrategy, Vec<GroupMember>, GroupTopics, String) {
    let fields: Vec<_> = line.split(" | ").collect();
    let strategy = STRATEGIES.into_iter().find(|strategy| strategy.assignor().name() == fields[0]).unwrap();
    let given = |text: &str| (text != "-").then(|| text.to_owned());
    let members = fields[1]
        .split(' ')
        .map(|text| {
            let parts: Vec<_> = text.split(',').collect();
            let topics: Vec<_> = parts[3].split('+').filter(|topic| *topic != "-").collect();
            let mut member = member(parts[0], &topics);
            member.group_instance_id = given(parts[1]);
            member.rack_id = given(parts[2]);
            member
        })
        .collect();
    let racks = |text: &str| text.chars().filter(|rack| *rack != '-').map(|rack| rack.to_string().into()).collect();
    let topics = fields[2]
        .split(' ')
        .map(|text| {
            let (name, partitions) = text.split_once(':').unwrap();
            (name.into(), partitions.split('.').map(racks).collect())
        })
        .collect();
    (strategy, members, GroupTopics(topics), fields[3].to_owned())
}

/// `java.txt` holds what the classes of kafka-clients 4.3.1 made of members and topics drawn at random.
#[test]
fn assigns_as_the_java_client_does() {
    for line in include_str!("java.txt").lines() {
        let (strategy, members, topics, expected) = case(line);
        assert_eq!(show(&assign(strategy, &members, &topics)), expected, "{line}");
    }
}

#[test]
fn range_gives_runs_of_each_topic_and_the_first_members_one_more() {
    let members = [member("b", &["t0", "t1"]), member("a", &["t0", "t1"])];
    let assignment = assign(AssignmentStrategy::Range, &members, &without_racks(&[("t0", 3), ("t1", 3)]));
    assert_eq!(show(&assignment), "a=t0:0,t0:1,t1:0,t1:1 b=t0:2,t1:2");
}

#[test]
fn round_robin_goes_on_over_the_border_of_topics() {
    let members = [member("b", &["t0", "t1"]), member("a", &["t0", "t1"])];
    let assignment = assign(AssignmentStrategy::RoundRobin, &members, &without_racks(&[("t0", 3), ("t1", 3)]));
    assert_eq!(show(&assignment), "a=t0:0,t0:2,t1:1 b=t0:1,t1:0,t1:2");
}

#[test]
fn a_member_with_an_instance_id_keeps_its_place_whatever_its_member_id() {
    for strategy in STRATEGIES {
        let assigned = |id: &str| {
            let mut fixed = member(id, &["t"]);
            fixed.group_instance_id = Some("i1".into());
            let members = [member("m", &["t"]), fixed];
            assign(strategy, &members, &without_racks(&[("t", 3)])).remove(id).unwrap()
        };
        assert_eq!(assigned("a"), assigned("z"), "{strategy:?}");
    }
}

#[test]
fn nobody_to_assign_to_and_nothing_to_assign_are_no_trouble() {
    for strategy in STRATEGIES {
        assert_eq!(show(&assign(strategy, &[], &without_racks(&[("t", 3)]))), "");
        assert_eq!(show(&assign(strategy, &[member("a", &[])], &without_racks(&[("t", 3)]))), "a=");
        assert_eq!(show(&assign(strategy, &[member("a", &["t"])], &without_racks(&[("t", 0)]))), "a=");
        assert_eq!(show(&assign(strategy, &[member("a", &["t", "t"])], &without_racks(&[("t", 1)]))), "a=t:0");
    }
}

/// Groups drawn at random, of members that want some topics each.
fn draw(random: &mut fastrand::Rng) -> (Vec<GroupMember>, GroupTopics) {
    let names: Vec<String> = (0..random.usize(1..5)).map(|topic| format!("t{topic}")).collect();
    let topics = names
        .iter()
        .map(|name| {
            let mut racks = || ["a", "b", "c"].into_iter().filter(|_| random.bool()).map(Into::into).collect();
            let racks: Vec<Racks> = (0..8).map(|_| racks()).collect();
            (name.as_str().into(), racks[..random.usize(..8)].to_vec())
        })
        .collect();
    let members = (0..random.usize(1..7))
        .map(|index| {
            let wanted: Vec<_> = names.iter().map(String::as_str).filter(|_| random.u8(..4) > 0).collect();
            let mut member = member(&format!("m{index}"), &wanted);
            member.group_instance_id = random.bool().then(|| format!("i{}", 9 - index));
            member.rack_id = random.bool().then(|| random.choice(["a", "b", "c"]).unwrap_or("a").into());
            member
        })
        .collect();
    (members, GroupTopics(topics))
}

#[test]
fn every_partition_goes_to_exactly_one_member_that_wants_its_topic() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..2_000 {
        let (members, topics) = draw(&mut random);
        for strategy in STRATEGIES {
            let assignment = assign(strategy, &members, &topics);
            assert_eq!(assignment.len(), members.len());
            let mut assigned: Vec<_> = assignment.values().flatten().cloned().collect();
            assigned.sort();
            let is_wanted = |partition: &TopicPartition| members.iter().any(|member| member.wants(partition));
            let expected: Vec<_> = topics.iter().filter(is_wanted).collect();
            assert_eq!(assigned, expected, "{strategy:?} of {members:?}");
            for member in &members {
                assert!(assignment[&member.member_id].iter().all(|partition| member.wants(partition)));
            }
        }
    }
}

#[test]
fn range_shares_each_topic_out_evenly_with_or_without_racks() {
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..2_000 {
        let (members, topics) = draw(&mut random);
        let assignment = assign(AssignmentStrategy::Range, &members, &topics);
        for topic in topics.0.keys() {
            let counts: Vec<_> = members
                .iter()
                .filter(|member| member.topics.contains(topic))
                .map(|member| {
                    assignment[&member.member_id].iter().filter(|partition| partition.topic == *topic).count()
                })
                .collect();
            let (least, most) = (counts.iter().min().unwrap_or(&0), counts.iter().max().unwrap_or(&0));
            assert!(most - least <= 1, "{counts:?} of {members:?}");
        }
    }
}

#[test]
fn round_robin_deals_evenly_to_members_that_want_the_same() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..500 {
        let (mut members, topics) = draw(&mut random);
        let all: BTreeSet<_> = topics.0.keys().cloned().collect();
        for member in &mut members {
            member.topics.clone_from(&all);
        }
        let assignment = assign(AssignmentStrategy::RoundRobin, &members, &topics);
        let counts: Vec<_> = assignment.values().map(Vec::len).collect();
        assert!(counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0) <= 1, "{counts:?}");
    }
}
