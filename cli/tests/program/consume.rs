//! `ottla consume`

use ottla::{Producer, Record};
use ottla_broker::Broker;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::{SOON, end, interrupt, ottla, run, until};

async fn orders(partitions: u16) -> (Broker, String) {
    let broker = Broker::start().topic("orders", partitions).await;
    let address = broker.address();
    (broker, address)
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

fn committed(broker: &Broker, group: &str) -> Option<i64> {
    broker.committed(group, "orders", 0).map(|committed| committed.offset)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_produced_with_keys_headers_and_nulls_is_printed_alike() {
    let (_broker, address) = orders(1).await;
    let lines = "h:1,h:\tuser-7::tea\n\tuser-8::NULL\ng:NULL\tNULL::a::b\n";
    let layout = ["--headers", "--key-separator", "::", "--null-value", "NULL"];
    run(&[&["produce", "-b", &address, "-t", "orders"], &layout[..]].concat(), lines.as_bytes()).await.ok();

    let arguments = ["consume", "-b", &address, "-t", "orders", "--from-beginning", "--exit-at-end"];
    assert_eq!(run(&[&arguments[..], &layout].concat(), b"").await.ok(), lines);
    assert_eq!(run(&arguments, b"").await.ok(), "tea\nnull\na::b\n", "values alone, by default");
}

/// The end is before the first open transaction, and behind the marker of the one before.
#[tokio::test(flavor = "multi_thread")]
async fn committed_records_end_before_an_open_transaction() {
    let (_broker, address) = orders(2).await;
    let producer = Producer::builder(&address).transactional_id("t").build_transactional().unwrap();
    let send = async |value: &str| {
        let transaction = producer.begin().await.unwrap();
        transaction.send(Record::to("orders").partition(0).value(value)).await.unwrap();
        transaction
    };
    send("tea").await.commit().await.unwrap();
    send("milk").await.abort().await.unwrap();
    let consume = ["consume", "-b", &address, "-t", "orders", "--from-beginning", "--exit-at-end"];
    let committed = [&consume[..], &["-X", "isolation.level=read_committed"]].concat();
    assert_eq!(run(&committed, b"").await.ok(), "tea\n");

    let open = send("juice").await;
    assert_eq!(run(&committed, b"").await.ok(), "tea\n");
    assert_eq!(run(&consume, b"").await.ok(), "tea\nmilk\njuice\n");
    open.commit().await.unwrap();
    assert_eq!(run(&committed, b"").await.ok(), "tea\njuice\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_tells_all_of_a_record_and_produces_its_equal() {
    let (broker, address) = orders(1).await;
    broker.create_topic("copy", 1).unwrap();
    let lines = [
        json!({"key": "k\n", "value_base64": "/wA=", "timestamp": 7, "headers": [
            {"name": "h", "value": "1"}, {"name": "h", "value": null}, {"name_base64": "/w==", "value_base64": "/g=="}
        ]}),
        json!({"key": null, "value": "", "timestamp": 8, "headers": []}),
        json!({"key_base64": "gA==", "value": null, "timestamp": 9, "headers": []}),
    ];
    let input = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let produce = |topic| ["produce", "-b", &address, "-t", topic, "--format", "json"];
    let consume = |topic| ["consume", "-b", &address, "-t", topic, "--from-beginning", "-e", "--format", "json"];

    run(&produce("orders"), input.as_bytes()).await.ok();
    let printed = run(&consume("orders"), b"").await;
    run(&produce("copy"), printed.ok().as_bytes()).await.ok();
    let copy = run(&consume("copy"), b"").await.json();

    for (offset, (copied, expected)) in copy.iter().zip(&lines).enumerate() {
        let mut expected = expected.clone();
        expected["topic"] = json!("copy");
        expected["partition"] = json!(0);
        expected["offset"] = json!(offset);
        assert_eq!(*copied, expected);
    }
    assert_eq!(copy.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_that_of_every_partition_even_of_empty_ones() {
    let (broker, address) = orders(3).await;
    broker.append("orders", 1, numbers(12_345)).unwrap();
    broker.create_topic("empty", 2).unwrap();

    let all = run(&["consume", "-b", &address, "-t", "orders,empty", "--from-beginning", "--exit-at-end"], b"").await;
    assert_eq!(all.ok().lines().collect::<Vec<_>>(), numbers(12_345));

    let from_now_on = run(&["consume", "-b", &address, "-t", "orders", "--exit-at-end"], b"").await;
    assert_eq!(from_now_on.ok(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_starts_at_a_time_and_a_bad_one_is_named() {
    let (_broker, address) = orders(1).await;
    let lines = [0, 1_000, 2_000].map(|time| json!({"value": time.to_string(), "timestamp": time}).to_string() + "\n");
    run(&["produce", "-b", &address, "-t", "orders", "--format", "json"], lines.concat().as_bytes()).await.ok();
    for time in ["1000", "1970-01-01T00:00:01Z", "1970-01-01T00:00:00.000001Z"] {
        let done = run(&["consume", "-b", &address, "-t", "orders", "-e", "--from-time", time], b"").await;
        assert_eq!(done.ok(), "1000\n2000\n", "{time}");
    }
    let done = run(&["consume", "-b", &address, "-t", "orders", "--from-time", "noon"], b"").await;
    assert_eq!(done.code(), Some(2));
    assert!(done.err().contains("RFC 3339"), "{}", done.err());
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_and_offsets_may_be_chosen() {
    let (broker, address) = orders(2).await;
    broker.append("orders", 0, ["a", "b", "c"]).unwrap();
    broker.append("orders", 1, ["x", "y"]).unwrap();

    for (options, expected) in [
        (&["-p", "1", "--from-beginning"][..], "x\ny\n"),
        (&["-p", "0", "-o", "1"], "b\nc\n"),
        (&["-p", "0", "--offset", "-2"], "b\nc\n"),
        (&["-p", "0", "--offset", "-9"], "a\nb\nc\n"),
        (&["-p", "0,1", "-o", "earliest", "-k", "="], "null=a\nnull=b\nnull=c\nnull=x\nnull=y\n"),
        (&["-o", "latest"], ""),
        (&["--from-time", "0"], "a\nb\nc\nx\ny\n"),
        (&["--from-time", "9999-01-01T00:00:00Z"], ""),
    ] {
        let done = run(&[&["consume", "-b", &address, "-t", "orders", "-e"], options].concat(), b"").await;
        let mut lines: Vec<_> = done.ok().lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, expected.lines().collect::<Vec<_>>(), "{options:?}");
    }
    let done = run(&["consume", "-b", &address, "-t", "orders", "-p", "7"], b"").await;
    assert_eq!(done.code(), Some(1));
    assert!(done.err().contains("orders[7]"), "{}", done.err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_after_exactly_the_records_that_were_printed() {
    let (broker, address) = orders(1).await;
    let consume = ["consume", "-b", &address, "-t", "orders", "-g", "billing", "--from-beginning"];
    broker.append("orders", 0, numbers(30)).unwrap();

    // The second poll brings more than is wanted.
    let first = run(&[&consume[..], &["--max-messages", "7", "-X", "max.poll.records=5"]].concat(), b"").await;
    assert_eq!(first.ok().lines().collect::<Vec<_>>(), numbers(7));
    assert_eq!(committed(&broker, "billing"), Some(7));

    let rest = run(&[&consume[..], &["--exit-at-end"]].concat(), b"").await;
    assert_eq!(rest.ok().lines().collect::<Vec<_>>(), numbers(30)[7..]);
    assert_eq!(committed(&broker, "billing"), Some(30));
    assert!(broker.group("billing").unwrap().members.is_empty(), "it has left");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_committed_where_that_was_switched_off() {
    let (broker, address) = orders(1).await;
    broker.append("orders", 0, ["a"]).unwrap();
    let arguments = ["consume", "-b", &address, "-t", "orders", "-g", "g", "--from-beginning", "-e"];
    let done = run(&[&arguments[..], &["-X", "enable.auto.commit=false"]].concat(), b"").await;
    assert_eq!(done.ok(), "a\n");
    assert_eq!(committed(&broker, "g"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_commits_what_was_printed_and_leaves_the_group() {
    let (broker, address) = orders(1).await;
    broker.append("orders", 0, ["tea", "milk"]).unwrap();
    let arguments = ["consume", "-b", &address, "-t", "orders", "-g", "billing", "--from-beginning"];
    let mut child = ottla(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for expected in ["tea", "milk"] {
        let line = tokio::time::timeout(SOON, lines.next_line()).await.unwrap().unwrap();
        assert_eq!(line.as_deref(), Some(expected), "printed at once, though more may come");
    }
    assert_eq!(broker.group("billing").unwrap().members.len(), 1);

    interrupt(&child).await;

    end(child).await.ok();
    assert_eq!(committed(&broker, "billing"), Some(2));
    assert!(broker.group("billing").unwrap().members.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_it_quietly_and_what_it_did_not_take_is_not_committed() {
    let (broker, address) = orders(1).await;
    broker.append("orders", 0, numbers(200_000)).unwrap();
    // One poll brings more than a pipe holds.
    let all = "max.poll.records=200000";
    let arguments = ["consume", "-b", &address, "-t", "orders", "-g", "billing", "--from-beginning", "-X", all];
    let mut child = ottla(&arguments).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = [0; 4];
    tokio::time::timeout(SOON, out.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"0\n1\n");
    drop(out);

    let done = end(child).await;

    assert_eq!((done.code(), done.err()), (Some(0), ""));
    assert_eq!(committed(&broker, "billing").unwrap_or(0), 0);
    assert!(broker.group("billing").unwrap().members.is_empty(), "it has left");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_nothing_came_for_so_long() {
    let (broker, address) = orders(1).await;
    let mut child = ottla(&["consume", "-b", &address, "-t", "orders", "--timeout", "600ms"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    broker.until_seen(ottla_broker::ApiKey::Fetch, 1).await;
    broker.append("orders", 0, ["late"]).unwrap();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("late"));
    assert_eq!(lines.next_line().await.unwrap(), None);
    end(child).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_named_and_not_created() {
    let (_broker, address) = orders(1).await;
    let done = run(&["consume", "-b", &address, "-t", "odrers", "-X", "default.api.timeout.ms=300"], b"").await;
    assert_eq!(done.code(), Some(1));
    assert!(done.err().contains("odrers") && done.err().contains("UNKNOWN_TOPIC_OR_PARTITION"), "{}", done.err());
    let topics = run(&["topics", "list", "--json", "-b", &address], b"").await.json();
    let names: Vec<&Value> = topics[0].as_array().unwrap().iter().map(|topic| &topic["name"]).collect();
    assert_eq!(names, ["orders"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_the_partitions() {
    let (broker, address) = orders(2).await;
    let arguments = ["consume", "-b", &address, "-t", "orders", "-g", "billing", "--from-beginning"];
    let members = [ottla(&arguments).spawn().unwrap(), ottla(&arguments).spawn().unwrap()];
    until(|| broker.group("billing").is_some_and(|group| group.state == "Stable" && group.members.len() == 2)).await;
    broker.append("orders", 0, ["a"]).unwrap();
    broker.append("orders", 1, ["b"]).unwrap();

    let mut printed = Vec::new();
    for mut member in members {
        let mut line = String::new();
        let mut out = BufReader::new(member.stdout.take().unwrap());
        tokio::time::timeout(SOON, out.read_line(&mut line)).await.unwrap().unwrap();
        printed.push(line);
        interrupt(&member).await;
        end(member).await.ok();
    }
    printed.sort_unstable();
    assert_eq!(printed, ["a\n", "b\n"]);
}
