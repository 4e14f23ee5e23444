//! Calls of an admin client: one that is dropped may have done its work or not, and the next of the same says so.

use ottla::{Admin, Code, Consumer, NewTopic, OffsetSpec, TopicPartition};

use crate::Call;
use crate::scene::{PARTITIONS, SOON, Scene, TOPIC, anywhere, soon};

const GROUP: &str = "billing";

pub(crate) const CALLS: &[Call] = &[
    ("Admin::client_instance_id", || {
        calling(async |scene, admin| {
            let first = scene.dropped(admin.client_instance_id(SOON)).await;
            let id = soon("client_instance_id", admin.client_instance_id(SOON)).await.unwrap();
            assert!(first.is_none_or(|first| first.unwrap() == id));
        });
    }),
    ("Admin::create_topics", || {
        calling(async |scene, admin| {
            let new = || ["new", "newer"].map(|name| NewTopic::new(name).partitions(2));
            if let Some(created) = scene.dropped(admin.create_topics(new())).await {
                assert!(created.values().all(Result::is_ok), "{created:?}");
            }
            for created in soon("create_topics", admin.create_topics(new())).await.into_values() {
                assert!(created.as_ref().err().is_none_or(|it| it.code() == Some(Code::TopicAlreadyExists)));
            }
            assert_eq!(names(scene, admin).await, ["new", "newer", TOPIC]);
        });
    }),
    ("Admin::delete_topics", || {
        calling(async |scene, admin| {
            scene.broker().create_topic("old", 2).unwrap();
            if let Some(deleted) = scene.dropped(admin.delete_topics(["old"])).await {
                assert!(deleted["old"].is_ok(), "{deleted:?}");
            }
            let deleted = &soon("delete_topics", admin.delete_topics(["old"])).await["old"];
            assert!(deleted.as_ref().err().is_none_or(|it| it.code() == Some(Code::UnknownTopicOrPartition)));
            assert_eq!(names(scene, admin).await, [TOPIC]);
        });
    }),
    ("Admin::list_topics", || {
        calling(async |scene, admin| {
            if let Some(listed) = scene.dropped(admin.list_topics()).await {
                assert_eq!(listed.unwrap().len(), 1);
            }
        });
    }),
    ("Admin::describe_topics", || {
        calling(async |scene, admin| {
            if let Some(described) = scene.dropped(admin.describe_topics([TOPIC, "none"])).await {
                assert_eq!(described[TOPIC].as_ref().unwrap().partitions.len(), PARTITIONS as usize);
                assert_eq!(described["none"].as_ref().unwrap_err().code(), Some(Code::UnknownTopicOrPartition));
            }
        });
    }),
    ("Admin::list_offsets", || {
        calling(async |scene, admin| {
            scene.broker().append(TOPIC, 1, ["a", "b"]).unwrap();
            let all = [0, 1, 2].map(|partition| TopicPartition::new(TOPIC, partition));
            let ends = |offsets: std::collections::BTreeMap<_, Result<i64, _>>| {
                offsets.into_values().map(Result::unwrap).collect::<Vec<i64>>()
            };
            if let Some(offsets) = scene.dropped(admin.list_offsets(all.clone(), OffsetSpec::Latest)).await {
                assert_eq!(ends(offsets), [0, 2, 0]);
            }
            let again = soon("list_offsets", admin.list_offsets(all, OffsetSpec::Latest)).await;
            assert_eq!(ends(again), [0, 2, 0]);
        });
    }),
    ("Admin::list_group_offsets", || {
        calling(async |scene, admin| {
            scene.broker().commit(GROUP, TOPIC, 1, 7);
            for is_again in [false, true] {
                let call = admin.list_group_offsets(GROUP);
                let listed =
                    if is_again { Some(soon("list_group_offsets", call).await) } else { scene.dropped(call).await };
                let Some(listed) = listed else { continue };
                let listed: Vec<i64> = listed.unwrap().into_values().map(|offset| offset.unwrap().offset).collect();
                assert_eq!(listed, [7]);
            }
        });
    }),
    ("Admin::list_groups", || {
        calling(async |scene, admin| {
            let _member = member(scene).await;
            if let Some(listed) = scene.dropped(admin.list_groups()).await {
                assert_eq!(listed.unwrap().groups.len(), 1);
            }
            assert_eq!(soon("list_groups", admin.list_groups()).await.unwrap().groups.len(), 1);
        });
    }),
    ("Admin::describe_groups", || {
        calling(async |scene, admin| {
            let _member = member(scene).await;
            if let Some(described) = scene.dropped(admin.describe_groups([GROUP, "none"])).await {
                assert_eq!(described[GROUP].as_ref().unwrap().members.len(), 1);
                assert_eq!(described["none"].as_ref().unwrap_err().code(), Some(Code::GroupIdNotFound));
            }
            let again = soon("describe_groups", admin.describe_groups([GROUP])).await;
            assert_eq!(again[GROUP].as_ref().unwrap().members.len(), 1);
        });
    }),
];

/// With a client that has asked nothing yet, and with one that has connections.
fn calling(call: impl AsyncFn(&Scene, &Admin)) {
    for is_warm in [false, true] {
        anywhere(async |scene| {
            let admin = Admin::builder(scene.bootstrap()).process(scene.process()).build().unwrap();
            if is_warm {
                names(scene, &admin).await;
            }
            call(scene, &admin).await;
            names(scene, &admin).await;
            admin.close();
            soon("a call after close", admin.list_topics()).await.unwrap_err();
        });
    }
}

/// What is listed: as the cluster has it.
async fn names(scene: &Scene, admin: &Admin) -> Vec<String> {
    let listed = soon("list_topics", admin.list_topics()).await.unwrap();
    for topic in &listed {
        let partitions = scene.broker().log(&topic.name, topic.partitions as i32 - 1);
        assert_eq!(partitions.start_offset(), 0, "{topic:?}");
    }
    listed.into_iter().map(|topic| topic.name).collect()
}

/// A member of a group that is stable.
async fn member(scene: &Scene) -> Consumer {
    let consumer = Consumer::builder(scene.bootstrap()).process(scene.process()).group(GROUP).build().unwrap();
    consumer.subscribe([TOPIC]).await.unwrap();
    scene
        .until("the group is stable", |world| world.broker().group(GROUP).is_some_and(|it| it.state == "Stable"))
        .await;
    consumer
}
