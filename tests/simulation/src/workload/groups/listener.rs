//! A rebalance listener that notes what it hears, and may take its time, commit, or fail.

use std::time::Duration;

use ottla::{Called, Consumer, RebalanceListener, TopicPartition};

use super::member::{holds, place};
use crate::ledger::{Operation, Rebalance};
use crate::stage::Life;

#[derive(Clone)]
pub(super) struct Listener {
    pub(super) life: Life,
    pub(super) consumer: u32,
    pub(super) takes: Duration,
    pub(super) commits: bool,
    pub(super) fails: bool,
}

impl Listener {
    fn hears<'a>(&'a self, consumer: &'a Consumer, event: Rebalance, partitions: &'a [TopicPartition]) -> Called<'a> {
        Box::pin(async move {
            let places: Vec<_> = partitions.iter().map(place).collect();
            let told = |is_over| Operation::Told { consumer: self.consumer, event, places: places.clone(), is_over };
            self.life.did(told(false));
            if event == Rebalance::Assigned {
                holds(&self.life, self.consumer, consumer);
            }
            if !self.takes.is_zero() {
                tokio::time::sleep(self.takes).await;
            }
            if self.commits && event == Rebalance::Revoked {
                // All that was handed out before this poll, or what ends instead of one, is done with.
                let _ = consumer.commit().await;
            }
            self.life.did(told(true));
            let fails = self.fails && self.life.random(fastrand::Rng::bool);
            if fails { Err("no room for it".into()) } else { Ok(()) }
        })
    }
}

impl RebalanceListener for Listener {
    fn on_partitions_assigned<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.hears(consumer, Rebalance::Assigned, partitions)
    }

    fn on_partitions_revoked<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.hears(consumer, Rebalance::Revoked, partitions)
    }

    fn on_partitions_lost<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Called<'a> {
        self.hears(consumer, Rebalance::Lost, partitions)
    }
}
