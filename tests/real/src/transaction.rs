//! Who coordinates what, and what the brokers know of a transactional id, by messages to them: where Java's `kafka-transactions` takes a JVM's start.

use anyhow::{Context, Result};
use kafka_protocol::messages::{DescribeTransactionsRequest, FindCoordinatorRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use crate::admin::eventually;
use crate::cluster::Cluster;
use crate::message::{call, check};

/// Kinds of coordinators, in FindCoordinator.
const OF_GROUPS: i8 = 0;
const OF_TRANSACTIONS: i8 = 1;

/// What a coordinator knows of a transactional id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TransactionalState {
    /// Id that the producer got.
    pub producer_id: i64,
    /// Its epoch: rises with every transaction in the protocol of KIP-890, with a new producer in the older one.
    pub producer_epoch: i16,
    /// `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit` or `CompleteAbort`.
    pub name: String,
}

impl Cluster {
    /// The broker that coordinates a transactional id's transactions.
    ///
    /// # Errors
    /// If no running broker knows one within a minute.
    pub fn transaction_coordinator(&self, transactional_id: &str) -> Result<u16> {
        self.coordinator(OF_TRANSACTIONS, transactional_id)
    }

    /// The broker that coordinates a group.
    ///
    /// # Errors
    /// If no running broker knows one within a minute.
    pub fn group_coordinator(&self, group: &str) -> Result<u16> {
        self.coordinator(OF_GROUPS, group)
    }

    fn coordinator(&self, key_type: i8, key: &str) -> Result<u16> {
        let request = FindCoordinatorRequest::default()
            .with_key_type(key_type)
            .with_coordinator_keys(vec![StrBytes::from_string(key.to_owned())]);
        eventually(&format!("a coordinator of {key}"), || {
            let broker = self.running()?.next().context("no broker runs")?;
            let found = call(broker, 4, &request)?.coordinators.pop().context("the coordinator that was asked for")?;
            check(found.error_code)?;
            Ok(Some(u16::try_from(found.node_id.0)?))
        })
    }

    /// What is known of a transactional id, once its coordinator answers.
    ///
    /// # Errors
    /// If nobody used the id, or no coordinator answers within a minute.
    pub fn transactional_state(&self, transactional_id: &str) -> Result<TransactionalState> {
        let id = TransactionalId(StrBytes::from_string(transactional_id.to_owned()));
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id]);
        eventually(&format!("the state of {transactional_id}"), || {
            let coordinator = self.address(self.transaction_coordinator(transactional_id)?)?;
            let found =
                call(coordinator, 0, &request)?.transaction_states.pop().context("the id that was asked for")?;
            check(found.error_code)?;
            Ok(Some(TransactionalState {
                producer_id: found.producer_id.0,
                producer_epoch: found.producer_epoch,
                name: found.transaction_state.to_string(),
            }))
        })
    }
}
