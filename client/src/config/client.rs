//! The settings that every client has.

use std::time::Duration;

use super::value::{ClientDnsLookup, RecordingLevel, RecoveryStrategy};
use super::{invalid, ms};
use crate::error::{Error, Kind};

/// Calls a macro with the rows that every client has added to its own.
macro_rules! with_client_rows {
    ($target:ident! { $($own:tt)* }) => {
        $target! {
            $($own)*
            client {
                "bootstrap.servers" bootstrap_servers: Vec<String> = Vec::new(), "Brokers to ask first, `host:port` each; the others are learnt from them.";
                "client.dns.lookup" client_dns_lookup: ClientDnsLookup = ClientDnsLookup::UseAllDnsIps, "How names of brokers are looked up.";
                "client.id" client_id: String = String::new(), "The name brokers log and account for this client by.";
                "connections.max.idle.ms" connections_max_idle: Duration = ms(540_000), "Close a connection that was idle this long.";
                "enable.metrics.push" enable_metrics_push: bool = true, "Send metrics to brokers that ask for them (KIP-714).";
                "metadata.max.age.ms" metadata_max_age: Duration = ms(300_000), "Ask for metadata again after this long, whatever happened.";
                "metadata.recovery.rebootstrap.trigger.ms" rebootstrap_trigger: Duration = ms(300_000), "Start again from the bootstrap servers after metadata failed for this long.";
                "metadata.recovery.strategy" metadata_recovery: RecoveryStrategy = RecoveryStrategy::Rebootstrap, "What to do when no known broker can be reached.";
                "metrics.num.samples" metrics_num_samples: u32 = 2, "Over how many windows averages, maxima and rates of metrics are taken.";
                "metrics.recording.level" metrics_recording_level: RecordingLevel = RecordingLevel::Info, "Which metrics are kept. All of a client's are of level INFO, as in Java, so that each level keeps them all.";
                "metrics.sample.window.ms" metrics_sample_window: Duration = ms(30_000), "How long one of these windows is.";
                "receive.buffer.bytes" receive_buffer: i32 = -1, "Size of the socket's receive buffer in bytes; -1, our default, lets the system tune it (Java: 32768 or 65536).";
                "reconnect.backoff.max.ms" reconnect_backoff_max: Duration = ms(1_000), "Longest wait between two attempts to connect to one broker.";
                "reconnect.backoff.ms" reconnect_backoff: Duration = ms(50), "Wait after the first failed attempt to connect to a broker; doubles from then on, with jitter.";
                "request.timeout.ms" request_timeout: Duration = ms(30_000), "Give a request up, and its connection, when no answer came for this long.";
                "retry.backoff.max.ms" retry_backoff_max: Duration = ms(1_000), "Longest wait before a failed request is sent again.";
                "retry.backoff.ms" retry_backoff: Duration = ms(100), "Wait before a failed request is sent again the first time; doubles from then on, with jitter.";
                "send.buffer.bytes" send_buffer: i32 = -1, "Size of the socket's send buffer in bytes; -1, our default, lets the system tune it (Java: 131072).";
                "socket.connection.setup.timeout.max.ms" connection_setup_timeout_max: Duration = ms(30_000), "Longest time an attempt to connect may take.";
                "socket.connection.setup.timeout.ms" connection_setup_timeout: Duration = ms(10_000), "Time the first attempt to connect may take; doubles with each failure, with jitter.";
            }
        }
    };
}
pub(super) use with_client_rows;

macro_rules! client_config {
    (client { $($key:literal $field:ident: $type:ty = $default:expr, $doc:literal;)* }) => {
        /// The settings that every client has.
        #[derive(Clone, Debug)]
        pub(crate) struct ClientConfig { $(pub(crate) $field: $type,)* }

        impl Default for ClientConfig {
            fn default() -> Self { Self { $($field: $default,)* } }
        }
    };
}

with_client_rows! { client_config! {} }

impl ClientConfig {
    pub(super) fn validate(&self) -> Result<(), Error> {
        if self.bootstrap_servers.is_empty() {
            return Err(Error::new(
                Kind::Config,
                "setting `bootstrap.servers` is empty: give at least one broker as `host:port`",
            ));
        }
        for server in &self.bootstrap_servers {
            crate::net::Address::parse(server)?;
        }
        if self.metrics_num_samples == 0 {
            return Err(invalid("metrics.num.samples", "0", "must be at least 1"));
        }
        // Java takes 0 as well, and then cannot say what a rate is.
        if self.metrics_sample_window.is_zero() {
            return Err(invalid("metrics.sample.window.ms", "0", "must be at least 1"));
        }
        Ok(())
    }
}
