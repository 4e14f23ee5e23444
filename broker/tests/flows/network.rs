//! The network of a simulation, as a client meets it that writes and reads frames.

use std::io::ErrorKind;
use std::time::Duration;

use kafka_protocol::messages::{ListGroupsRequest, ProduceRequest};
use ottla_broker::simulation::{Event, Fault, Schedule, Simulation, World};

use super::client::{Client, batch, produce, record};

const PROCESS: &str = "one";

/// Runs what a client does while this goes wrong, from the start on, each for half a second if it lasts.
fn run(faults: impl IntoIterator<Item = Fault>, client: impl AsyncFnOnce(World)) {
    let simulation = Simulation::new().nodes(2).topic("orders", 1);
    let event = |fault| Event { at: Duration::ZERO, lasts: Duration::from_millis(500), fault };
    let history = simulation.run(1, &Schedule(faults.into_iter().map(event).collect()), async |world| {
        world.broker().move_leader("orders", 0, 0).unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        client(world).await;
        Ok::<(), String>(())
    });
    assert!(history.failure.is_none(), "{history}{}", history.trace);
}

fn connect(world: &World, process: &str, node: i32) -> Client {
    let address = world.broker().node(node).address();
    let (host, port) = address.split_once(':').unwrap();
    Client::over(world.network().connect(process, host, port.parse().unwrap()).unwrap())
}

async fn send_tea(client: &mut Client) {
    client.send(9, produce("orders", 0, batch(&[record("tea")]))).await;
}

fn written(world: &World) -> usize {
    world.broker().log("orders", 0).len()
}

async fn until(world: &World, millisecond: u64) {
    tokio::time::sleep(Duration::from_millis(millisecond).saturating_sub(world.now())).await;
}

#[test]
fn what_is_sent_takes_its_time_and_keeps_its_order() {
    run([], async |world| {
        let mut client = connect(&world, PROCESS, 0);
        let before = world.now();
        let mut sent = Vec::new();
        for _ in 0..50 {
            sent.push(client.send(0, ListGroupsRequest::default()).await);
            tokio::task::yield_now().await;
        }
        for number in sent {
            assert_eq!(client.receive::<ListGroupsRequest>(0).await.unwrap().0, number);
        }
        assert!(world.now() > before);
    });
}

#[test]
fn a_slow_node_is_slow_each_way() {
    run([Fault::Slow { node: 0, by: Duration::from_millis(200) }], async |world| {
        let (mut slow, mut quick) = (connect(&world, PROCESS, 0), connect(&world, PROCESS, 1));
        quick.call(0, ListGroupsRequest::default()).await;
        assert!(world.now() < Duration::from_millis(10), "{:?}", world.now());
        slow.call(0, ListGroupsRequest::default()).await;
        assert!(world.now() >= Duration::from_millis(400), "{:?}", world.now());
        until(&world, 501).await;
        slow.call(0, ListGroupsRequest::default()).await;
        assert!(world.now() < Duration::from_millis(510), "{:?}", world.now());
    });
}

#[test]
fn what_cannot_reach_a_node_waits_and_arrives_in_the_end() {
    run([Fault::CutRequests { node: 0 }], async |world| {
        let mut client = connect(&world, PROCESS, 0);
        send_tea(&mut client).await;
        until(&world, 499).await;
        assert_eq!(written(&world), 0);
        assert!(client.receive::<ProduceRequest>(9).await.is_some());
        assert_eq!((written(&world), world.now() >= Duration::from_millis(500)), (1, true));
    });
}

#[test]
fn what_does_not_come_from_a_node_is_done_and_told_in_the_end() {
    run([Fault::CutAnswers { node: 0 }], async |world| {
        let mut client = connect(&world, PROCESS, 0);
        send_tea(&mut client).await;
        until(&world, 20).await;
        assert_eq!(written(&world), 1);
        assert!(client.receive::<ProduceRequest>(9).await.is_some());
        assert!(world.now() >= Duration::from_millis(500));
    });
}

#[test]
fn a_connection_breaks_before_the_deed_or_after_it() {
    for (fault, deeds) in [(Fault::ResetBefore { node: 0 }, 0), (Fault::ResetAfter { node: 0 }, 1)] {
        run([fault], async |world| {
            let (mut client, mut other) = (connect(&world, PROCESS, 0), connect(&world, PROCESS, 1));
            send_tea(&mut client).await;
            assert!(client.receive_frame().await.is_none());
            assert_eq!(written(&world), deeds);
            // One connection, once.
            other.call(0, ListGroupsRequest::default()).await;
            connect(&world, PROCESS, 0).call(0, ListGroupsRequest::default()).await;
        });
    }
}

#[test]
fn a_dead_process_loses_its_connections_and_no_other_does() {
    run([], async |world| {
        let (mut dead, mut alive) = (connect(&world, PROCESS, 0), connect(&world, "two", 0));
        world.network().disconnect(PROCESS);
        assert!(dead.receive_frame().await.is_none());
        alive.call(0, ListGroupsRequest::default()).await;
    });
}

#[test]
fn only_names_of_nodes_that_run_can_be_connected_to() {
    run([Fault::Stop { node: 1 }, Fault::Repoint { node: 1 }], async |world| {
        let (host, port) =
            world.bootstrap().split_once(':').map(|(host, port)| (host.to_owned(), port.parse().unwrap())).unwrap();
        let connect = |host: &str| world.network().connect(PROCESS, host, port).map(Client::over);
        assert_eq!(connect("nobody.ottla").err().map(|error| error.kind()), Some(ErrorKind::NotFound));
        assert_eq!(connect(&host).err().map(|error| error.kind()), Some(ErrorKind::ConnectionRefused));
        until(&world, 501).await;
        connect(&host).unwrap().call(0, ListGroupsRequest::default()).await;
        assert_eq!(world.broker().requests().last().map(|request| request.node), Some(1));
    });
}
