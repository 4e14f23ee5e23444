//! What a broker is told: `server.properties` and `meta.properties`.

use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use crate::listener::Listener;
use crate::options::ClusterOptions;

/// The file with the metadata that a formatted log folder begins with.
pub(crate) const BOOTSTRAP_CHECKPOINT: &str = "bootstrap.checkpoint";

/// The ports of one broker.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    pub(crate) controller: u16,
    pub(crate) listeners: Vec<(Listener, u16)>,
}

/// The properties of broker `id`, whose own folder is `folder` and whose cluster's is `cluster`.
pub(crate) fn server_properties(
    options: &ClusterOptions,
    id: u16,
    folder: &Path,
    cluster: &Path,
    ports: &[Ports],
) -> String {
    let own = &ports[usize::from(id) - 1];
    let voters: Vec<String> =
        (1..).zip(ports).map(|(id, ports)| format!("{id}@127.0.0.1:{}", ports.controller)).collect();
    let addresses: Vec<String> =
        own.listeners.iter().map(|(listener, port)| format!("{}://127.0.0.1:{port}", listener.broker_name())).collect();
    let map: Vec<String> = own
        .listeners
        .iter()
        .map(|(listener, _)| format!("{}:{}", listener.broker_name(), listener.security_protocol()))
        .collect();
    let replicas = options.brokers.min(3);
    let in_sync = if options.brokers < 3 { 1 } else { 2 };

    let mut text = format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners={addresses},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={addresses}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,{map}
log.dirs={data}
default.replication.factor={replicas}
min.insync.replicas={in_sync}
",
        voters = voters.join(","),
        addresses = addresses.join(","),
        controller = own.controller,
        map = map.join(","),
        data = folder.join("data").display(),
    );
    for topic in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        let _ = writeln!(text, "{topic}.replication.factor={replicas}\n{topic}.num.partitions=4");
        if topic != "offsets.topic" {
            let _ = writeln!(text, "{topic}.min.isr={in_sync}");
        }
    }
    text.push_str(QUICK);
    if options.has_racks {
        let _ = writeln!(text, "broker.rack=rack-{id}\nreplica.selector.class={RACK_AWARE}");
    }
    for (listener, _) in &own.listeners {
        text.push_str(&listener.broker_properties(cluster));
    }
    for (key, value) in &options.properties {
        let _ = writeln!(text, "{key}={value}");
    }
    text
}

/// What makes a cluster of tests quick: to start, to notice a dead broker, to let a group begin, and, where a group
/// asks for it, to notice a dead member; and small.
const QUICK: &str = "broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=300
controller.quorum.election.timeout.ms=500
controller.quorum.election.backoff.max.ms=300
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=100
group.share.min.heartbeat.interval.ms=100
log.cleaner.dedupe.buffer.size=8388608
";

/// Sends a consumer to the replica in its rack, where there is one in sync.
const RACK_AWARE: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

/// The properties that say to whom a formatted log folder belongs.
pub(crate) fn meta_properties(cluster_id: &str, broker: u16) -> String {
    format!("version=1\ncluster.id={cluster_id}\nnode.id={broker}\ndirectory.id={}\n", random_id())
}

/// A random id as Kafka writes them: 16 bytes in base64.
pub(crate) fn random_id() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letters = (0..21).map(|place| {
        let random = RandomState::new().hash_one(place);
        char::from(LETTERS[(random % LETTERS.len() as u64) as usize])
    });
    // 21 letters are 126 bits: the last one holds two more, and nothing else.
    letters.chain(['A']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(options: &ClusterOptions) -> String {
        let ports: Vec<Ports> = (0..options.brokers)
            .map(|n| Ports { controller: 100 + n, listeners: vec![(Listener::Plaintext, 200 + n)] })
            .collect();
        server_properties(options, 1, Path::new("/c/n1"), Path::new("/c"), &ports)
    }

    #[test]
    fn every_broker_of_three_is_a_voter() {
        let text = properties(&ClusterOptions::default());
        assert!(text.contains("controller.quorum.voters=1@127.0.0.1:100,2@127.0.0.1:101,3@127.0.0.1:102\n"), "{text}");
        assert!(text.contains("offsets.topic.replication.factor=3\n"), "{text}");
    }

    #[test]
    fn a_lone_broker_asks_for_one_replica() {
        let text = properties(&ClusterOptions::default().brokers(1));
        assert!(text.contains("transaction.state.log.replication.factor=1\n"), "{text}");
        assert!(text.contains("\nmin.insync.replicas=1\n"), "{text}");
    }

    #[test]
    fn every_broker_has_a_rack_of_its_own_if_asked_for() {
        assert!(!properties(&ClusterOptions::default()).contains("rack"));
        let text = properties(&ClusterOptions::default().racks());
        assert!(text.contains("\nbroker.rack=rack-1\nreplica.selector.class="), "{text}");
    }

    #[test]
    fn a_property_of_the_caller_stands_last() {
        let text = properties(&ClusterOptions::default().property("broker.session.timeout.ms", "9000"));
        assert!(text.ends_with("\nbroker.session.timeout.ms=9000\n"), "{text}");
    }

    #[test]
    fn ids_are_sixteen_bytes_and_differ() {
        assert_eq!(random_id().len(), 22);
        assert_ne!(random_id(), random_id());
    }
}
