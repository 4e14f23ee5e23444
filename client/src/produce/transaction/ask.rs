//! One attempt to have a coordinator do something.

use std::sync::Arc;

use ottla_wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, TxnOffsetCommitRequest,
};
use ottla_wire::{Code, Str};

use super::request::{self, Answer, Request};
use crate::cluster::{Cluster, Coordinated, Lane};
use crate::connection::Versions;
use crate::consume::{PATIENCE, Questions, deadline};
use crate::error::{Error, Kind};
use crate::group::driver::ask_coordinator;
use crate::produce::queue::Identity;

/// From this version on the answer to EndTxn names the next epoch, and asking in it means the newer protocol (KIP-890).
const END_BY_V2: i16 = 5;
/// The same of TxnOffsetCommit.
const OFFSETS_BY_V2: i16 = 5;
/// From this version on a TxnOffsetCommit names the member (KIP-447).
const OFFSETS_OF_MEMBER: i16 = 3;
/// From this version on a producer may ask for a higher epoch (KIP-360).
const INIT_WITH_EPOCH: i16 = 3;
/// Later versions of AddPartitionsToTxn are for brokers among themselves.
const ADD_BY_CLIENT: i16 = 3;

/// As whom, and how, coordinators are spoken to.
#[derive(Clone, Debug)]
pub(in crate::produce) struct Speaker {
    pub(in crate::produce) id: Str,
    pub(in crate::produce) transaction_timeout_ms: i32,
    pub(in crate::produce) is_v2: bool,
}

impl Speaker {
    /// Asks once. Who coordinates is looked up first, unless it is known.
    ///
    /// # Errors
    /// With the code that the coordinator answered with, or with what kept it from answering.
    pub(in crate::produce) async fn ask(self, cluster: Arc<Cluster>, asked: Request) -> Result<Answer, Error> {
        let (id, is_v2) = (self.id.clone(), self.is_v2);
        let transactions = Coordinated::Transactions(id.clone());
        match asked {
            Request::Init(identity) => {
                let timeout_ms = self.transaction_timeout_ms;
                let make = move |versions: &Versions| {
                    let version = versions.choose::<InitProducerIdRequest>()?;
                    if identity.is_some() && version < INIT_WITH_EPOCH {
                        return Err(Error::new(
                            Kind::UnsupportedVersion,
                            "the coordinator is older than Kafka 2.5 and cannot raise the epoch of a producer",
                        ));
                    }
                    Ok((request::init(&id, timeout_ms, identity), version))
                };
                let (response, version) = call(&cluster, &transactions, make).await?;
                check(&cluster, &transactions, response.error_code)?;
                let identity = Identity { id: response.producer_id, epoch: response.producer_epoch };
                Ok(Answer::Identity(identity, version >= INIT_WITH_EPOCH))
            }
            Request::AddPartitions(identity, places) => {
                let make = move |versions: &Versions| {
                    let version = versions.choose_up_to::<AddPartitionsToTxnRequest>(ADD_BY_CLIENT)?;
                    Ok((request::add_partitions(&id, identity, &places), version))
                };
                let (response, _) = call(&cluster, &transactions, make).await?;
                let results = response.results_by_topic_v3_and_below.iter().flat_map(|topic| {
                    let partitions = topic.results_by_partition.iter();
                    partitions
                        .map(|partition| (&*topic.name, partition.partition_index, partition.partition_error_code))
                });
                check_all(&cluster, &transactions, results)
            }
            Request::AddOffsets(identity, group) => {
                let make = move |versions: &Versions| {
                    Ok((request::add_offsets(&id, identity, &group), versions.choose::<AddOffsetsToTxnRequest>()?))
                };
                let (response, _) = call(&cluster, &transactions, make).await?;
                check(&cluster, &transactions, response.error_code)?;
                Ok(Answer::Done)
            }
            Request::Offsets(identity, what) => {
                let coordinator = Coordinated::Group(what.1.group_id.clone());
                let limit = if is_v2 { i16::MAX } else { OFFSETS_BY_V2 - 1 };
                let make = move |versions: &Versions| {
                    let (offsets, group) = &*what;
                    let version = versions.choose_up_to::<TxnOffsetCommitRequest>(limit)?;
                    if version < OFFSETS_OF_MEMBER && group.generation_id >= 0 {
                        return Err(Error::new(
                            Kind::UnsupportedVersion,
                            "the coordinator is older than Kafka 2.5 and cannot tell whether the group went on without \
                             this member",
                        ));
                    }
                    Ok((request::offsets(&id, identity, offsets, group), version))
                };
                let (response, _) = call(&cluster, &coordinator, make).await?;
                let results = response.topics.iter().flat_map(|topic| {
                    let partitions = topic.partitions.iter();
                    partitions.map(|partition| (&*topic.name, partition.partition_index, partition.error_code))
                });
                check_all(&cluster, &coordinator, results)
            }
            Request::End { identity, commit } => {
                let limit = if is_v2 { i16::MAX } else { END_BY_V2 - 1 };
                let make = move |versions: &Versions| {
                    Ok((request::end(&id, identity, commit), versions.choose_up_to::<EndTxnRequest>(limit)?))
                };
                let (response, _) = call(&cluster, &transactions, make).await?;
                check(&cluster, &transactions, response.error_code)?;
                let next = Identity { id: response.producer_id, epoch: response.producer_epoch };
                Ok(if next.id >= 0 { Answer::Identity(next, true) } else { Answer::Done })
            }
        }
    }
}

async fn call<R>(
    cluster: &Arc<Cluster>,
    coordinator: &Coordinated,
    make: impl FnOnce(&Versions) -> Result<(R, i16), Error> + Send + 'static,
) -> Result<(R::Response, i16), Error>
where
    R: ottla_wire::Request + Send + 'static,
    R::Response: Send,
{
    let timeout = cluster.config().request_timeout;
    let (questions, until) = (Questions::after(PATIENCE), deadline(timeout));
    let (response, version, _) =
        ask_coordinator::<R>(cluster, coordinator.clone(), Lane::Main, make, timeout, questions, until).await?;
    Ok((response, version))
}

fn check(cluster: &Cluster, coordinator: &Coordinated, code: Code) -> Result<(), Error> {
    if code.is_none() {
        return Ok(());
    }
    if moved(code) {
        cluster.forget_coordinator_of(coordinator);
    }
    Err(Error::broker(code, format!("coordinator of {coordinator}")))
}

/// The failure that weighs most, named by its partition: what ends the transaction before what is to be tried again.
fn check_all<'a>(
    cluster: &Cluster,
    coordinator: &Coordinated,
    results: impl Iterator<Item = (&'a str, i32, Code)>,
) -> Result<Answer, Error> {
    let failed = results.filter(|(.., code)| !code.is_none());
    // The others of a request that failed were merely not attempted.
    let weight = |code: Code| (!code.retriable(), code != Code::OperationNotAttempted);
    match failed.max_by_key(|(.., code)| weight(*code)) {
        None => Ok(Answer::Done),
        Some((topic, partition, code)) => {
            check(cluster, coordinator, code).map_err(|error| error.within(format!("{topic}[{partition}]")))?;
            Ok(Answer::Done)
        }
    }
}

fn moved(code: Code) -> bool {
    matches!(code, Code::NotCoordinator | Code::CoordinatorNotAvailable | Code::RequestTimedOut)
}
