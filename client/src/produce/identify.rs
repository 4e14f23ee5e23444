//! driver: asks for the id of an idempotent producer.

use std::sync::Weak;

use ottla_wire::messages::InitProducerIdRequest;
use tokio::sync::mpsc;

use super::driver::Event;
use super::queue::Identity;
use crate::cluster::Cluster;
use crate::connection::{Backoff, Versions};
use crate::error::Error;

/// Asks for a producer id until there is one, or none is to be had.
pub(super) async fn identify(cluster: Weak<Cluster>, events: mpsc::UnboundedSender<Event>) {
    let mut backoff = None;
    while !events.is_closed() {
        let Some(cluster) = cluster.upgrade() else { return };
        let error = match ask_identity(&cluster).await {
            Ok(identity) => {
                let _ = events.send(Event::Identity(Ok(identity)));
                return;
            }
            Err(error) => error,
        };
        let is_final = !error.is_retriable();
        let _ = events.send(Event::Identity(Err(error.within("ask for a producer id"))));
        if is_final {
            return;
        }
        let config = cluster.config();
        let backoff = backoff.get_or_insert_with(|| Backoff::new(config.retry_backoff, config.retry_backoff_max));
        let wait = cluster.runtime().random(|random| backoff.next(random));
        drop(cluster);
        tokio::time::sleep(wait).await;
    }
}

/// Of any broker: another is asked as well when the first is silent.
async fn ask_identity(cluster: &Cluster) -> Result<Identity, Error> {
    let make = |versions: &Versions| {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: -1,
            producer_epoch: -1,
        };
        Ok((request, versions.choose::<InitProducerIdRequest>()?))
    };
    let (response, _, broker) = cluster.ask_any(make, None).await?;
    if !response.error_code.is_none() {
        return Err(Error::broker(response.error_code, format!("InitProducerId on broker {broker}")));
    }
    Ok(Identity { id: response.producer_id, epoch: response.producer_epoch })
}
