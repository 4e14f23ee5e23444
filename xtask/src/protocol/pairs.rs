//! The text of the tests: each message made twice of the same random values, as ours and as kafka-protocol's.

use std::fmt::Write;

use super::SECOND_OPINION_ENDS;
use super::model::{Field, Message, Role};
use super::versions::Versions;

/// The file that names them all.
pub(super) fn module(messages: &[Message<'_>]) -> String {
    let mut files: Vec<_> = messages.iter().filter(|message| are_there(message)).map(Message::file).collect();
    files.sort();
    let mut text = "//! Every message made of random values, as ours and as kafka-protocol's.
        //!
        //! Written by `cargo xtask protocol` from Kafka's definitions.\n\n"
        .to_owned();
    for file in files {
        let _ = writeln!(text, "mod {file};");
    }
    text
}

/// Whether the other implementation knows any version of ours.
pub(super) fn are_there(message: &Message<'_>) -> bool {
    last(message) >= message.versions.first
}

/// The file of one message.
pub(super) fn text(message: &Message<'_>) -> String {
    let (name, file) = (&message.name, message.file());
    let versions = Versions { last: last(message), ..message.versions };
    let mut text = format!(
        "//! `{name}`, {}.
        //!
        //! Written by `cargo xtask protocol` from Kafka's definitions.

        use kafka_protocol::messages::{file} as theirs;
        use ottla_wire::Version;
        use ottla_wire::messages::{file} as ours;

        use crate::check;
        use crate::pair::{{Pair, Random, unknown_tags}};

        ",
        versions.words()
    );
    for structure in &message.structs {
        let versions = structure.versions.and(versions);
        if versions.is_empty() {
            continue;
        }
        let flexible = message.flexible.and(versions);
        let _ = writeln!(
            text,
            "impl Pair<theirs::{0}> for ours::{0} {{
                fn pair(random: &mut Random, version: Version) -> (Self, theirs::{0}) {{
                    let (mut our, mut their) = (Self::default(), theirs::{0}::default());",
            structure.name
        );
        for field in structure.fields.iter().filter(|field| !field.versions.and(versions).is_empty()) {
            let set = pair(field);
            let _ = match field.versions.condition(versions) {
                Some(condition) => writeln!(text, "if {condition} {{ {set} }}"),
                None => writeln!(text, "{set}"),
            };
        }
        if message.decodes() && !flexible.is_empty() {
            let set = "unknown_tags(random, &mut their.unknown_tagged_fields);";
            let _ = match flexible.condition(versions) {
                Some(condition) => writeln!(text, "if {condition} {{ {set} }}"),
                None => writeln!(text, "{set}"),
            };
        }
        text.push_str("(our, their)\n}\n}\n\n");
    }
    let (test, check) = match message.role {
        Role::Request { .. } => ("is_written_as_the_other_implementation_writes_it", "request".to_owned()),
        Role::Response { .. } => ("is_read_as_the_other_implementation_wrote_it", "response".to_owned()),
        Role::Data => ("is_written_and_read_as_by_the_other_implementation", "data".to_owned()),
    };
    let request = match name.strip_suffix("Response") {
        Some(api) if matches!(message.role, Role::Response { .. }) => format!("ottla_wire::messages::{api}Request, "),
        _ => String::new(),
    };
    let _ = writeln!(
        text,
        "#[test]
        fn {file}_{test}() {{
            check::{check}::<{request}ours::{name}, theirs::{name}>({}..={});
        }}",
        versions.first, versions.last
    );
    if !text.contains("unknown_tags(") {
        text = text.replace(", unknown_tags}", "}");
    }
    text
}

/// The newest version that the other implementation knows as well.
fn last(message: &Message<'_>) -> i16 {
    let ends = SECOND_OPINION_ENDS.iter().find(|(name, _)| *name == message.name);
    ends.map_or(message.versions.last, |(_, end)| message.versions.last.min(*end))
}

fn pair(field: &Field) -> String {
    let our = &field.rust;
    let their = match our.strip_prefix("r#") {
        Some(keyword) => format!("_{keyword}"),
        None => our.clone(),
    };
    let plain = format!("(our.{our}, their.{their}) = Pair::pair(random, version);");
    if !field.nullable_somewhere {
        return plain;
    }
    let sure = |ours: &str| {
        format!(
            "let (our_value, their_value) = Pair::pair(random, version);
            (our.{our}, their.{their}) = ({ours}, Some(their_value));"
        )
    };
    if !field.is_nullable() {
        return sure("our_value");
    }
    match field.nullable.condition(field.versions) {
        None => plain,
        Some(condition) => format!("if {condition} {{ {plain} }} else {{ {} }}", sure("Some(our_value)")),
    }
}
