//! Metrics that clients push (KIP-714).

use super::Broker;
use crate::telemetry::{Push, Telemetry};

impl Broker {
    /// The metrics that clients pushed, oldest first; as many of the newest as [`Builder::requests_kept`] says.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use ottla_broker::{Broker, Telemetry};
    ///
    /// let broker = Broker::start().telemetry(Telemetry::new(["org.apache.kafka.producer."])).await;
    /// assert!(broker.pushed().is_empty(), "there is no client");
    /// # }
    /// ```
    ///
    /// [`Builder::requests_kept`]: crate::Builder::requests_kept
    pub fn pushed(&self) -> Vec<Push> {
        self.shared().with(|cluster, _| cluster.pushes.iter().cloned().collect())
    }

    /// Asks clients for other metrics than before. A push of those before is refused with `UNKNOWN_SUBSCRIPTION_ID`, as
    /// far as names or interval differ. Nobody hears of it if the builder was given no
    /// [`telemetry`](crate::Builder::telemetry).
    pub fn set_telemetry(&self, telemetry: Telemetry) {
        self.shared().change(|cluster, _| cluster.pushes.set(telemetry));
    }
}
