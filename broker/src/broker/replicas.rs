//! Replicas: who has one, who lags behind, and who leads though it shouldn't.

use std::io;

use super::Broker;
use super::topics::unknown;
use crate::api;
use crate::cluster::replicas::Held;
use crate::cluster::topics::Partition;

impl Broker {
    /// The nodes that have a replica of a partition, the preferred leader first; empty if there is no such partition.
    pub fn replicas(&self, topic: &str, partition: i32) -> Vec<i32> {
        let replicas = |partition: &Partition| partition.replicas.clone();
        self.shared().with(|cluster, _| cluster.topics.partition(topic, partition).map(replicas)).unwrap_or_default()
    }

    /// Gives a partition's replicas to these nodes, the preferred leader first. A leader that keeps its replica goes on;
    /// else the first of them that is up leads.
    ///
    /// # Errors
    /// If there is no such partition or node, or no node is named.
    pub fn set_replicas(&self, topic: &str, partition: i32, nodes: impl IntoIterator<Item = i32>) -> io::Result<()> {
        let nodes: Vec<i32> = nodes.into_iter().collect();
        self.on_replicas(topic, partition, |partition, live, known| {
            if nodes.is_empty() || nodes.iter().any(|node| !known.contains(node)) {
                return false;
            }
            partition.held.retain(|node, _| nodes.contains(node));
            let keeps_leader = nodes.contains(&partition.leader);
            partition.replicas = nodes;
            if !keeps_leader {
                partition.leader = crate::cluster::topics::NO_LEADER;
                partition.elect(|node| live.contains(&node));
            }
            true
        })
    }

    /// Stops a follower from taking in records from `offset` on, until [`Self::release_replica`]. It leaves the replicas
    /// in sync, so that no leader sends clients to it and it isn't elected; those that read from it find its log end,
    /// and its high watermark, at the end of the last batch before `offset`.
    ///
    /// # Errors
    /// If there is no such partition, or the node doesn't follow it.
    pub fn hold_replica(&self, topic: &str, partition: i32, node: i32, offset: i64) -> io::Result<()> {
        self.hold_follower(topic, partition, node, Held::End(offset))
    }

    /// Lets a follower believe that only records before `offset` are on all replicas, until [`Self::release_replica`]. It
    /// has the others too and stays in sync, but shows them to nobody: fetches from there on are answered with nothing.
    ///
    /// # Errors
    /// If there is no such partition, or the node doesn't follow it.
    pub fn hold_high_watermark(&self, topic: &str, partition: i32, node: i32, offset: i64) -> io::Result<()> {
        self.hold_follower(topic, partition, node, Held::HighWatermark(offset))
    }

    fn hold_follower(&self, topic: &str, partition: i32, node: i32, held: Held) -> io::Result<()> {
        self.on_replicas(topic, partition, |partition, _, _| {
            let follows = partition.leader != node && partition.replicas.contains(&node);
            if follows {
                partition.hold(node, held);
            }
            follows
        })
    }

    /// Lets a follower that was held back catch up; whoever waits there for records gets them.
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn release_replica(&self, topic: &str, partition: i32, node: i32) -> io::Result<()> {
        self.on_replicas(topic, partition, |partition, _, _| {
            partition.held.remove(&node);
            true
        })
    }

    /// Makes a node lead a partition, under a new leader epoch, though it has nothing from `offset` on: an unclean
    /// election. What the old leader had from there on is lost, in whole batches; what is written then takes its offsets.
    ///
    /// # Errors
    /// If there is no such partition, or the node is not up.
    pub fn elect_unclean(&self, topic: &str, partition: i32, node: i32, offset: i64) -> io::Result<()> {
        self.on_topic(topic, |cluster, now| {
            let is_moved = cluster.move_leader(topic, partition, node, Some(offset), now);
            if is_moved { Ok(()) } else { Err(unknown()) }
        })
    }

    /// Has leaders send clients to replicas in their own racks, or not; see
    /// [`Builder::rack_aware_reads`](crate::Builder::rack_aware_reads).
    pub fn set_rack_aware_reads(&self, is_on: bool) {
        self.shared().change(|cluster, _| cluster.config.rack_aware_reads = is_on);
    }

    /// Acts on a partition, told which nodes are up and which there are, and wakes who waits for its records.
    fn on_replicas(
        &self,
        topic: &str,
        index: i32,
        act: impl FnOnce(&mut Partition, &[i32], &[i32]) -> bool,
    ) -> io::Result<()> {
        self.on_topic(topic, |cluster, now| {
            let id = cluster.topics.get(topic).ok_or_else(unknown)?.id;
            let live: Vec<i32> = cluster.live_nodes().map(|node| node.id).collect();
            let known: Vec<i32> = cluster.nodes.iter().map(|node| node.id).collect();
            let partition = cluster.topics.partition_mut(topic, index).ok_or_else(unknown)?;
            if !act(partition, &live, &known) {
                return Err(unknown());
            }
            api::fetch::wake(cluster, id, usize::try_from(index).unwrap_or(0), now);
            Ok(())
        })
    }
}
