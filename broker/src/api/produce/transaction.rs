//! Before a transaction's first batch in a partition its coordinator is asked, and told, of the partition (KIP-890).

use std::time::Duration;

use kafka_protocol::ResponseError;

use super::Part;
use crate::api::Context;
use crate::cluster::Cluster;
use crate::log::batch::{Batch, Refused};
use crate::transaction::Protocol;

/// The first version that knows `TRANSACTION_ABORTABLE`.
const ABORTABLE_FROM: i16 = 11;

/// The first version that adds its partitions to the transaction itself.
const ADDS_FROM: i16 = 12;

/// Refuses the batches that may not be written within the transaction they say they are in. Batches outside any pass.
pub(super) fn agree(cluster: &mut Cluster, context: &Context, id: Option<&str>, parts: &mut [Part<'_>], now: Duration) {
    let producer = |batch: &Batch| (batch.header.producer_id, batch.header.producer_epoch);
    let mut producers: Vec<_> = parts.iter().filter_map(transactional).map(producer).collect();
    producers.dedup();
    let Some(producer) = producers.first().copied() else { return };
    let Some(id) = id else {
        let message = "A batch is part of a transaction, but the request has no transactional id";
        return refuse_all(parts, ResponseError::TransactionalIdAuthorizationFailed, message);
    };
    if producers.len() > 1 {
        let message = "The request holds transactional batches of more than one producer";
        return refuse_all(parts, ResponseError::InvalidProducerIdMapping, message);
    }

    let adds = context.version >= ADDS_FROM;
    let mut unagreed = Vec::new();
    for (place, part) in parts.iter_mut().enumerate() {
        match begin(cluster, context, part, adds) {
            Ok(true) => unagreed.push(place),
            Ok(false) => {}
            Err(refused) => part.batch = Err(refused),
        }
    }
    let place_of = |part: &Part<'_>| (part.topic.to_owned(), part.index);
    if adds && !unagreed.is_empty() {
        let places: Vec<_> = unagreed.iter().map(|place| place_of(&parts[*place])).collect();
        if let Err(error) = add(cluster, id, producer, places, now) {
            unagreed.iter().for_each(|place| parts[*place].batch = Err(refusal(error, context.version)));
        }
        return;
    }
    for place in unagreed {
        if let Err(error) = verify(cluster, id, producer, &place_of(&parts[place])) {
            parts[place].batch = Err(refusal(error, context.version));
        }
    }
}

fn transactional<'a>(part: &'a Part<'_>) -> Option<&'a Batch> {
    part.batch.as_ref().ok().filter(|batch| batch.header.is_transactional() && batch.header.has_producer())
}

fn refuse_all(parts: &mut [Part<'_>], code: ResponseError, message: &str) {
    for part in parts.iter_mut().filter(|part| part.batch.is_ok()) {
        part.batch = Err(Refused::new(code, message));
    }
}

/// Tells whether the coordinator must be asked about a partition.
fn begin(cluster: &mut Cluster, context: &Context, part: &Part<'_>, adds: bool) -> Result<bool, Refused> {
    let Some(batch) = transactional(part) else { return Ok(false) };
    // A partition that isn't here is refused where others are.
    let here = cluster.topics.partition_mut(part.topic, part.index);
    let here = here.filter(|partition| partition.leader == context.node);
    here.map_or(Ok(false), |partition| partition.log.producers.verify(&batch.header, adds))
}

fn add(
    cluster: &mut Cluster,
    id: &str,
    producer: (i64, i16),
    partitions: Vec<(String, i32)>,
    now: Duration,
) -> Result<(), ResponseError> {
    cluster.check_transaction_coordinator_acts(id)?;
    cluster.add_to_transaction(id, producer, partitions, None, Protocol::V2, now)
}

fn verify(cluster: &Cluster, id: &str, producer: (i64, i16), partition: &(String, i32)) -> Result<(), ResponseError> {
    cluster.check_transaction_coordinator_acts(id)?;
    cluster.verify_partition(id, producer, partition)
}

/// What the coordinator's error is to a client of this version.
fn refusal(error: ResponseError, version: i16) -> Refused {
    let (code, message) = match error {
        // Only the coordinator fences (KIP-588): here the producer may still abort.
        ResponseError::ProducerFenced => {
            (ResponseError::InvalidProducerEpoch, "The producer's epoch is not the newest")
        }
        ResponseError::TransactionAbortable if version < ABORTABLE_FROM => {
            (ResponseError::InvalidTxnState, "The partition was not added to the transaction")
        }
        ResponseError::TransactionAbortable => (error, "The partition was not added to the transaction"),
        // Older clients retry after this one without asking for metadata.
        ResponseError::ConcurrentTransactions if version < ADDS_FROM => {
            (ResponseError::NotEnoughReplicas, "The transaction before this one is still being completed")
        }
        ResponseError::ConcurrentTransactions => (error, "The transaction before this one is still being completed"),
        ResponseError::CoordinatorNotAvailable => {
            (ResponseError::NotEnoughReplicas, "The transaction's coordinator does not answer")
        }
        ResponseError::InvalidProducerIdMapping => (error, "The transactional id has another producer id"),
        error => (error, "The transaction's coordinator refused"),
    };
    Refused::new(code, message)
}
