//! A producer's settings, and the rules between them.

use std::time::Duration;

use ottla_wire::compression::{Compression, Compressor};

use super::client::with_client_rows;
use super::value::{Acks, ClientDnsLookup, RecordingLevel, RecoveryStrategy};
use super::{invalid, ms, settings};
use crate::error::Error;
use crate::produce::{Interceptors, PartitionerClass, ProducerInterceptor};

with_client_rows! {
    settings! {
        /// Settings of a [`Producer`](crate::Producer), on the way to one.
        ProducerConfig, ProducerBuilder;
        own {
            "acks" acks: Acks = Acks::All, "How many replicas must hold a batch before it is acknowledged.";
            "batch.size" batch_size: usize = 131_072, "Close a batch at this many bytes. Our one larger default (Java: 16384): buffers are pooled and grow with their content, so it costs no memory.";
            "buffer.memory" buffer_memory: usize = 33_554_432, "Bytes of records that may wait for their acknowledgement; more make `enqueue` wait.";
            "compression.gzip.level" gzip_level: i32 = -1, "Effort of gzip, 1 to 9, or -1 for its own default.";
            "compression.lz4.level" lz4_level: i32 = 9, "Effort of lz4, 1 to 17.";
            "compression.type" compression: Compression = Compression::None, "Codec of the batches.";
            "compression.zstd.level" zstd_level: i32 = 3, "Effort of zstd, -131072 to 22.";
            "delivery.timeout.ms" delivery_timeout: Duration = ms(120_000), "Fail a record that is not acknowledged this long after `enqueue`, retries included.";
            "enable.idempotence" enable_idempotence: bool = true, "Number the batches, so that a retry never writes one twice or out of order.";
            "interceptor.classes" interceptors: Interceptors = Interceptors::none(), "See every record before it is sent, and hear what became of it, in this order.";
            "linger.ms" linger: Duration = ms(5), "Wait this long for a fuller batch.";
            "max.block.ms" max_block: Duration = ms(60_000), "How long `enqueue` may wait for a topic's metadata and for memory, together.";
            "max.in.flight.requests.per.connection" max_in_flight: u32 = 5, "Requests that may wait for their answers on one connection; at most 5 with idempotence.";
            "max.request.size" max_request_size: usize = 1_048_576, "Largest record, and largest request, in bytes.";
            "metadata.max.idle.ms" metadata_max_idle: Duration = ms(300_000), "Forget a topic that nothing was sent to for this long.";
            "partitioner.adaptive.partitioning.enable" adaptive_partitioning: bool = true, "Give partitions that batches wait for in proportion fewer of the records without a key.";
            "partitioner.availability.timeout.ms" partitioner_availability_timeout: Duration = ms(0), "Give no records without a key to partitions whose broker has taken nothing for this long though batches wait for it; 0 for never. Without adaptive partitioning it does nothing.";
            "partitioner.class" partitioner: PartitionerClass = PartitionerClass::built_in(), "Choose partitions by a `Partitioner` instead of the built-in way: by key, or, without one, a batch's worth of bytes to one partition after the other.";
            "partitioner.ignore.keys" partitioner_ignore_keys: bool = false, "Choose partitions as if records had no key.";
            "retries" retries: u32 = 2_147_483_647, "How often a batch is sent again; `delivery.timeout.ms` ends the attempts earlier.";
            "transaction.timeout.ms" transaction_timeout: Duration = ms(60_000), "The coordinator aborts a transaction that is open for longer; no more than the brokers' `transaction.max.timeout.ms`.";
            "transactional.id" transactional_id: String = String::new(), "Names a producer of transactions across restarts: the newest of a name fences the others. Empty: no transactions.";
        }
    }
}

impl ProducerBuilder {
    /// Adds an interceptor, which is called after those added before.
    pub fn interceptor(mut self, interceptor: impl ProducerInterceptor) -> Self {
        self.config.interceptors = self.config.interceptors.with(interceptor);
        self
    }

    /// The settings, checked one by one and against each other.
    pub(crate) fn validated(mut self) -> Result<(ProducerConfig, crate::runtime::Environment), Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.config.validate()?;
        Ok((self.config, self.environment))
    }
}

impl ProducerConfig {
    fn validate(&mut self) -> Result<(), Error> {
        self.client.validate()?;
        if self.max_in_flight == 0 {
            return Err(invalid("max.in.flight.requests.per.connection", "0", "must be at least 1"));
        }
        if self.metadata_max_idle < ms(5_000) {
            let value = self.metadata_max_idle.as_millis().to_string();
            return Err(invalid("metadata.max.idle.ms", &value, "must be at least 5000"));
        }
        for (codec, key, level, allowed) in [
            (Compression::Gzip, "compression.gzip.level", self.gzip_level, 1..=9),
            (Compression::Lz4, "compression.lz4.level", self.lz4_level, 1..=17),
            (Compression::Zstd, "compression.zstd.level", self.zstd_level, -131_072..=22),
        ] {
            let is_default = codec == Compression::Gzip && level == -1;
            if !is_default && !allowed.contains(&level) {
                let rule = format!("must be from {} to {}", allowed.start(), allowed.end());
                return Err(invalid(key, &level.to_string(), &rule));
            }
            // Not every build has every level: only the one that is used must be there.
            if codec == self.compression
                && let Err(error) = Compressor::new(codec, Some(level))
            {
                return Err(invalid(key, &level.to_string(), &format!("cannot be used: {error}")));
            }
        }
        self.reconcile_idempotence()?;
        self.reconcile_delivery_timeout()
    }

    /// Unset, idempotence gives way to `acks` and `retries`; asked for, it must not contradict them.
    fn reconcile_idempotence(&mut self) -> Result<(), Error> {
        let asked = self.chosen.contains("enable.idempotence");
        if !self.transactional_id.is_empty() && !self.enable_idempotence {
            return Err(invalid("enable.idempotence", "false", "contradicts `transactional.id`: transactions need it"));
        }
        // Transactions ask for it as well.
        let asked = asked || !self.transactional_id.is_empty();
        if self.enable_idempotence {
            let obstacle = if self.acks != Acks::All {
                Some("`acks` must be `all`")
            } else if self.retries == 0 {
                Some("`retries` must not be 0")
            } else {
                None
            };
            match obstacle {
                Some(rule) if asked => {
                    return Err(invalid("enable.idempotence", "true", &format!("contradicts another setting: {rule}")));
                }
                Some(rule) => {
                    tracing::info!("idempotence is off, since {rule} for it");
                    self.enable_idempotence = false;
                }
                None => {}
            }
        }
        if self.enable_idempotence && self.max_in_flight > 5 {
            let value = self.max_in_flight.to_string();
            let rule = "must be at most 5 with idempotence (`enable.idempotence`)";
            return Err(invalid("max.in.flight.requests.per.connection", &value, rule));
        }
        Ok(())
    }

    /// A delivery takes at least a linger and a request: raised if that was not chosen, refused if it was.
    fn reconcile_delivery_timeout(&mut self) -> Result<(), Error> {
        let least = self.linger.saturating_add(self.client.request_timeout);
        if self.delivery_timeout >= least {
            return Ok(());
        }
        if self.chosen.contains("delivery.timeout.ms") {
            let value = self.delivery_timeout.as_millis().to_string();
            let rule = format!("must be at least `linger.ms` + `request.timeout.ms`, which is {}", least.as_millis());
            return Err(invalid("delivery.timeout.ms", &value, &rule));
        }
        tracing::warn!("delivery.timeout.ms raised to {} ms: linger.ms + request.timeout.ms", least.as_millis());
        self.delivery_timeout = least;
        Ok(())
    }

    /// The level of the chosen codec, if it has levels.
    pub(crate) fn compression_level(&self) -> Option<i32> {
        match self.compression {
            Compression::Gzip => Some(self.gzip_level),
            Compression::Lz4 => Some(self.lz4_level),
            Compression::Zstd => Some(self.zstd_level),
            Compression::None | Compression::Snappy => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(settings: &[(&str, &str)]) -> Result<ProducerConfig, Error> {
        ProducerBuilder::new("a:9092").set_all(settings.iter().copied()).validated().map(|(config, _)| config)
    }

    #[test]
    fn idempotence_gives_way_when_it_was_not_asked_for() {
        assert!(build(&[]).unwrap().enable_idempotence);
        assert!(!build(&[("acks", "1")]).unwrap().enable_idempotence);
        assert!(!build(&[("retries", "0")]).unwrap().enable_idempotence);
    }

    #[test]
    fn idempotence_asked_for_contradicts_acks_1() {
        let error = build(&[("acks", "1"), ("enable.idempotence", "true")]).unwrap_err();
        assert!(error.to_string().contains("`acks` must be `all`"), "{error}");
    }

    #[test]
    fn more_than_five_in_flight_needs_idempotence_off() {
        let six = ("max.in.flight.requests.per.connection", "6");
        assert!(build(&[six]).unwrap_err().to_string().contains("at most 5"));
        assert!(build(&[six, ("enable.idempotence", "false")]).is_ok());
    }

    #[test]
    fn a_delivery_timeout_too_short_is_raised_unless_it_was_chosen() {
        let raised = build(&[("request.timeout.ms", "200000")]).unwrap();
        assert_eq!(raised.delivery_timeout, ms(200_005));
        let error = build(&[("delivery.timeout.ms", "100")]).unwrap_err();
        assert!(error.to_string().contains("30005"), "{error}");
    }

    #[test]
    fn a_bootstrap_server_without_a_port_is_named() {
        let error = ProducerBuilder::new("localhost").validated().unwrap_err();
        assert!(error.to_string().contains("`localhost`"), "{error}");
    }

    #[test]
    fn a_partitioner_class_that_is_not_there_is_told_what_is() {
        for known in ["", "null", "roundrobin", "org.apache.kafka.clients.producer.RoundRobinPartitioner"] {
            build(&[("partitioner.class", known)]).unwrap();
        }
        let error = build(&[("partitioner.class", "com.example.Mine")]).unwrap_err().to_string();
        assert!(error.starts_with("setting `partitioner.class`: `com.example.Mine` must be empty"), "{error}");
        assert!(error.contains("RoundRobinPartitioner") && error.contains("ProducerBuilder::partitioner"), "{error}");
    }

    #[test]
    fn interceptors_are_registered_by_code_alone() {
        build(&[("interceptor.classes", "")]).unwrap();
        let error = build(&[("interceptor.classes", "com.example.Audit")]).unwrap_err().to_string();
        assert!(error.contains("`com.example.Audit`") && error.contains("ProducerBuilder::interceptor"), "{error}");
    }

    #[test]
    fn a_level_out_of_range_is_refused() {
        let error = build(&[("compression.type", "gzip"), ("compression.gzip.level", "10")]).unwrap_err();
        assert!(error.to_string().contains("`compression.gzip.level`: `10`"), "{error}");
    }
}
