//! The cluster itself: it starts, breaks and mends as its methods say.

use std::fs;
use std::time::Duration;

use real::{Cluster, ClusterOptions, Listener, OLDER_VERSION, State, shared, shared_to_break, until};

#[test]
fn what_javas_producer_sends_javas_consumer_reads() {
    let cluster = shared();
    let topic = cluster.topic("tea", 1).unwrap();

    cluster.java_produce(&topic, &["green", "black", "white"]).unwrap();

    assert_eq!(cluster.java_consume(&topic, 3).unwrap(), ["green", "black", "white"]);
}

#[test]
fn every_broker_of_three_leads_some_partition() {
    let cluster = shared();
    let topic = cluster.topic("spread", 3).unwrap();

    let mut leaders: Vec<_> = (0..3).map(|partition| cluster.leader(&topic, partition).unwrap().unwrap()).collect();

    leaders.sort_unstable();
    assert_eq!(leaders, [1, 2, 3]);
}

#[test]
fn a_leader_moves_to_the_broker_that_is_named() {
    let cluster = shared();
    let topic = cluster.topic("moving", 1).unwrap();
    for broker in [1, 2, 3] {
        cluster.move_leader(&topic, 0, broker).unwrap();
        assert_eq!(cluster.leader(&topic, 0).unwrap(), Some(broker));
    }
}

#[test]
fn a_killed_broker_comes_back_with_its_data() {
    let cluster = shared_to_break();
    let topic = cluster.topic("kept", 1).unwrap();
    cluster.move_leader(&topic, 0, 2).unwrap();
    cluster.java_produce(&topic, &["before the power cut"]).unwrap();

    cluster.kill(2).unwrap();
    assert_eq!(cluster.status().unwrap()[1].state, State::Dead);
    cluster.restart(2).unwrap();

    cluster.move_leader(&topic, 0, 2).unwrap();
    assert_eq!(cluster.java_consume(&topic, 1).unwrap(), ["before the power cut"]);
}

#[test]
fn a_paused_broker_loses_its_leadership_and_gets_its_replica_back() {
    let cluster = shared_to_break();
    let topic = cluster.topic("paused", 1).unwrap();
    cluster.move_leader(&topic, 0, 3).unwrap();

    cluster.pause(3).unwrap();
    assert_eq!(cluster.status().unwrap()[2].state, State::Paused);
    // Its session is 3 s. If it was the active controller another one is elected first, and counts anew.
    until("another leader", Duration::from_secs(30), || {
        Ok(cluster.leader(&topic, 0)?.is_some_and(|leader| leader != 3).then_some(()))
    })
    .unwrap();

    cluster.resume(3).unwrap();
    cluster.wait_until_in_sync().unwrap();
    cluster.move_leader(&topic, 0, 3).unwrap();
}

#[test]
fn an_older_kafka_serves_too_and_ends_without_a_trace() {
    let cluster = Cluster::start(&ClusterOptions::default().brokers(1).version(OLDER_VERSION)).unwrap();
    let topic = cluster.topic("older", 1).unwrap();
    cluster.java_produce(&topic, &["still here"]).unwrap();
    assert_eq!(cluster.java_consume(&topic, 1).unwrap(), ["still here"]);
    let status = cluster.status().unwrap().remove(0);

    drop(cluster);

    let process = format!("/proc/{}", status.pid.unwrap());
    assert!(!std::path::Path::new(&process).exists(), "the broker is dead");
    assert!(!status.log.exists(), "its files are gone");
}

#[test]
fn every_listener_lets_alice_in_and_no_guessed_password() {
    let options = Listener::ALL.into_iter().fold(ClusterOptions::default().brokers(1), ClusterOptions::listener);
    let cluster = Cluster::start(&options).unwrap();
    let topic = cluster.topic("secured", 1).unwrap();
    let lists = |listener: Listener, properties: &str| {
        let bootstrap = cluster.bootstrap_of(listener).unwrap();
        let arguments = ["--list", "--bootstrap-server", &bootstrap, "--command-config", properties];
        cluster.tool("org.apache.kafka.tools.TopicCommand", arguments).unwrap()
    };

    for listener in Listener::ALL {
        let output = lists(listener, cluster.client_properties(listener).unwrap().to_str().unwrap());
        let listed = String::from_utf8(output.stdout).unwrap();
        assert!(listed.contains(&topic), "{listener:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    let alices = cluster.client_properties(Listener::Scram).unwrap();
    let guessed = alices.with_file_name("guessed.properties");
    fs::write(&guessed, fs::read_to_string(&alices).unwrap().replace("alice-secret", "a guess")).unwrap();
    let refused = lists(Listener::Scram, guessed.to_str().unwrap());
    assert!(!refused.status.success());
    let told = String::from_utf8([refused.stdout, refused.stderr].concat()).unwrap();
    assert!(told.contains("Authentication failed"), "{told}");
}
