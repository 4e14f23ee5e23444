use super::*;

const STRATEGIES: [AssignmentStrategy; 2] = [AssignmentStrategy::Range, AssignmentStrategy::RoundRobin];

fn member(id: &str, topics: &[&str]) -> Member {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().copied().map(Str::from).collect(),
        ..ConsumerProtocolSubscription::default()
    };
    Member { id: id.into(), instance_id: None, subscription }
}

fn without_racks(topics: &[(&str, usize)]) -> Topics {
    topics.iter().map(|(name, partitions)| ((*name).into(), vec![Racks::new(); *partitions])).collect()
}

/// `m0=t0:0,t0:1 m1=`
fn show(assignment: &Assignment) -> String {
    let show = |(id, partitions): (&Str, &Vec<TopicPartition>)| {
        let partitions: Vec<_> =
            partitions.iter().map(|partition| format!("{}:{}", partition.topic, partition.partition)).collect();
        format!("{id}={}", partitions.join(","))
    };
    assignment.iter().map(show).collect::<Vec<_>>().join(" ")
}

/// One line of `java.txt`: strategy, members, topics, and what Java's class makes of them.
///
/// A member is `id,instance,rack,topic+topic`, a topic `name:` with the racks of each partition, a letter each.
fn case(line: &str) -> (AssignmentStrategy, Vec<Member>, Topics, String) {
    let fields: Vec<_> = line.split(" | ").collect();
    let strategy = STRATEGIES.into_iter().find(|strategy| strategy.name() == fields[0]).unwrap();
    let given = |text: &str| (text != "-").then(|| Str::from(text));
    let members = fields[1]
        .split(' ')
        .map(|text| {
            let parts: Vec<_> = text.split(',').collect();
            let topics: Vec<_> = parts[3].split('+').filter(|topic| *topic != "-").collect();
            let mut member = member(parts[0], &topics);
            member.instance_id = given(parts[1]);
            member.subscription.rack_id = given(parts[2]);
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
    (strategy, members, topics, fields[3].to_owned())
}

/// `java.txt` holds what the classes of kafka-clients 4.3.1 made of members and topics drawn at random.
#[test]
fn assigns_as_the_java_client_does() {
    for line in include_str!("java.txt").lines() {
        let (strategy, members, topics, expected) = case(line);
        let assignment = strategy.assign(&members, &topics);
        let sorted: Assignment = assignment
            .into_iter()
            .map(|(id, mut partitions)| {
                partitions.sort();
                (id, partitions)
            })
            .collect();
        assert_eq!(show(&sorted), expected, "{line}");
    }
}

#[test]
fn range_gives_runs_of_each_topic_and_the_first_members_one_more() {
    let members = [member("b", &["t0", "t1"]), member("a", &["t0", "t1"])];
    let assignment = AssignmentStrategy::Range.assign(&members, &without_racks(&[("t0", 3), ("t1", 3)]));
    assert_eq!(show(&assignment), "a=t0:0,t0:1,t1:0,t1:1 b=t0:2,t1:2");
}

#[test]
fn round_robin_goes_on_over_the_border_of_topics() {
    let members = [member("b", &["t0", "t1"]), member("a", &["t0", "t1"])];
    let assignment = AssignmentStrategy::RoundRobin.assign(&members, &without_racks(&[("t0", 3), ("t1", 3)]));
    assert_eq!(show(&assignment), "a=t0:0,t0:2,t1:1 b=t0:1,t1:0,t1:2");
}

#[test]
fn a_member_with_an_instance_id_keeps_its_place_whatever_its_member_id() {
    for strategy in STRATEGIES {
        let assign = |id: &str| {
            let mut fixed = member(id, &["t"]);
            fixed.instance_id = Some("i1".into());
            let members = [member("m", &["t"]), fixed];
            strategy.assign(&members, &without_racks(&[("t", 3)])).remove(id).unwrap()
        };
        assert_eq!(assign("a"), assign("z"), "{strategy:?}");
    }
}

#[test]
fn nobody_to_assign_to_and_nothing_to_assign_are_no_trouble() {
    for strategy in STRATEGIES {
        assert_eq!(show(&strategy.assign(&[], &without_racks(&[("t", 3)]))), "");
        assert_eq!(show(&strategy.assign(&[member("a", &[])], &without_racks(&[("t", 3)]))), "a=");
        assert_eq!(show(&strategy.assign(&[member("a", &["t"])], &without_racks(&[("t", 0)]))), "a=");
        assert_eq!(show(&strategy.assign(&[member("a", &["t", "t"])], &without_racks(&[("t", 1)]))), "a=t:0");
    }
}

/// Groups drawn at random, of members that want some topics each.
fn draw(random: &mut fastrand::Rng) -> (Vec<Member>, Topics) {
    let names: Vec<String> = (0..random.usize(1..5)).map(|topic| format!("t{topic}")).collect();
    let topics = names
        .iter()
        .map(|name| {
            let mut racks = || ["a", "b", "c"].into_iter().filter(|_| random.bool()).map(Str::from).collect();
            let racks: Vec<Racks> = (0..8).map(|_| racks()).collect();
            (name.as_str().into(), racks[..random.usize(..8)].to_vec())
        })
        .collect();
    let members = (0..random.usize(1..7))
        .map(|index| {
            let wanted: Vec<_> = names.iter().map(String::as_str).filter(|_| random.u8(..4) > 0).collect();
            let mut member = member(&format!("m{index}"), &wanted);
            member.instance_id = random.bool().then(|| format!("i{}", 9 - index).into());
            member.subscription.rack_id = random.bool().then(|| random.choice(["a", "b", "c"]).unwrap_or("a").into());
            member
        })
        .collect();
    (members, topics)
}

#[test]
fn every_partition_goes_to_exactly_one_member_that_wants_its_topic() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..2_000 {
        let (members, topics) = draw(&mut random);
        for strategy in STRATEGIES {
            let assignment = strategy.assign(&members, &topics);
            assert_eq!(assignment.len(), members.len());
            let mut assigned: Vec<_> = assignment.values().flatten().cloned().collect();
            assigned.sort();
            let is_wanted = |topic: &str| {
                members.iter().any(|member| member.subscription.topics.iter().any(|wanted| wanted == topic))
            };
            let expected: Vec<_> = topics
                .iter()
                .filter(|(topic, _)| is_wanted(topic))
                .flat_map(|(topic, racks)| {
                    (0..).take(racks.len()).map(|partition| TopicPartition::new(topic.clone(), partition))
                })
                .collect();
            assert_eq!(assigned, expected, "{strategy:?} of {members:?}");
            for member in &members {
                for partition in &assignment[&member.id] {
                    assert!(member.subscription.topics.iter().any(|wanted| **wanted == *partition.topic));
                }
            }
        }
    }
}

#[test]
fn range_shares_each_topic_out_evenly_with_or_without_racks() {
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..2_000 {
        let (members, topics) = draw(&mut random);
        let assignment = AssignmentStrategy::Range.assign(&members, &topics);
        for topic in topics.keys() {
            let counts: Vec<_> = members
                .iter()
                .filter(|member| member.subscription.topics.iter().any(|wanted| **wanted == **topic))
                .map(|member| assignment[&member.id].iter().filter(|partition| partition.topic == *topic).count())
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
        let all: Vec<Str> = topics.keys().map(|topic| Str::from(&**topic)).collect();
        for member in &mut members {
            member.subscription.topics.clone_from(&all);
        }
        let assignment = AssignmentStrategy::RoundRobin.assign(&members, &topics);
        let counts: Vec<_> = assignment.values().map(Vec::len).collect();
        assert!(counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0) <= 1, "{counts:?}");
    }
}
