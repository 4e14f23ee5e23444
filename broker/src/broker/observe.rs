//! What was asked and what is stored.

use kafka_protocol::messages::ApiKey;

use super::Broker;
use crate::log::Log;
use crate::observe::{LogView, Request};

impl Broker {
    /// What a partition's log holds now; empty if there is no such partition.
    pub fn log(&self, topic: &str, partition: i32) -> LogView {
        self.shared().with(|cluster, _| {
            let found = cluster.topics.partition(topic, partition);
            found.map_or_else(|| LogView::new(&Log::default()), |partition| LogView::new(&partition.log))
        })
    }

    /// The requests that arrived, oldest first; as many of the newest as the builder says.
    pub fn requests(&self) -> Vec<Request> {
        self.shared().with(|cluster, _| cluster.requests.iter().cloned().collect())
    }

    /// The names of the requests that arrived, of these APIs only, separated by spaces: `Metadata Produce Produce`.
    /// With no API named, of all.
    pub fn seen(&self, apis: impl IntoIterator<Item = ApiKey>) -> String {
        let apis: Vec<ApiKey> = apis.into_iter().collect();
        self.shared().with(|cluster, _| {
            let seen = cluster.requests.iter().filter(|request| apis.is_empty() || apis.contains(&request.api));
            seen.map(|request| format!("{:?}", request.api)).collect::<Vec<_>>().join(" ")
        })
    }

    /// How many requests of an API arrived.
    pub fn count(&self, api: ApiKey) -> usize {
        self.shared().with(|cluster, _| cluster.requests.iter().filter(|request| request.api == api).count())
    }

    /// Waits until so many requests of an API have arrived.
    pub async fn until_seen(&self, api: ApiKey, times: usize) {
        self.until(|broker| broker.count(api) >= times).await;
    }

    /// Forgets the requests that arrived so far.
    pub fn forget_requests(&self) {
        self.shared().with(|cluster, _| cluster.requests.clear());
    }
}
