//! A line of JSON as a record: what `ottla consume --format json` prints.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ottla::Record;
use serde::Deserialize;

/// One line. Text stands in `key`, `value` and so on; bytes that are no text, in base64, in `key_base64` and so on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    headers: Vec<Header<'a>>,
    #[serde(default)]
    timestamp: Option<i64>,
    // Where it was: a copy goes where the command says.
    #[serde(rename = "topic", default)]
    _topic: serde::de::IgnoredAny,
    #[serde(rename = "partition", default)]
    _partition: serde::de::IgnoredAny,
    #[serde(rename = "offset", default)]
    _offset: serde::de::IgnoredAny,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value_base64: Option<Cow<'a, str>>,
}

/// Adds to `record` what a line says; what it does not name stays null.
///
/// # Errors
/// Where the line is not such JSON.
pub(super) fn read<'a>(line: &'a [u8], mut record: Record<'a>) -> Result<Record<'a>, Cow<'static, str>> {
    let line: Line<'a> = serde_json::from_slice(line).map_err(|error| Cow::from(error.to_string()))?;
    if let Some(key) = bytes("key", line.key, line.key_base64)? {
        record = record.key(key);
    }
    if let Some(value) = bytes("value", line.value, line.value_base64)? {
        record = record.value(value);
    }
    for header in line.headers {
        let name = bytes("name", header.name, header.name_base64)?.ok_or("a header has no `name`")?;
        record = match bytes("value", header.value, header.value_base64)? {
            Some(value) => record.header(name, value),
            None => record.null_header(name),
        };
    }
    Ok(match line.timestamp {
        Some(timestamp) => record.timestamp(timestamp),
        None => record,
    })
}

fn bytes(
    field: &str,
    text: Option<Cow<'_, str>>,
    base64: Option<Cow<'_, str>>,
) -> Result<Option<Vec<u8>>, Cow<'static, str>> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(format!("both `{field}` and `{field}_base64` are given").into()),
        (Some(text), None) => Ok(Some(text.into_owned().into_bytes())),
        (None, Some(base64)) => match STANDARD.decode(base64.as_bytes()) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => Err(format!("`{field}_base64`: {error}").into()),
        },
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record<'static> {
        Record::to("orders")
    }

    #[test]
    fn text_bytes_headers_and_nulls_are_told_apart() {
        let line = br#"{"topic":"t","partition":1,"offset":5,"timestamp":7,"key":"k\n","value_base64":"/wA=",
            "headers":[{"name":"h","value":""},{"name":"h","value":null},{"name":"g","value_base64":"/w=="}]}"#;
        let expected = record().timestamp(7).key("k\n").value(&[255, 0]).header("h", "").null_header("h");
        assert_eq!(read(line, record()).unwrap(), expected.header("g", &[255]).into_owned());
        assert_eq!(read(b"{}", record()).unwrap(), record());
        assert_eq!(read(br#"{"key":null,"value":""}"#, record()).unwrap(), record().value("").into_owned());
    }

    #[test]
    fn what_it_does_not_know_or_cannot_read_is_named() {
        for (line, names) in [
            (&br#"{"vale":"x"}"#[..], "vale"),
            (br#"{"value":"x","value_base64":"eA=="}"#, "value_base64"),
            (br#"{"value_base64":"?"}"#, "value_base64"),
            (br#"{"headers":[{"value":"x"}]}"#, "name"),
            (b"tea", "line 1 column"),
        ] {
            let problem = read(line, record()).unwrap_err();
            assert!(problem.contains(names), "{problem}");
        }
    }
}
