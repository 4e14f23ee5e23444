//! `ottla topics`

use ottla_broker::Broker;
use serde_json::json;

use crate::run;

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_listed_described_and_deleted() {
    let broker = Broker::start().nodes(3).await;
    let address = broker.address();
    let topics = |arguments: &[&str]| {
        let arguments: Vec<String> =
            ["topics", "-b", &address].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        async move { run(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), b"").await }
    };

    let create = ["create", "orders", "audit", "-p", "2", "-r", "1", "-c", "retention.ms=60000"];
    let created = topics(&create).await;
    assert_eq!(created.ok(), "created audit with 2 partitions\ncreated orders with 2 partitions\n");

    let listed = topics(&["list"]).await;
    assert_eq!(
        listed.ok(),
        "TOPIC   PARTITIONS  REPLICAS\naudit            2         1\norders           2         1\n"
    );

    broker.append("orders", 1, ["a", "b"]).unwrap();
    let described = topics(&["describe", "orders"]).await;
    let lines: Vec<Vec<&str>> = described.ok().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][0], "orders");
    assert_eq!(lines[1], ["PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "OFFLINE", "START", "END"]);
    let leader = broker.leader("orders", 1).unwrap().to_string();
    assert_eq!(lines[3], ["1", &leader, "0", &leader, &leader, "-", "0", "2"]);

    let deleted = topics(&["delete", "orders", "--json"]).await;
    assert_eq!(deleted.json(), [json!([{ "name": "orders" }])]);
    assert_eq!(topics(&["list", "--json"]).await.json()[0].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_does_not_keep_the_others_from_being_done() {
    let broker = Broker::start().topic("orders", 1).await;
    let address = broker.address();

    let done = run(&["topics", "create", "orders", "audit", "-b", &address], b"").await;
    assert_eq!((done.code(), done.out()), (Some(1), "created audit with 1 partition\n"));
    assert!(done.err().starts_with("error: create topic orders: "), "{}", done.err());
    assert!(done.err().contains("TOPIC_ALREADY_EXISTS"), "{}", done.err());
    run(&["topics", "create", "orders", "--if-not-exists", "-b", &address], b"").await.ok();

    let done = run(&["topics", "delete", "nothing", "audit", "--json", "-b", &address], b"").await;
    assert_eq!(done.code(), Some(1));
    let printed: serde_json::Value = serde_json::from_str(done.out()).unwrap();
    assert_eq!(printed[0], json!({ "name": "audit" }));
    assert!(printed[1]["error"].as_str().unwrap().contains("UNKNOWN_TOPIC_OR_PARTITION"), "{printed}");
    run(&["topics", "delete", "nothing", "--if-exists", "-b", &address], b"").await.ok();

    let done = run(&["topics", "describe", "orders", "nothing", "--json", "-b", &address], b"").await;
    assert_eq!(done.code(), Some(1));
    let printed: serde_json::Value = serde_json::from_str(done.out()).unwrap();
    assert_eq!(printed[0]["partitions"][0]["replicas"], json!([0]));
    assert!(done.err().contains("nothing"), "{}", done.err());
}
