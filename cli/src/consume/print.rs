//! A record as a line: text, or JSON that loses nothing.

use std::io::{self, Write};
use std::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ottla::ConsumedRecord;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::Args;
use crate::failure::Failure;
use crate::produce::separator;

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// How records are printed.
#[derive(Debug)]
pub(super) enum Print {
    Json,
    Text { key_separator: Option<Vec<u8>>, headers: bool, null: Vec<u8> },
}

impl Print {
    pub(super) fn new(args: &Args, json: bool) -> Result<Self, Failure> {
        if json && args.format == Some(Format::Text) {
            return Err(Failure::usage("--json and `--format text` contradict each other"));
        }
        if json || args.format == Some(Format::Json) {
            if args.key_separator.is_some() || args.headers {
                return Err(Failure::usage("--key-separator and --headers are of --format text: JSON has both"));
            }
            return Ok(Self::Json);
        }
        let key_separator = args.key_separator.as_deref().map(separator).transpose()?;
        Ok(Self::Text { key_separator, headers: args.headers, null: args.null_value.clone().into_bytes() })
    }

    /// Writes one line.
    pub(super) fn record(&self, out: &mut impl Write, record: &ConsumedRecord<'_>) -> io::Result<()> {
        let (key_separator, headers, null) = match self {
            Self::Json => {
                serde_json::to_writer(&mut *out, &Json(record))?;
                return out.write_all(b"\n");
            }
            Self::Text { key_separator, headers, null } => (key_separator, *headers, null.as_slice()),
        };
        if headers {
            for (index, (name, value)) in record.headers().enumerate() {
                if index > 0 {
                    out.write_all(b",")?;
                }
                out.write_all(name)?;
                out.write_all(b":")?;
                out.write_all(value.unwrap_or(null))?;
            }
            out.write_all(b"\t")?;
        }
        if let Some(separator) = key_separator {
            out.write_all(record.key().unwrap_or(null))?;
            out.write_all(separator)?;
        }
        out.write_all(record.value().unwrap_or(null))?;
        out.write_all(b"\n")
    }
}

struct Json<'a>(&'a ConsumedRecord<'a>);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("topic", record.topic())?;
        map.serialize_entry("partition", &record.partition())?;
        map.serialize_entry("offset", &record.offset())?;
        map.serialize_entry("timestamp", &record.timestamp())?;
        bytes(&mut map, "key", "key_base64", record.key())?;
        bytes(&mut map, "value", "value_base64", record.value())?;
        map.serialize_entry("headers", &Headers(record))?;
        map.end()
    }
}

struct Headers<'a>(&'a ConsumedRecord<'a>);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for (name, value) in self.0.headers() {
            list.serialize_element(&Header(name, value))?;
        }
        list.end()
    }
}

struct Header<'a>(&'a [u8], Option<&'a [u8]>);

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        bytes(&mut map, "name", "name_base64", Some(self.0))?;
        bytes(&mut map, "value", "value_base64", self.1)?;
        map.end()
    }
}

/// Text under one name, other bytes under the other.
fn bytes<M: SerializeMap>(map: &mut M, text: &str, base64: &str, bytes: Option<&[u8]>) -> Result<(), M::Error> {
    match bytes.map(|bytes| (bytes, str::from_utf8(bytes))) {
        None => map.serialize_entry(text, &()),
        Some((_, Ok(utf8))) => map.serialize_entry(text, utf8),
        Some((other, Err(_))) => map.serialize_entry(base64, &STANDARD.encode(other)),
    }
}
