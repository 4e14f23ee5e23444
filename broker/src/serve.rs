//! The broker as a program: what its command line says.

use std::io;
use std::str::FromStr;

use crate::broker::Broker;

/// What `ottla broker` is told on its command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `host:port` of node 0; further nodes take the next free ports. Default `127.0.0.1:9092`.
    pub listen: String,
    /// The number of nodes; default 1.
    pub nodes: u16,
    /// Topics that are there from the start; default none. Others are created when first asked for.
    pub topics: Vec<NewTopic>,
    /// Whether to acknowledge records and keep none; default false.
    pub discard: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9092".to_owned(), nodes: 1, topics: Vec::new(), discard: false }
    }
}

/// Starts the broker that a command line describes, on the current Tokio runtime. It runs until it is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// use ottla_broker::{Options, serve};
///
/// let options = Options { listen: "127.0.0.1:0".into(), topics: vec!["orders:3".parse()?], ..Options::default() };
/// let broker = serve(options).await?;
/// println!("listening on {}", broker.address());
/// # Ok(()) }
/// ```
///
/// # Errors
/// If the address can't be listened on, or a topic can't be created.
pub async fn serve(options: Options) -> io::Result<Broker> {
    let mut builder = Broker::builder().listen(options.listen).nodes(options.nodes).discard(options.discard);
    for topic in options.topics {
        builder = builder.topic(topic.name, topic.partitions);
    }
    builder.try_start().await
}

/// A topic to be created: `NAME:PARTITIONS`, or `NAME` for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// The number of its partitions.
    pub partitions: u16,
}

impl FromStr for NewTopic {
    type Err = io::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((name, partitions)) = text.split_once(':') else {
            return Ok(Self { name: text.to_owned(), partitions: 1 });
        };
        match partitions.parse() {
            Ok(partitions) if partitions > 0 => Ok(Self { name: name.to_owned(), partitions }),
            _ => {
                let message = format!("{text:?}: a topic is NAME:PARTITIONS, with 1 to 65535 partitions");
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_a_name_and_perhaps_a_number_of_partitions() {
        let topic = |name: &str, partitions| NewTopic { name: name.to_owned(), partitions };
        assert_eq!("orders:6".parse::<NewTopic>().unwrap(), topic("orders", 6));
        assert_eq!("orders".parse::<NewTopic>().unwrap(), topic("orders", 1));
        for wrong in ["orders:", "orders:0", "orders:many", "orders:65536"] {
            assert!(wrong.parse::<NewTopic>().is_err(), "{wrong}");
        }
    }
}
