//! Who is told which partitions a rebalance brings and takes.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;

use super::Consumer;
use crate::TopicPartition;

/// What a method of a [`RebalanceListener`] returns: `Box::pin(async move { … })`. Any error will do.
pub type Called<'a> = Pin<Box<dyn Future<Output = Result<(), Box<dyn StdError + Send + Sync>>> + Send + 'a>>;

/// Hears which partitions come and go as the group rebalances: a place to commit, to seek, to build up state and to
/// save it.
///
/// Its methods run inside [`Consumer::poll`], [`unsubscribe`](Consumer::unsubscribe) and [`close`](Consumer::close), on
/// the task that called those, one at a time; a [`stream`](Consumer::stream) polls. They may take their time: heartbeats
/// go on meanwhile, but `max.poll.interval.ms` counts from the call, and the other members wait. The consumer can be used
/// in them, except for polling: what is revoked is still this member's, and can be committed.
///
/// What partitions bring is handed out only once [`on_partitions_assigned`](Self::on_partitions_assigned) has run, while
/// fetching them has begun already. Of partitions that are to go, nothing more is handed out before
/// [`on_partitions_revoked`](Self::on_partitions_revoked) runs; afterwards what was handed out is committed, if that is
/// automatic, and only then may another member get them.
///
/// A call whose poll is dropped before it ends is repeated by the next poll: it should not mind that. An error is
/// returned by the poll, as [`Kind::Listener`](crate::Kind::Listener), and changes nothing else. Where the last clone of a
/// consumer is dropped without being closed, nobody is called; a listener that holds a clone keeps it from that.
///
/// ```no_run
/// use ottla::{Called, Consumer, RebalanceListener, Subscription, TopicPartition};
///
/// struct Totals;
///
/// impl RebalanceListener for Totals {
///     fn on_partitions_assigned<'a>(&'a self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
///         Box::pin(async move { Ok(println!("load the totals of {partitions:?}")) })
///     }
///
///     fn on_partitions_revoked<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
///         Box::pin(async move {
///             println!("save the totals of {partitions:?}");
///             Ok(consumer.commit().await?)
///         })
///     }
/// }
///
/// # async fn example(consumer: Consumer) -> Result<(), ottla::Error> {
/// consumer.subscribe_to(Subscription::topics(["orders"]).listener(Totals)).await?;
/// # Ok(()) }
/// ```
///
/// Source: Java's `ConsumerRebalanceListener`, [KIP-429](https://cwiki.apache.org/confluence/x/vAclBg)
pub trait RebalanceListener: Send + Sync + 'static {
    /// These partitions came, beside those that stayed: the first poll after a rebalance says so, with none if nothing
    /// came. They have positions, or soon will: to seek is what this is the place for.
    fn on_partitions_assigned<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        let _ = (consumer, partitions);
        Box::pin(async { Ok(()) })
    }

    /// These partitions are about to go, in good order: after this call another member may get them. Also when the
    /// consumer unsubscribes, or is closed. Never called without a partition.
    fn on_partitions_revoked<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        let _ = (consumer, partitions);
        Box::pin(async { Ok(()) })
    }

    /// These partitions are gone, and perhaps other members' since long: the group went on without this one, after
    /// `session.timeout.ms` without a heartbeat, say, or `max.poll.interval.ms` without a poll. Nothing can be committed
    /// for them. Never called without a partition. By default as if they were
    /// [revoked](Self::on_partitions_revoked).
    fn on_partitions_lost<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.on_partitions_revoked(consumer, partitions)
    }
}
