//! Kafka's properties that have no row here: those of the JVM alone, and those still to come.

use crate::error::{Error, Kind};

/// Properties that only mean something inside a JVM: taken, so that a Java properties file works, and said to do nothing.
const JVM_ONLY: &[&str] = &[
    "auto.include.jmx.reporter",
    "key.deserializer",
    "key.serializer",
    "metric.reporters",
    "security.providers",
    "value.deserializer",
    "value.serializer",
];

/// Properties whose only supported value is the one given, which is Kafka's default or means the same.
const FIXED: &[(&str, &[&str])] = &[
    ("config.providers", &[""]),
    ("interceptor.classes", &[""]),
    ("sasl.mechanism", &["GSSAPI"]),
    ("security.protocol", &["PLAINTEXT", "plaintext"]),
    ("transaction.two.phase.commit.enable", &["false"]),
];

/// Prefixes of properties that mean nothing while `security.protocol` is PLAINTEXT.
const SECURITY: &[&str] = &["sasl.", "ssl."];

const OTHERS: &[&str] = &["bootstrap.controllers"];

/// Properties of a consumer that cannot be those of a share consumer, as in Java.
const NOT_SHARED: &[&str] = &[
    "auto.offset.reset",
    "enable.auto.commit",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "interceptor.classes",
    "isolation.level",
    "partition.assignment.strategy",
    "session.timeout.ms",
];

/// Takes a key without a row, or says why not.
pub(super) fn check(client: &str, key: &str, value: &str) -> Result<(), Error> {
    if client == "ShareConsumerConfig" && NOT_SHARED.contains(&key) {
        return Err(Error::new(Kind::Config, format!("setting `{key}` cannot be set for a share group")));
    }
    if JVM_ONLY.contains(&key) {
        tracing::warn!("setting `{key}` has no effect outside Java");
        return Ok(());
    }
    if let Some((_, allowed)) = FIXED.iter().find(|(fixed, _)| *fixed == key) {
        if allowed.contains(&value) {
            return Ok(());
        }
        let allowed = allowed.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ");
        return Err(Error::new(
            Kind::Config,
            format!("setting `{key}`: `{value}` is not supported yet; what works is {allowed}"),
        ));
    }
    // The value may be a secret: it is never repeated.
    if OTHERS.contains(&key) || SECURITY.iter().any(|prefix| key.starts_with(prefix)) {
        return Err(Error::new(Kind::Config, format!("setting `{key}` is not supported yet")));
    }
    let client = match client {
        "ShareConsumerConfig" => "share consumer".to_owned(),
        client => client.trim_end_matches("Config").to_lowercase(),
    };
    let message = match nearest(&client, key) {
        Some(near) => format!("setting `{key}` is not one of a {client}: did you mean `{near}`?"),
        None => format!("setting `{key}` is not one of a {client}"),
    };
    Err(Error::new(Kind::Config, message))
}

/// The known key most like `key`, if one is like it at all.
fn nearest(client: &str, key: &str) -> Option<&'static str> {
    let rows = match client {
        "producer" => super::ProducerBuilder::SETTINGS,
        "consumer" => super::ConsumerBuilder::SETTINGS,
        "share consumer" => super::ShareConsumerBuilder::SETTINGS,
        _ => super::AdminBuilder::SETTINGS,
    };
    let (distance, near) = rows.iter().map(|row| (distance(key, row.key), row.key)).min()?;
    (distance <= 3).then_some(near)
}

/// Edits between two names (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_java_serializer_is_taken_and_does_nothing() {
        assert!(
            check("ProducerConfig", "key.serializer", "org.apache.kafka.common.serialization.StringSerializer").is_ok()
        );
    }

    #[test]
    fn tls_is_refused_by_name_and_its_secrets_are_not_repeated() {
        let error = check("ProducerConfig", "ssl.keystore.password", "hunter2").unwrap_err();
        assert_eq!(error.to_string(), "setting `ssl.keystore.password` is not supported yet");
        let error = check("ProducerConfig", "security.protocol", "SSL").unwrap_err();
        assert!(error.to_string().contains("what works is `PLAINTEXT`"), "{error}");
    }

    #[test]
    fn a_misspelt_key_gets_its_neighbour() {
        let error = check("ProducerConfig", "linger.msec", "5").unwrap_err();
        assert!(error.to_string().ends_with("did you mean `linger.ms`?"), "{error}");
        let error = check("ProducerConfig", "cheese", "5").unwrap_err();
        assert_eq!(error.to_string(), "setting `cheese` is not one of a producer");
    }
}
