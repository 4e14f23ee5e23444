//! The properties that a client gets: from --config, -X, -b and the command's own options.

use ottla::config::{AdminBuilder, ConsumerBuilder, ProducerBuilder, SettingRow};

use crate::args::Global;
use crate::failure::Failure;
use crate::properties;

const BOOTSTRAP: &str = "bootstrap.servers";

/// What the user said about the client, whichever it will be.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// From the file: it may be shared by several kinds of clients.
    file: Vec<(String, String)>,
    /// From the command line: meant for this command.
    own: Vec<(String, String)>,
}

impl Settings {
    pub(crate) fn gather(global: &Global) -> Result<Self, Failure> {
        let file = match &global.config {
            Some(path) => {
                let named = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
                let bytes = std::fs::read(path).map_err(|error| named(&error))?;
                properties::parse(&bytes).map_err(|error| named(&error))?
            }
            None => Vec::new(),
        };
        let mut own = global.properties.clone();
        own.extend(global.bootstrap.iter().map(|servers| (BOOTSTRAP.to_owned(), servers.clone())));
        Ok(Self { file, own })
    }

    /// For commands that connect to no cluster.
    pub(crate) fn refuse(&self, command: &str) -> Result<(), Failure> {
        if self.file.is_empty() && self.own.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(format!("`ottla {command}` connects to no cluster: it takes no -b, -X or --config")))
    }

    /// What the user said of a property, if anything.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.file.iter().chain(&self.own).rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// A producer's settings; `options` are those of the command.
    pub(crate) fn producer(&self, options: &[(&str, String)]) -> Result<ProducerBuilder, Failure> {
        Ok(ottla::Producer::builder("").set_all(self.all(&[], ProducerBuilder::SETTINGS, options)?))
    }

    /// A consumer's settings; `defaults` give way to what the user says, `options` are those of the command.
    pub(crate) fn consumer(
        &self,
        defaults: &[(&str, &str)],
        options: &[(&str, String)],
    ) -> Result<ConsumerBuilder, Failure> {
        Ok(ottla::Consumer::builder("").set_all(self.all(defaults, ConsumerBuilder::SETTINGS, options)?))
    }

    /// An admin client's settings.
    pub(crate) fn admin(&self) -> Result<AdminBuilder, Failure> {
        Ok(ottla::Admin::builder("").set_all(self.all(&[], AdminBuilder::SETTINGS, &[])?))
    }

    /// Every setting for a client with these rows, the most specific last.
    fn all(
        &self,
        defaults: &[(&str, &str)],
        rows: &[SettingRow],
        options: &[(&str, String)],
    ) -> Result<Vec<(String, String)>, Failure> {
        if self.value(BOOTSTRAP).is_none() {
            let advice = "no broker given: name one with -b HOST:PORT, or `bootstrap.servers` in -X or --config \
                          (`ottla broker` starts one on this machine)";
            return Err(Failure::usage(advice));
        }
        let is_anothers = |key: &str| {
            let names = |rows: &[SettingRow]| rows.iter().any(|row| row.key == key);
            let known = [ProducerBuilder::SETTINGS, ConsumerBuilder::SETTINGS, AdminBuilder::SETTINGS];
            !names(rows) && known.into_iter().any(names)
        };
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let mut all = vec![("client.id".to_owned(), "ottla-cli".to_owned())];
        all.extend(defaults.iter().map(own));
        all.extend(self.file.iter().filter(|(key, _)| !is_anothers(key)).cloned());
        all.extend(self.own.iter().cloned());
        all.extend(options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(file: &[(&str, &str)], own: &[(&str, &str)]) -> Settings {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings { file: pairs(file), own: pairs(own) }
    }

    #[test]
    fn the_options_of_the_command_win_over_x_and_x_over_the_file() {
        let settings = settings(&[("acks", "0"), ("linger.ms", "1")], &[("acks", "1"), ("bootstrap.servers", "a:1")]);
        let all = settings.all(&[("acks", "none")], ProducerBuilder::SETTINGS, &[("acks", "all".into())]).unwrap();
        let acks: Vec<_> = all.iter().filter(|(key, _)| key == "acks").map(|(_, value)| value.as_str()).collect();
        assert_eq!(acks, ["none", "0", "1", "all"], "the last one counts");
        assert_eq!(settings.value("acks"), Some("1"));
    }

    #[test]
    fn a_file_may_hold_other_clients_settings_but_the_command_line_may_not() {
        let of_a_consumer = [("bootstrap.servers", "a:1"), ("fetch.min.bytes", "1")];
        assert!(settings(&of_a_consumer, &[]).producer(&[]).unwrap().build().is_ok());
        let error = settings(&[], &of_a_consumer).producer(&[]).unwrap().build().unwrap_err();
        assert!(error.to_string().contains("`fetch.min.bytes`"), "{error}");
        let error = settings(&[("bootstrap.servers", "a:1"), ("cheese", "1")], &[]).admin().unwrap().build();
        assert!(error.unwrap_err().to_string().contains("`cheese`"));
    }

    #[test]
    fn without_a_broker_the_ways_to_name_one_are_told() {
        let Err(Failure::Usage(advice)) = settings(&[("acks", "1")], &[]).producer(&[]) else { panic!() };
        assert!(advice.contains("-b HOST:PORT"), "{advice}");
    }
}
