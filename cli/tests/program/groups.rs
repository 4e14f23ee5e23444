//! `ottla groups`

use ottla_broker::Broker;
use serde_json::json;

use crate::{end, interrupt, ottla, run, until};

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_listed_and_described_with_what_they_are_behind() {
    let broker = Broker::start().topic("orders", 2).await;
    let address = broker.address();
    broker.append("orders", 0, ["a", "b", "c"]).unwrap();
    broker.commit("billing", "orders", 0, 1);

    let listed = run(&["groups", "list", "-b", &address], b"").await;
    let lines: Vec<Vec<&str>> = listed.ok().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["GROUP", "STATE", "TYPE", "PROTOCOL", "COORDINATOR"]);
    assert_eq!(lines[1][..3], ["billing", "Empty", "classic"]);

    let described = run(&["groups", "describe", "billing", "-b", &address], b"").await;
    let lines: Vec<Vec<&str>> = described.ok().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["billing", "Empty,", "coordinator", "0"]);
    assert_eq!(lines[1], ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER"]);
    assert_eq!(lines[2], ["orders", "0", "1", "3", "2", "-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_shown_with_what_they_were_given() {
    let broker = Broker::start().topic("orders", 2).await;
    let address = broker.address();
    let arguments = ["consume", "-b", &address, "-t", "orders", "-g", "billing", "-X", "client.id=till-1"];
    let member = ottla(&arguments).spawn().unwrap();
    until(|| broker.group("billing").is_some_and(|group| group.state == "Stable")).await;

    let described = run(&["groups", "describe", "--json", "-b", &address], b"").await.json();

    let group = &described[0][0];
    assert_eq!(
        (&group["group"], &group["state"], &group["assignor"]),
        (&json!("billing"), &json!("Stable"), &json!("range"))
    );
    assert_eq!((&group["members"][0]["client_id"], &group["members"][0]["partitions"]), (&json!("till-1"), &json!(2)));
    for partition in [0, 1] {
        let row = &group["partitions"][partition];
        assert_eq!((&row["partition"], &row["end_offset"]), (&json!(partition), &json!(0)));
        assert_eq!(row["member_id"], group["members"][0]["member_id"]);
    }
    interrupt(&member).await;
    end(member).await.ok();
}

/// KIP-848
#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_coordinator_assigns_is_shown_with_its_epochs_and_what_members_are_to_have() {
    let broker = Broker::start().topic("orders", 2).await;
    let address = broker.address();
    let arguments = ["consume", "-b", &address, "-t", "orders", "-g", "billing", "-X", "group.protocol=consumer"];
    let member = ottla(&arguments).spawn().unwrap();
    until(|| broker.group("billing").is_some_and(|group| group.state == "Stable")).await;

    let described = run(&["groups", "describe", "billing", "-b", &address], b"").await;
    let json = run(&["groups", "describe", "billing", "-b", &address, "--json"], b"").await.json();

    let lines: Vec<Vec<&str>> = described.ok().lines().map(|line| line.split_whitespace().collect()).collect();
    let epoch = lines[5][5];
    assert_eq!(lines[0].join(" "), format!("billing Stable, uniform assignor, epoch {epoch}, coordinator 0"));
    assert_eq!(lines[4], ["MEMBER", "CLIENT", "HOST", "PARTITIONS", "TARGET", "EPOCH"]);
    assert_eq!(lines[5][3..5], ["2", "2"]);
    let group = &json[0][0];
    assert_eq!(group["group_epoch"].to_string(), epoch);
    assert_eq!((&group["type"], &group["members"][0]["target_partitions"]), (&json!("consumer"), &json!(2)));
    assert_eq!(group["group_epoch"], group["members"][0]["member_epoch"]);
    assert_eq!(group["group_epoch"], group["target_assignment_epoch"]);
    assert_eq!(group["partitions"][1]["target_member_id"], group["members"][0]["member_id"]);
    interrupt(&member).await;
    end(member).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_not_there_is_named() {
    let broker = Broker::start().await;
    let done = run(&["groups", "describe", "nobody", "-b", &broker.address()], b"").await;
    assert_eq!(done.code(), Some(1));
    assert!(done.err().contains("nobody") && done.err().contains("GROUP_ID_NOT_FOUND"), "{}", done.err());
}
