//! What is asked for wrongly: exit code 2, and what is wrong by name.

use std::io::Write;

use ottla_broker::Broker;
use tempfile::NamedTempFile;

use crate::run;

async fn refused(arguments: &[&str], names: &[&str]) {
    let done = run(arguments, b"").await;
    assert_eq!(done.code(), Some(2), "{arguments:?}: {}", done.err());
    assert_eq!(done.out(), "");
    for name in names {
        assert!(done.err().contains(name), "{arguments:?}: {}", done.err());
    }
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    refused(&["produce", "-t", "orders"], &["no broker given", "-b HOST:PORT", "ottla broker"]).await;
    refused(&["produce", "-b", "localhost"], &["--topic"]).await;
    refused(&["produce", "-t", "t", "-b", "localhost"], &["bootstrap.servers", "`localhost`", "host:port"]).await;
    refused(&["produce", "-t", "t", "-b", "a:1", "-k", r"\q"], &["--key-separator"]).await;
    refused(&["produce", "-t", "t", "-b", "a:1", "--format", "json", "--headers"], &["--format text"]).await;
    refused(&["consume", "-t", "t", "-b", "a:1", "-g", "g", "-p", "0"], &["--group", "--partition"]).await;
    refused(&["consume", "-t", "t", "-b", "a:1", "-o", "soon"], &["--offset", "earliest"]).await;
    refused(&["consume", "-t", "t", "-b", "a:1", "--timeout", "soon"], &["--timeout"]).await;
    refused(&["broker", "--topic", "orders:none"], &["--topic", "NAME:PARTITIONS"]).await;
    refused(&["broker", "--listen", "127.0.0.1:0", "--topic", "a b:1"], &["a b"]).await;
    refused(&["broker", "-b", "a:1"], &["-b"]).await;
    refused(&["topics", "list", "-X", "acks"], &["property=value"]).await;
    refused(&[], &["Usage"]).await;
}

#[tokio::test]
async fn a_wrong_property_is_named_with_what_is_allowed() {
    let of = |property| ["produce", "-t", "t", "-b", "a:1", "-X", property];
    refused(&of("linger.msec=5"), &["`linger.msec`", "did you mean `linger.ms`?"]).await;
    refused(&of("linger.ms=soon"), &["`linger.ms`", "`soon`", "milliseconds"]).await;
    refused(&of("fetch.min.bytes=1"), &["`fetch.min.bytes`", "producer"]).await;
    refused(&["produce", "-t", "t", "-b", "a:1", "--acks", "two"], &["`acks`", "`two`"]).await;
    refused(&["consume", "-t", "t", "-b", "a:1", "-X", "enable.auto.commit=true"], &["`group.id`"]).await;
    refused(&["groups", "list", "-b", "a:1", "-X", "cheese=1", "--json"], &["{\"error\":", "`cheese`"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_properties_file_is_read_as_java_reads_it_and_may_be_shared_by_commands() {
    let broker = Broker::start().topic("orders", 1).await;
    let mut file = NamedTempFile::new().unwrap();
    let (host, port) =
        broker.address().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    write!(
        file,
        "# for all commands\nbootstrap.servers = {host}\\:\\\n   {port}\nacks:all\nauto.offset.reset earliest\n\
         compression.type=\\u007astd\nkey.serializer=org.apache.kafka.common.serialization.StringSerializer\n"
    )
    .unwrap();
    let config = &file.path().to_str().unwrap().to_owned();

    run(&["produce", "-t", "orders", "--config", config], b"tea\n").await.ok();
    assert_eq!(broker.log("orders", 0).batches()[0].compression(), "zstd");
    run(&["produce", "-t", "orders", "--config", config, "-X", "compression.type=none"], b"milk\n").await.ok();
    assert_eq!(broker.log("orders", 0).batches()[1].compression(), "none", "-X wins over the file");
    let read = run(&["--config", config, "consume", "-t", "orders", "--exit-at-end"], b"").await;
    assert_eq!(read.ok(), "tea\nmilk\n");

    writeln!(file, "cheese=1").unwrap();
    refused(&["topics", "list", "--config", config], &["`cheese`"]).await;
    writeln!(file, "\n\\u12").unwrap();
    refused(&["topics", "list", "--config", config], &[config, "line 10"]).await;
    refused(&["topics", "list", "--config", "/no/such/file"], &["/no/such/file"]).await;
}
