//! Settings: one table per client, read by the builder, the string form, and the docs.
//!
//! Names, units and defaults are those of Kafka's Java client; where Ottla's default differs, the row says so.

use std::time::Duration;

use crate::error::{Error, Kind};

mod admin;
mod client;
mod consumer;
mod iso_duration;
mod producer;
mod share;
mod value;
mod without_effect;

pub use crate::consume::ConsumerInterceptors;
pub use crate::produce::{Interceptors, PartitionerClass};
pub use admin::AdminBuilder;
pub(crate) use client::ClientConfig;
pub use consumer::ConsumerBuilder;
pub(crate) use consumer::ConsumerConfig;
pub use ottla_wire::compression::Compression;
pub use producer::ProducerBuilder;
pub(crate) use producer::ProducerConfig;
pub use share::ShareConsumerBuilder;
pub(crate) use share::ShareConsumerConfig;
pub use value::{
    Acks, AssignmentStrategy, ClientDnsLookup, GroupProtocol, IsolationLevel, OffsetReset, RecordingLevel,
    RecoveryStrategy, ShareAcknowledgementMode, ShareAcquireMode,
};

/// A type that a setting's text can be read into.
pub(crate) trait Setting: Sized {
    /// What the text may be, as the end of "must be …".
    const ALLOWED: &'static str;
    /// The value, if `text` is one.
    fn parse(text: &str) -> Option<Self>;
}

/// One row of a client's table of settings.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SettingRow {
    /// Kafka's property name.
    pub key: &'static str,
    /// The default, as Rust writes it.
    pub default: &'static str,
    /// What the value may be.
    pub allowed: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// The error of a setting whose value cannot be used.
pub(crate) fn invalid(key: &str, value: &str, rule: &str) -> Error {
    Error::new(Kind::Config, format!("setting `{key}`: `{value}` {rule}"))
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Writes a config struct and its builder from one table.
///
/// A row is `"kafka.name" field: Type = default, "what it does";`. The rows of every client are added by
/// [`client::with_client_rows`].
macro_rules! settings {
    (
        $(#[doc = $about:literal])*
        $config:ident, $builder:ident;
        own { $($key:literal $field:ident: $type:ty = $default:expr, $doc:literal;)* }
        client { $($ckey:literal $cfield:ident: $ctype:ty = $cdefault:expr, $cdoc:literal;)* }
    ) => {
        #[derive(Clone, Debug)]
        pub(crate) struct $config {
            pub(crate) client: crate::config::ClientConfig,
            $(pub(crate) $field: $type,)*
            /// The keys that were set by the user, for the rules that tell a default from a choice.
            pub(crate) chosen: std::collections::BTreeSet<&'static str>,
        }

        impl Default for $config {
            fn default() -> Self {
                Self { client: crate::config::ClientConfig::default(), $($field: $default,)* chosen: Default::default() }
            }
        }

        impl $config {
            /// Sets one setting by its Kafka name.
            pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), crate::error::Error> {
                let value = value.trim();
                match key {
                    $($key => {
                        self.$field = crate::config::parse::<$type>(key, value)?;
                        self.chosen.insert($key);
                    })*
                    $($ckey => {
                        self.client.$cfield = crate::config::parse::<$ctype>(key, value)?;
                        self.chosen.insert($ckey);
                    })*
                    _ => crate::config::without_effect::check(stringify!($config), key, value)?,
                }
                Ok(())
            }
        }

        $(#[doc = $about])*
        ///
        /// Every setting can be given by its method or, by its Kafka name, through [`set`](Self::set); what is
        /// wrong is reported by `build`.
        #[must_use = "a builder does nothing until `build`"]
        #[derive(Clone, Debug)]
        pub struct $builder {
            pub(crate) config: $config,
            pub(crate) environment: crate::runtime::Environment,
            pub(crate) error: Option<crate::error::Error>,
        }

        impl $builder {
            pub(crate) fn new(bootstrap: impl Into<String>) -> Self {
                let mut config = $config::default();
                config.client.bootstrap_servers = crate::config::value::list(&bootstrap.into());
                Self { config, environment: crate::runtime::Environment::default(), error: None }
            }

            $(#[doc = concat!($doc, "\n\n`", $key, "`. Default: `", stringify!($default), "`.")]
            pub fn $field(mut self, value: impl Into<$type>) -> Self {
                self.config.$field = value.into();
                self.config.chosen.insert($key);
                self
            })*

            $(#[doc = concat!($cdoc, "\n\n`", $ckey, "`. Default: `", stringify!($cdefault), "`.")]
            pub fn $cfield(mut self, value: impl Into<$ctype>) -> Self {
                self.config.client.$cfield = value.into();
                self.config.chosen.insert($ckey);
                self
            })*

            /// Sets one setting by its Kafka name, as in a properties file. The first error is kept for `build`.
            pub fn set(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
                if let Err(error) = self.config.set(key.as_ref(), value.as_ref()) {
                    self.error.get_or_insert(error);
                }
                self
            }

            /// Sets settings by their Kafka names.
            pub fn set_all<K: AsRef<str>, V: AsRef<str>>(self, settings: impl IntoIterator<Item = (K, V)>) -> Self {
                settings.into_iter().fold(self, |builder, (key, value)| builder.set(key, value))
            }

            /// Runs the client on this runtime instead of a thread of its own.
            pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
                self.environment.runtime = Some(runtime);
                self
            }

            /// Reaches brokers through `connector` instead of TCP.
            pub fn connector(mut self, connector: impl crate::net::Connector) -> Self {
                self.environment.connector = Some(std::sync::Arc::new(connector));
                self
            }

            /// Runs the client in a process of a simulation, which stands in for connector, runtime and seed.
            pub fn process(mut self, process: &crate::Process) -> Self {
                self.environment.connector = Some(std::sync::Arc::new(process.clone()));
                self.environment.process = Some(process.clone());
                self
            }

            /// Seeds the client's random numbers, so that backoffs and partition choices repeat. With
            /// `group.protocol=consumer` a member's id is one of them: members of one group need seeds of their own.
            pub fn seed(mut self, seed: u64) -> Self {
                self.environment.seed = Some(seed);
                self
            }

            /// The table of settings.
            pub const SETTINGS: &'static [crate::config::SettingRow] = &[
                $(crate::config::SettingRow {
                    key: $key,
                    default: stringify!($default),
                    allowed: <$type as crate::config::Setting>::ALLOWED,
                    about: $doc,
                },)*
                $(crate::config::SettingRow {
                    key: $ckey,
                    default: stringify!($cdefault),
                    allowed: <$ctype as crate::config::Setting>::ALLOWED,
                    about: $cdoc,
                },)*
            ];
        }
    };
}
use settings;

/// Reads one value, or says what it may be.
pub(crate) fn parse<T: Setting>(key: &str, text: &str) -> Result<T, Error> {
    T::parse(text).ok_or_else(|| invalid(key, text, &format!("must be {}", T::ALLOWED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builder_and_strings_agree() {
        let typed = ProducerBuilder::new("a:1").linger(ms(20)).acks(Acks::Leader).client_id("me");
        let text = ProducerBuilder::new("a:1").set("linger.ms", "20").set("acks", "1").set("client.id", "me");
        assert_eq!(format!("{:?}", typed.config), format!("{:?}", text.config));
    }

    #[test]
    fn a_bad_value_names_key_value_and_what_is_allowed() {
        let error = ProducerConfig::default().set("linger.ms", "soon").unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert_eq!(error.to_string(), "setting `linger.ms`: `soon` must be milliseconds, 0 or more");
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = ConsumerConfig::default().set("fetch.mim.bytes", "1").unwrap_err();
        assert!(error.to_string().contains("`fetch.mim.bytes`"), "{error}");
        assert!(error.to_string().contains("fetch.min.bytes"), "{error}");
    }

    #[test]
    fn the_first_error_is_kept_for_build() {
        let builder = ProducerBuilder::new("a:1").set("acks", "two").set("nonsense", "1");
        assert!(builder.error.unwrap().to_string().contains("`acks`"));
    }
}
