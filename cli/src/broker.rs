//! `ottla broker`: the embedded broker as a program.

use ottla_broker::Broker;
use serde::Serialize;

use crate::failure::Failure;
use crate::output;
use crate::stop::Stop;

/// Runs an embedded Kafka broker until Ctrl-C. It keeps everything in memory.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where the first node listens; further ones take the next ports. Port 0 is any free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    listen: String,

    /// How many nodes.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    nodes: u16,

    /// Creates a topic; others are created, with one partition, when they are first asked for.
    #[arg(long = "topic", value_name = "NAME:PARTITIONS", value_parser = topic)]
    topics: Vec<Topic>,

    /// Acknowledges what is produced and keeps none of it: for benchmarks.
    #[arg(long)]
    discard: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Topic {
    name: String,
    partitions: u16,
}

/// What `--json` prints once the broker listens.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    bootstrap: String,
    nodes: Vec<String>,
    topics: &'a [Topic],
}

pub(crate) async fn run(args: Args, stop: Stop, json: bool) -> Result<(), Failure> {
    let Args { listen, nodes, topics, discard } = args;
    // Nobody looks at the requests that came.
    let mut builder = Broker::start().listen(&listen).nodes(nodes).discard(discard).requests_kept(0);
    for topic in &topics {
        builder = builder.topic(&topic.name, topic.partitions);
    }
    let broker = builder.try_start().await.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput => Failure::usage(error.to_string()),
        _ => Failure::failed(format!("cannot listen on {listen}: {error} (`--listen HOST:0` takes any free port)")),
    })?;
    let ready = Ready { bootstrap: broker.address(), nodes: broker.addresses(), topics: &topics };
    if json {
        output::json(&ready)?;
    } else {
        let topic = topics.first().map_or("TOPIC", |topic| &topic.name);
        output::line(format_args!("broker ready: {}", ready.bootstrap))?;
        output::line(format_args!("try: ottla produce -b {} -t {topic}", ready.nodes[0]))?;
        output::line("Ctrl-C ends it, and everything in it")?;
    }
    stop.asked().await;
    Ok(())
}

fn topic(text: &str) -> Result<Topic, String> {
    let (name, partitions) = text.split_once(':').unwrap_or((text, "1"));
    match partitions.parse() {
        Ok(partitions) if partitions > 0 && !name.is_empty() => Ok(Topic { name: name.to_owned(), partitions }),
        _ => Err("it is not `NAME:PARTITIONS`, with 1 to 65535 partitions".to_owned()),
    }
}
