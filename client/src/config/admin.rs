//! An admin client's settings.

use std::time::Duration;

use super::client::with_client_rows;
use super::value::{ClientDnsLookup, RecordingLevel, RecoveryStrategy};
use super::{ms, settings};
use crate::error::Error;

with_client_rows! {
    settings! {
        /// Settings of an [`Admin`](crate::Admin), on the way to one.
        AdminConfig, AdminBuilder;
        own {
            "default.api.timeout.ms" default_api_timeout: Duration = ms(60_000), "How long a call may take, retries included.";
            "retries" retries: u32 = 2_147_483_647, "How often a call is tried again; `default.api.timeout.ms` ends the attempts earlier.";
        }
    }
}

impl AdminBuilder {
    /// The settings, checked one by one and against each other.
    pub(crate) fn validated(mut self) -> Result<(AdminConfig, crate::runtime::Environment), Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if !self.config.chosen.contains("connections.max.idle.ms") {
            self.config.client.connections_max_idle = ms(300_000);
        }
        self.config.client.validate()?;
        Ok((self.config, self.environment))
    }
}
