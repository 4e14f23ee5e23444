//! `ottla produce`

use std::io::Write;

use ottla_broker::{ApiKey, Broker, Record};
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use crate::{end, interrupt, ottla, run, until};

async fn orders(partitions: u16) -> (Broker, String) {
    let broker = Broker::start().topic("orders", partitions).await;
    let address = broker.address();
    (broker, address)
}

fn file(text: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    file
}

fn text(bytes: Option<&impl AsRef<[u8]>>) -> Option<&str> {
    bytes.map(|bytes| std::str::from_utf8(bytes.as_ref()).unwrap())
}

fn headers(record: &Record) -> Vec<(&str, Option<&str>)> {
    record.headers.iter().map(|(name, value)| (text(Some(name)).unwrap(), text(value.as_ref()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_stdin_is_a_record() {
    let (broker, address) = orders(1).await;

    let done = run(&["produce", "-b", &address, "-t", "orders"], "tea\n\nmilk: warm".as_bytes()).await;

    assert_eq!(done.ok(), "");
    assert_eq!(broker.log("orders", 0).values(), ["tea", "", "milk: warm"]);
    assert!(done.err().starts_with("3 records, 13 B in "), "{}", done.err());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_headers_and_nulls_are_read_as_the_options_say() {
    let (broker, address) = orders(1).await;
    let lines = "h:1,h:\tuser-7::tea\n\tuser-8::NULL\ng:NULL\tNULL::a::b\n";

    run(
        &["produce", "-b", &address, "-t", "orders", "--headers", "--key-separator", "::", "--null-value", "NULL"],
        lines.as_bytes(),
    )
    .await
    .ok();

    let records = broker.log("orders", 0).records();
    let pairs: Vec<_> = records.iter().map(|record| (text(record.key.as_ref()), text(record.value.as_ref()))).collect();
    assert_eq!(pairs, [(Some("user-7"), Some("tea")), (Some("user-8"), None), (None, Some("a::b"))]);
    assert_eq!(headers(&records[0]), [("h", Some("1")), ("h", Some(""))]);
    assert_eq!(headers(&records[1]), []);
    assert_eq!(headers(&records[2]), [("g", None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sent_in_order_to_the_partition_asked_for_and_json_sums_up() {
    let (broker, address) = orders(3).await;
    let (first, second) = (file(b"a\nb"), file(b"d\n"));
    let paths = [first.path().to_str().unwrap(), second.path().to_str().unwrap()];

    let arguments = ["produce", "--json", "-b", &address, "-t", "orders", "-p", "2", paths[0], "-", paths[1]];
    let summary = run(&arguments, b"c\n").await.json();

    assert_eq!(broker.log("orders", 2).values(), ["a", "b", "c", "d"]);
    assert_eq!(
        (&summary[0]["records"], &summary[0]["bytes"], &summary[0]["failed"]),
        (&json!(4), &json!(4), &json!(0))
    );
    assert!(summary[0]["records_per_second"].as_f64().unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_lines_arrive_whole_each_once_and_in_order() {
    let (broker, address) = orders(1).await;
    // Lines of all lengths, so that they lie across every border between two reads.
    let lines: Vec<String> = (0..20_000).map(|n| format!("{n}{}", "x".repeat(n % 97))).collect();

    run(&["produce", "-b", &address, "-t", "orders", "-z", "lz4"], lines.join("\n").as_bytes()).await.ok();

    let log = broker.log("orders", 0);
    assert!(log.values() == lines, "not the lines that were sent");
    assert_eq!(log.batches()[0].compression(), "lz4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_fails_is_counted_and_named_and_the_others_are_written() {
    let (broker, address) = orders(1).await;
    let lines = file(format!("first\n{}\nlast\n", "x".repeat(2_000)).as_bytes());
    let path = lines.path().to_str().unwrap();

    let done = run(&["produce", "-b", &address, "-t", "orders", "-X", "max.request.size=1000", path], b"").await;

    assert_eq!(done.code(), Some(1));
    assert!(done.err().contains("1 records failed") && done.err().contains(&format!("{path}:2: ")), "{}", done.err());
    assert!(done.err().contains("max.request.size"), "{}", done.err());
    assert_eq!(broker.log("orders", 0).values(), ["first", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_refuses_is_counted_and_names_the_partition() {
    let (broker, address) = orders(1).await;
    broker.always(ApiKey::Produce, ottla_broker::Code::TopicAuthorizationFailed);

    let done = run(&["produce", "--json", "-b", &address, "-t", "orders"], b"a\nb\n").await;

    assert_eq!(done.code(), Some(1));
    let summary: serde_json::Value = serde_json::from_str(done.out()).unwrap();
    assert_eq!((&summary["records"], &summary["failed"]), (&json!(0), &json!(2)));
    let error: serde_json::Value = serde_json::from_str(done.err().lines().last().unwrap()).unwrap();
    assert_eq!(error["error"], summary["error"]);
    assert!(error["error"].as_str().unwrap().contains("orders[0]"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_cannot_be_read_is_named_and_ends_the_command_after_those_before_it() {
    let (broker, address) = orders(1).await;

    let done = run(&["produce", "-b", &address, "-t", "orders", "-k", ":"], b"a:1\nb\nc:3\n").await;

    assert_eq!(done.code(), Some(1));
    assert!(done.err().contains("stdin:2: no `:` separates key and value"), "{}", done.err());
    assert_eq!(broker.log("orders", 0).values(), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_named_before_anything_is_sent() {
    let (broker, address) = orders(1).await;
    let there = file(b"a\n");

    let done =
        run(&["produce", "-b", &address, "-t", "orders", there.path().to_str().unwrap(), "/no/such/file"], b"").await;

    assert_eq!(done.code(), Some(1));
    assert!(done.err().contains("/no/such/file"), "{}", done.err());
    assert!(broker.log("orders", 0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_sends_the_whole_lines_that_were_read() {
    let (broker, address) = orders(1).await;
    let mut child = ottla(&["produce", "-b", &address, "-t", "orders"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\ntwo\nthr").await.unwrap();
    until(|| broker.log("orders", 0).len() == 2).await;

    interrupt(&child).await;
    let done = end(child).await;

    done.ok();
    assert!(done.err().starts_with("2 records"), "{}", done.err());
    assert_eq!(broker.log("orders", 0).values(), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_does_not_wait() {
    let (broker, address) = orders(1).await;
    broker.on(ApiKey::Produce).always().ignore();
    let mut child = ottla(&["produce", "-v", "-b", &address, "-t", "orders"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\n").await.unwrap();
    broker.until_seen(ApiKey::Produce, 1).await;

    interrupt(&child).await;
    // The first is taken note of before the second comes: it stops reading, and the pipe breaks.
    drop(stdin);
    let start = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        interrupt_if_running(&mut child).await;
    }

    assert_eq!(child.wait().await.unwrap().code(), Some(130));
    assert!(start.elapsed().as_secs() < 9, "it did not wait for the broker");
}

async fn interrupt_if_running(child: &mut tokio::process::Child) {
    if let Some(id) = child.id() {
        let _ = tokio::process::Command::new("kill").args(["-INT", &id.to_string()]).output().await;
    }
}
