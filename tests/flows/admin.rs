//! Administration: each item of a call with a result of its own, from whichever broker knows.

use std::collections::BTreeSet;
use std::time::Duration;

use ottla::config::GroupProtocol;
use ottla::{
    Admin, AdminBuilder, Code, GroupState, GroupType, Kind, NewTopic, OffsetSpec, Producer, Record, TopicPartition,
};
use ottla_broker::{ApiKey, Broker, Code as BrokerCode};

use crate::{SOON, consume, pipes};

fn builder(broker: &Broker) -> AdminBuilder {
    Admin::builder(broker.address()).connector(pipes(broker)).runtime(tokio::runtime::Handle::current()).seed(7)
}

fn admin(broker: &Broker) -> Admin {
    builder(broker).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn of_several_topics_each_is_created_or_refused_by_itself() {
    let broker = Broker::start().topic("orders", 1).in_memory_only().await;
    let topics = [
        NewTopic::new("orders").partitions(3),
        NewTopic::new("payments").partitions(3).config("retention.ms", "1000"),
        NewTopic::new("audit").config("no.such.setting", "1"),
    ];

    let created = admin(&broker).create_topics(topics).await;

    let payments = created["payments"].as_ref().unwrap();
    assert_eq!((payments.partitions, payments.replication_factor), (Some(3), Some(1)));
    assert!(payments.id.is_some());
    let error = created["orders"].as_ref().unwrap_err();
    assert_eq!(error.code(), Some(Code::TopicAlreadyExists));
    assert!(error.to_string().starts_with("create topic orders: "), "{error}");
    assert_eq!(created["audit"].as_ref().unwrap_err().code(), Some(Code::InvalidConfig));
    assert_eq!(created.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn topics_are_listed_and_described_with_their_partitions_and_gone_once_deleted() {
    let broker = Broker::start().nodes(3).topic("orders", 2).topic("audit", 1).in_memory_only().await;
    let admin = admin(&broker);

    let listed = admin.list_topics().await.unwrap();
    let names: Vec<_> = listed.iter().map(|topic| (topic.name.as_str(), topic.partitions)).collect();
    assert_eq!(names, [("audit", 1), ("orders", 2)]);
    assert_eq!(listed[0].replication_factor, 3);

    let described = admin.describe_topics(["orders", "no-such-topic"]).await;
    let orders = described["orders"].as_ref().unwrap();
    assert_eq!(orders.partitions.iter().map(|partition| partition.partition).collect::<Vec<_>>(), [0, 1]);
    assert!(orders.partitions.iter().all(|partition| partition.leader == Some(partition.replicas[0])));
    assert_eq!(orders.id, listed[1].id);
    let error = described["no-such-topic"].as_ref().unwrap_err();
    assert_eq!(error.code(), Some(Code::UnknownTopicOrPartition));

    let deleted = admin.delete_topics(["orders", "no-such-topic"]).await;
    assert!(deleted["orders"].is_ok());
    assert_eq!(deleted["no-such-topic"].as_ref().unwrap_err().code(), Some(Code::UnknownTopicOrPartition));
    let left: Vec<_> = admin.list_topics().await.unwrap().into_iter().map(|topic| topic.name).collect();
    assert_eq!(left, ["audit"], "neither was a topic created by asking for it");
}

#[tokio::test(start_paused = true)]
async fn an_older_broker_is_told_names_and_needs_to_be_told_numbers() {
    let broker = Broker::start()
        .max_version(ApiKey::CreateTopics, 3)
        .max_version(ApiKey::DeleteTopics, 3)
        .max_version(ApiKey::Metadata, 7)
        .in_memory_only()
        .await;
    let admin = admin(&broker);

    let created = admin.create_topics([NewTopic::new("orders")]).await;
    let error = created["orders"].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::UnsupportedVersion);
    assert!(error.to_string().contains("number of partitions"), "{error}");

    let created = admin.create_topics([NewTopic::new("orders").partitions(2).replication_factor(1)]).await;
    assert_eq!(created["orders"].as_ref().unwrap().partitions, None, "it does not say");
    assert_eq!(admin.list_topics().await.unwrap()[0].id, None);
    assert!(admin.delete_topics(["orders"]).await["orders"].is_ok());
}

#[tokio::test(start_paused = true)]
async fn offsets_come_from_the_leader_of_each_partition() {
    let broker = Broker::start().nodes(3).topic("orders", 6).replication_factor(1).in_memory_only().await;
    let producer = Producer::builder(broker.address())
        .connector(pipes(&broker))
        .runtime(tokio::runtime::Handle::current())
        .build()
        .unwrap();
    for n in 0..6 {
        for _ in 0..n {
            drop(producer.enqueue(Record::to("orders").partition(n).value("x")).await.unwrap());
        }
    }
    producer.flush().await.unwrap();

    let of = |partition| TopicPartition::new("orders", partition);
    let admin = admin(&broker);
    let ends = admin.list_offsets((0..7).map(of), OffsetSpec::Latest).await;
    let begins = admin.list_offsets([of(5)], OffsetSpec::Earliest).await;

    for n in 0..6 {
        assert_eq!(*ends[&of(n)].as_ref().unwrap(), i64::from(n));
    }
    assert_eq!(ends[&of(6)].as_ref().unwrap_err().code(), Some(Code::UnknownTopicOrPartition));
    assert_eq!(*begins[&of(5)].as_ref().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_broker_every_item_fails_when_the_time_is_up() {
    let admin = {
        let broker = Broker::start().in_memory_only().await;
        // A name that no node has.
        Admin::builder("nobody:9092")
            .connector(pipes(&broker))
            .runtime(tokio::runtime::Handle::current())
            .default_api_timeout(Duration::from_secs(5))
            .build()
            .unwrap()
    };
    let start = tokio::time::Instant::now();

    let created = admin.create_topics([NewTopic::new("a"), NewTopic::new("b")]).await;

    assert_eq!(created.len(), 2);
    for error in created.into_values().map(Result::unwrap_err) {
        assert_eq!(error.kind(), Kind::Timeout);
        assert!(error.to_string().contains("nobody"), "{error}");
    }
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_answers_that_it_is_closed_and_so_does_a_call_under_way() {
    let broker = Broker::start().in_memory_only().await;
    let admin = Admin::builder("nobody:9092")
        .connector(pipes(&broker))
        .runtime(tokio::runtime::Handle::current())
        .build()
        .unwrap();

    let closing = admin.clone();
    let under_way = tokio::spawn(async move { admin.list_topics().await });
    tokio::task::yield_now().await;
    closing.close();

    let error = tokio::time::timeout(SOON, under_way).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::Closed);
    assert_eq!(closing.list_topics().await.unwrap_err().kind(), Kind::Closed);
}

#[test]
fn calls_need_no_tokio_of_the_callers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime.block_on(async { Broker::start().topic("orders", 1).await });
    let admin = Admin::builder(broker.address()).build().unwrap();
    let mut listing = std::pin::pin!(admin.list_topics());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let deadline = std::time::Instant::now() + SOON;
    let listed = loop {
        if let std::task::Poll::Ready(listed) = listing.as_mut().poll(&mut context) {
            break listed.unwrap();
        }
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    };
    assert_eq!(listed[0].name, "orders");
}

/// edge 88
#[tokio::test(start_paused = true)]
async fn a_broker_that_is_not_the_controller_is_left_for_the_one_that_newer_metadata_names() {
    let broker = Broker::start().nodes(3).in_memory_only().await;
    let admin = admin(&broker);
    admin.list_topics().await.unwrap();
    broker.forget_requests();
    broker.times(2, ApiKey::CreateTopics, BrokerCode::NotController);

    let created = admin.create_topics([NewTopic::new("orders")]).await;

    assert!(created["orders"].is_ok());
    assert_eq!(
        broker.seen([ApiKey::Metadata, ApiKey::CreateTopics]),
        "CreateTopics Metadata CreateTopics Metadata CreateTopics"
    );
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_died_is_replaced() {
    let broker = Broker::start().nodes(3).topic("audit", 1).in_memory_only().await;
    let admin = admin(&broker);
    admin.list_topics().await.unwrap();
    broker.node(0).stop().await;

    let deleted = tokio::time::timeout(SOON, admin.delete_topics(["audit"])).await.unwrap();

    assert!(deleted["audit"].is_ok());
    let last = broker.requests().into_iter().rfind(|request| request.api == ApiKey::DeleteTopics).unwrap();
    assert_eq!(last.node, 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_topics_over_the_quota_are_asked_for_again() {
    let broker = Broker::start().in_memory_only().await;
    broker.on(ApiKey::CreateTopics).topic("b").times(2).error(BrokerCode::ThrottlingQuotaExceeded);

    let created = admin(&broker).create_topics(["a", "b"].map(NewTopic::new)).await;

    // A second request for `a` would be answered that it is there already.
    assert!(created.values().all(Result::is_ok), "{created:?}");
    assert_eq!(broker.count(ApiKey::CreateTopics), 3);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_happened_is_not_tried_again_and_no_retries_means_one_attempt() {
    let broker = Broker::start().in_memory_only().await;
    broker.once(ApiKey::CreateTopics, BrokerCode::RequestTimedOut);
    let created = admin(&broker).create_topics([NewTopic::new("a")]).await;
    assert_eq!(created["a"].as_ref().unwrap_err().code(), Some(Code::RequestTimedOut));

    broker.always(ApiKey::CreateTopics, BrokerCode::NotController);
    let impatient = builder(&broker).retries(0_u32).build().unwrap();
    let created = impatient.create_topics([NewTopic::new("a")]).await;
    let error = created["a"].as_ref().unwrap_err();
    assert!(error.to_string().contains("NOT_CONTROLLER"), "{error}");
    assert_eq!(broker.count(ApiKey::CreateTopics), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_too_little_or_never_comes_ends_by_the_deadline() {
    let broker = Broker::start().in_memory_only().await;
    broker.on(ApiKey::DeleteTopics).always().ignore();
    let admin = builder(&broker)
        .default_api_timeout(Duration::from_secs(20))
        .request_timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    let start = tokio::time::Instant::now();

    let deleted = admin.delete_topics(["orders"]).await;

    assert_eq!(deleted["orders"].as_ref().unwrap_err().kind(), Kind::Timeout);
    assert_eq!(start.elapsed().as_secs(), 20);
    assert!(broker.count(ApiKey::DeleteTopics) > 3, "it was tried again meanwhile");
}

#[tokio::test(start_paused = true)]
async fn offsets_follow_a_leader_that_moved() {
    let broker = Broker::start().nodes(3).topic("orders", 2).in_memory_only().await;
    broker.append("orders", 1, ["a", "b"]).unwrap();
    broker.on(ApiKey::ListOffsets).partition(1).times(2).error(BrokerCode::NotLeaderOrFollower);

    let of = [0, 1].map(|partition| TopicPartition::new("orders", partition));
    let ends = tokio::time::timeout(SOON, admin(&broker).list_offsets(of.clone(), OffsetSpec::Latest)).await.unwrap();

    assert_eq!([0, 1].map(|index: usize| *ends[&of[index]].as_ref().unwrap()), [0, 2]);
}

/// edge 87
#[tokio::test(start_paused = true)]
async fn every_broker_is_asked_for_its_groups_and_one_that_refuses_is_named() {
    let broker = Broker::start().nodes(3).topic("orders", 1).in_memory_only().await;
    for (node, group) in ["a", "b", "c"].into_iter().enumerate() {
        broker.commit(group, "orders", 0, 1);
        broker.move_coordinator(group, node as i32).unwrap();
    }
    let admin = admin(&broker);

    let found = admin.list_groups().await.unwrap();
    let names: Vec<_> = found.groups.iter().map(|group| (group.group.as_str(), group.coordinator)).collect();
    assert_eq!(names, [("a", 0), ("b", 1), ("c", 2)]);
    assert_eq!(found.groups[0].state, Some(GroupState::Empty));
    assert_eq!(found.groups[0].group_type, Some(GroupType::Classic));

    broker.on(ApiKey::ListGroups).node(0).error(BrokerCode::CoordinatorLoadInProgress);
    broker.on(ApiKey::ListGroups).node(1).error(BrokerCode::ClusterAuthorizationFailed);
    let found = admin.list_groups().await.unwrap();
    let names: Vec<_> = found.groups.iter().map(|group| group.group.as_str()).collect();
    assert_eq!(names, ["a", "c"], "one was tried again, the other was not");
    assert_eq!(found.errors[&1].code(), Some(Code::ClusterAuthorizationFailed));
}

#[tokio::test(start_paused = true)]
async fn a_group_is_described_with_its_members_and_what_each_was_given() {
    let broker = Broker::start().topic("orders", 3).in_memory_only().await;
    let member = |id: &str| consume::builder(&broker).group("billing".to_owned()).client_id(id).build().unwrap();
    let members = [member("first"), member("second")];
    for member in &members {
        member.subscribe(["orders"]).await.unwrap();
    }
    let all_have_some = async {
        while members.iter().any(|member| member.assignment().is_empty()) {
            for member in &members {
                member.poll(Duration::from_millis(10)).await.unwrap();
            }
        }
    };
    tokio::time::timeout(SOON, all_have_some).await.unwrap();

    let described = admin(&broker).describe_groups(["billing", "nobody"]).await;

    let billing = described["billing"].as_ref().unwrap();
    assert_eq!((&billing.state, billing.assignor.as_str()), (&GroupState::Stable, "range"));
    let mut clients: Vec<_> = billing.members.iter().map(|member| member.client_id.as_str()).collect();
    clients.sort_unstable();
    assert_eq!(clients, ["first", "second"]);
    for member in &billing.members {
        let consumer = &members[usize::from(member.client_id == "second")];
        assert_eq!(member.assignment, consumer.assignment());
        assert!(!member.host.is_empty());
    }
    assert_eq!(described["nobody"].as_ref().unwrap_err().code(), Some(Code::GroupIdNotFound));
}

/// KIP-848: what a member has, and what it is to have once others have given it up.
#[tokio::test(start_paused = true)]
async fn a_group_whose_coordinator_assigns_is_described_with_its_epochs_and_targets() {
    let broker = Broker::start().topic("orders", 2).in_memory_only().await;
    let member = |id: &str| {
        // From the seed comes the member's id.
        let builder = consume::builder(&broker).seed(id.len() as u64).group("billing").client_id(id).client_rack("r1");
        builder.group_protocol(GroupProtocol::Consumer).build().unwrap()
    };
    let (first, second) = (member("first"), member("second"));
    first.subscribe(["orders"]).await.unwrap();
    broker.until(|_| first.assignment().len() == 2).await;
    let admin = admin(&broker);
    let before = admin.describe_groups(["billing"]).await.remove("billing").unwrap().unwrap();
    // It has records that it is not done with: what it is to give up it keeps for now.
    broker.append("orders", 0, ["tea"]).unwrap();
    while first.poll(Duration::from_secs(1)).await.unwrap().is_empty() {}
    second.subscribe(["orders"]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;

    let after = admin.describe_groups(["billing"]).await.remove("billing").unwrap().unwrap();

    assert_eq!((&before.state, &after.state), (&GroupState::Stable, &GroupState::Reconciling));
    assert_eq!((after.group_type, after.assignor.as_str()), (GroupType::Consumer, "uniform"));
    assert!(after.group_epoch > before.group_epoch);
    assert_eq!(after.target_assignment_epoch, after.group_epoch);
    let of = |client: &str| after.members.iter().find(|member| member.client_id == client).unwrap();
    assert_eq!(of("first").assignment, first.assignment());
    assert_eq!((of("first").assignment.len(), of("second").assignment.len()), (2, 0));
    let targets: BTreeSet<_> =
        after.members.iter().flat_map(|member| member.target_assignment.iter().flatten()).collect();
    assert!(after.members.iter().all(|member| member.target_assignment.as_ref().unwrap().len() == 1));
    assert_eq!(targets.len(), 2, "one each");
    assert_eq!((of("first").member_epoch, of("second").member_epoch), (before.group_epoch, after.group_epoch));
    assert!(after.members.iter().all(|member| member.is_upgraded == Some(true)));
    assert!(after.members.iter().all(|member| member.rack_id.as_deref() == Some("r1")));
}

#[tokio::test(start_paused = true)]
async fn what_a_group_has_committed_is_found_at_whichever_broker_coordinates_it() {
    for version in [5, 8, 9] {
        let broker =
            Broker::start().nodes(3).topic("orders", 3).max_version(ApiKey::OffsetFetch, version).in_memory_only();
        let broker = broker.await;
        broker.commit("billing", "orders", 0, 7);
        broker.commit("billing", "orders", 2, 0);
        let admin = admin(&broker);
        let before = admin.list_group_offsets("billing").await.unwrap();
        let elsewhere = (broker.coordinator("billing").unwrap() + 1) % 3;
        broker.move_coordinator("billing", elsewhere).unwrap();

        let after = tokio::time::timeout(SOON, admin.list_group_offsets("billing")).await.unwrap().unwrap();

        let offsets: Vec<_> =
            after.iter().map(|(of, offset)| (of.partition, offset.as_ref().unwrap().offset)).collect();
        assert_eq!(offsets, [(0, 7), (2, 0)], "version {version}");
        assert_eq!(before.len(), after.len());
        assert!(admin.list_group_offsets("nobody").await.unwrap().is_empty());
    }
}
