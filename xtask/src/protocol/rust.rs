//! The text of a message's file: the structures, and what they have in common with others.

use std::fmt::Write;

use super::model::{Field, Kind, Message, Role, Struct};
use super::versions::Versions;
use super::{decode, encode};

/// The file that names them all.
pub(super) fn module(messages: &[Message<'_>]) -> String {
    let (mut modules, mut names) = (String::new(), String::new());
    let mut files: Vec<_> = messages.iter().map(|message| (message.file(), &message.name)).collect();
    files.sort();
    for (file, name) in files {
        let _ = writeln!(modules, "pub mod {file};");
        let _ = writeln!(names, "pub use {file}::{name};");
    }
    format!(
        "//! The messages of the protocol, each in the versions that a client of Kafka 2.1 and newer meets.
        //!
        //! One module a message. It holds the message and the structures it is made of; the messages themselves are
        //! named here as well.
        //!
        //! A field that a version does not have keeps its default when it is read. When it is written it is left out
        //! silently if the definition calls it ignorable; else it is an error unless it has its default.
        //!
        //! Written by `cargo xtask protocol` from Kafka's definitions.

        mod api_key;
        {modules}
        pub use api_key::ApiKey;
        {names}"
    )
}

/// The file of one message.
pub(super) fn text(message: &Message<'_>) -> String {
    let mut body = String::new();
    for structure in &message.structs {
        structure_text(&mut body, message, structure);
        if structure.uses.is_empty() {
            traits(&mut body, message, structure);
        }
        if message.encodes() {
            encode::text(&mut body, message, structure);
        }
        if message.decodes() {
            decode::text(&mut body, message, structure);
        }
    }
    let Message { name, versions, flexible, role, .. } = message;
    let role = match role {
        Role::Request { key, .. } | Role::Response { key } => format!("API key {key}"),
        Role::Data => "which members of a group exchange".to_owned(),
    };
    let flexible = if flexible.is_empty() { String::new() } else { format!(", flexible from {}", flexible.first) };
    format!(
        "//! `{name}`, {role}: {}{flexible}.
        //!
        //! Written by `cargo xtask protocol` from Kafka's definitions.

        {}
        {body}",
        versions.words(),
        imports(message, &body)
    )
}

/// The `use` lines for the names that the text has.
fn imports(message: &Message<'_>, body: &str) -> String {
    let code = body.lines().filter(|line| !line.starts_with("///")).collect::<Vec<_>>().join("\n");
    let body = code.as_str();
    let word = |name: &str| {
        body.match_indices(name).any(|(at, _)| {
            let letter = |letter: char| letter.is_alphanumeric() || letter == '_';
            !body[..at].ends_with(letter) && !body[at + name.len()..].starts_with(letter)
        })
    };
    let among = |names: &[&'static str]| names.iter().copied().filter(|name| word(name)).collect::<Vec<_>>().join(", ");
    let mut lines = String::new();
    if word("Bytes") {
        lines += "use bytes::Bytes;\n\n";
    }
    let call = |name: &str| body.contains(&format!(" {name}(")) || body.contains(&format!("\n{name}("));
    let calls = ["no_tags", "skip_tags", "tags"].into_iter().filter(|name| call(name));
    let tags: Vec<_> = calls.chain(word("Tags").then_some("Tags")).collect();
    let mut names = among(&[
        "ApiKey",
        "Chunks",
        "Code",
        "Data",
        "Decode",
        "DecodeError",
        "Encode",
        "EncodeError",
        "Reader",
        "Request",
        "Str",
        "Uuid",
        "Version",
        "Writer",
    ]);
    if !tags.is_empty() {
        let _ = write!(names, ", tags::{{{}}}", tags.join(", "));
    }
    match message.role {
        Role::Request { api, .. } => {
            let _ = write!(names, ", messages::{api}Response");
        }
        Role::Response { .. } => names += ", Response",
        Role::Data => {}
    }
    let _ = writeln!(lines, "use crate::{{{names}}};");
    lines
}

fn structure_text(body: &mut String, message: &Message<'_>, structure: &Struct) {
    let Struct { name, versions, uses, fields } = structure;
    let role = match uses.as_slice() {
        [] => match message.role {
            Role::Request { api, .. } => format!("The request of the API {api}"),
            Role::Response { .. } => "The response to the request of the same name".to_owned(),
            Role::Data => format!("What Kafka calls `{name}`"),
        },
        uses => uses.join(" and "),
    };
    let derived_default = fields.iter().all(default_is_rusts);
    let default = if derived_default { ", Default" } else { "" };
    let _ = writeln!(body, "/// {role}: {}.\n#[derive(Clone, Debug{default}, PartialEq)]", versions.words());
    let _ = writeln!(body, "pub struct {name} {{");
    for field in fields {
        let _ = writeln!(body, "{}\npub {}: {},", field_doc(field, *versions), field.rust, field_type(message, field));
    }
    body.push_str("}\n\n");
    if !derived_default {
        let _ = writeln!(body, "impl Default for {name} {{\nfn default() -> Self {{\nSelf {{");
        for field in fields {
            let _ = writeln!(body, "{}: {},", field.rust, default_value(field));
        }
        body.push_str("}\n}\n}\n\n");
    }
}

/// What is known of a field by its name and its versions.
fn field_doc(field: &Field, within: Versions) -> String {
    let mut doc = format!("/// `{}`", field.name);
    if field.versions != within {
        let to_the_end = field.versions.last == within.last;
        let shown = if to_the_end { Versions { last: i16::MAX, ..field.versions } } else { field.versions };
        let _ = write!(doc, ", {}", shown.words());
    }
    if field.nullable == field.versions {
        doc += ", may be null";
    } else if field.is_nullable() {
        let _ = write!(doc, ", may be null from version {}", field.nullable.first);
    }
    match field.default.as_str() {
        "" | "0" | "null" => {}
        default if default.eq_ignore_ascii_case("false") => {}
        "0x7fffffff" => doc += ", by default 2147483647",
        default => {
            let _ = write!(doc, ", by default {}", default.to_lowercase());
        }
    }
    doc + "."
}

/// The traits that only the message itself has.
fn traits(body: &mut String, message: &Message<'_>, structure: &Struct) {
    let Message { name, versions: Versions { first, last }, .. } = message;
    let versions = format!("const MIN_VERSION: i16 = {first};\nconst MAX_VERSION: i16 = {last};");
    let _ = match message.role {
        Role::Request { api, .. } => {
            let flexible =
                if message.flexible.is_empty() { "i16::MAX".to_owned() } else { message.flexible.first.to_string() };
            writeln!(
                body,
                "impl Request for {name} {{
                    const API_KEY: ApiKey = ApiKey::{api};
                    {versions}
                    const FLEXIBLE_FROM: i16 = {flexible};
                    type Response = {api}Response;
                }}\n"
            )
        }
        Role::Response { .. } if structure.fields.iter().any(|field| field.rust == "throttle_time_ms") => writeln!(
            body,
            "impl Response for {name} {{
                fn throttle_time_ms(&self) -> i32 {{
                    self.throttle_time_ms
                }}
            }}\n"
        ),
        Role::Response { .. } => writeln!(body, "impl Response for {name} {{}}\n"),
        Role::Data => writeln!(
            body,
            "impl Data for {name} {{
                const NAME: &'static str = {name:?};
                {versions}
            }}\n"
        ),
    };
}

fn field_type(message: &Message<'_>, field: &Field) -> String {
    let kind = kind_type(message, &field.kind);
    if field.is_nullable() { format!("Option<{kind}>") } else { kind }
}

fn kind_type(message: &Message<'_>, kind: &Kind) -> String {
    match kind {
        Kind::Bool => "bool".to_owned(),
        Kind::Number(name) => (*name).to_owned(),
        Kind::Code => "Code".to_owned(),
        Kind::Uuid => "Uuid".to_owned(),
        Kind::Str => "Str".to_owned(),
        Kind::Records if message.encodes() => "Chunks".to_owned(),
        Kind::Bytes | Kind::Records => "Bytes".to_owned(),
        Kind::Struct(name) => name.clone(),
        Kind::Array(element) => format!("Vec<{}>", kind_type(message, element)),
    }
}

/// Whether `Default` of the type gives the field's default.
fn default_is_rusts(field: &Field) -> bool {
    if field.is_nullable() {
        return field.default == "null";
    }
    match &field.kind {
        Kind::Bool => !field.default.eq_ignore_ascii_case("true"),
        Kind::Number(_) | Kind::Code => matches!(field.default.as_str(), "" | "0"),
        _ => field.default.is_empty(),
    }
}

/// The field's default as an expression.
pub(super) fn default_value(field: &Field) -> String {
    if field.is_null_by_default() {
        return "None".to_owned();
    }
    let value = match &field.kind {
        Kind::Bool => field.default.eq_ignore_ascii_case("true").to_string(),
        Kind::Number("i32") if field.default == "0x7fffffff" => "i32::MAX".to_owned(),
        Kind::Number("i32") if field.default == i32::MIN.to_string() => "i32::MIN".to_owned(),
        Kind::Number("i64") if field.default == i64::MAX.to_string() => "i64::MAX".to_owned(),
        Kind::Number("f64") if field.default.is_empty() => "0.0".to_owned(),
        Kind::Number(_) if field.default.is_empty() => "0".to_owned(),
        Kind::Number(_) => field.default.clone(),
        Kind::Code => "Code::None".to_owned(),
        Kind::Uuid => "Uuid::ZERO".to_owned(),
        Kind::Str if field.default.is_empty() => "Str::default()".to_owned(),
        Kind::Str => format!("Str::from_static({:?})", field.default),
        Kind::Bytes => "Bytes::new()".to_owned(),
        Kind::Records => "Default::default()".to_owned(),
        Kind::Struct(name) => format!("{name}::default()"),
        Kind::Array(_) => "Vec::new()".to_owned(),
    };
    if field.is_nullable() { format!("Some({value})") } else { value }
}

/// The condition by which a field does not have its default.
pub(super) fn is_set(field: &Field) -> String {
    let name = &field.rust;
    if field.is_null_by_default() {
        return format!("self.{name}.is_some()");
    }
    match &field.kind {
        _ if field.is_nullable() => format!("self.{name} != {}", default_value(field)),
        Kind::Bool if field.default.eq_ignore_ascii_case("true") => format!("!self.{name}"),
        Kind::Bool => format!("self.{name}"),
        Kind::Code => format!("!self.{name}.is_none()"),
        Kind::Uuid => format!("!self.{name}.is_zero()"),
        Kind::Str | Kind::Bytes | Kind::Records | Kind::Array(_) if field.default.is_empty() => {
            format!("!self.{name}.is_empty()")
        }
        _ => format!("self.{name} != {}", default_value(field)),
    }
}
