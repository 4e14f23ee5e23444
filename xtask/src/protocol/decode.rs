//! The text that reads a structure.

use std::fmt::Write;

use super::model::{Field, Kind, Message, Struct};
use super::rust::default_value;

pub(super) fn text(body: &mut String, message: &Message<'_>, structure: &Struct) {
    let Struct { name, versions, .. } = structure;
    let sizes = (versions.first..=versions.last).map(|version| min_size(message, structure, version));
    let min_size = sizes.min().expect("a structure without versions is not in the model");
    let _ = writeln!(
        body,
        "impl Decode for {name} {{
            const MIN_SIZE: usize = {min_size};

            fn decode(from: &mut Reader, version: Version) -> Result<Self, DecodeError> {{"
    );
    let mut fields = String::new();
    for field in &structure.fields {
        let _ = writeln!(fields, "{}: {},", field.rust, value(structure, field));
    }
    let tagged = structure.tagged();
    if message.flexible.and(*versions).is_empty() {
        let _ = writeln!(body, "Ok(Self {{ {fields} }})");
    } else if tagged.is_empty() {
        let _ = writeln!(body, "let decoded = Self {{ {fields} }};\nskip_tags(from, version)?;\nOk(decoded)");
    } else {
        let _ = writeln!(body, "let mut decoded = Self {{ {fields} }};");
        body.push_str("tags(from, version, |tag, from| {\n");
        let flexible = message.flexible.and(*versions);
        let guard = |field: &Field| field.versions.condition(flexible);
        if let [(tag, field)] = tagged.as_slice() {
            let guard = guard(field).map_or_else(String::new, |condition| format!(" && {condition}"));
            let _ = writeln!(body, "if tag == {tag}{guard} {{ decoded.{} = {}; }}", field.rust, read(field));
        } else {
            body.push_str("match tag {\n");
            for (tag, field) in tagged {
                let guard = guard(field).map_or_else(String::new, |condition| format!(" if {condition}"));
                let _ = writeln!(body, "{tag}{guard} => decoded.{} = {},", field.rust, read(field));
            }
            body.push_str("_ => {}\n}\n");
        }
        body.push_str("Ok(())\n})?;\nOk(decoded)\n");
    }
    body.push_str("}\n}\n\n");
}

/// The field as it is read in its place; its default if it has none in the version.
fn value(structure: &Struct, field: &Field) -> String {
    if field.tag.is_some() {
        return default_value(field);
    }
    match field.versions.condition(structure.versions) {
        Some(condition) => format!("if {condition} {{ {} }} else {{ {} }}", read(field), default_value(field)),
        None => read(field),
    }
}

fn read(field: &Field) -> String {
    let plain = "Decode::decode(from, version)?".to_owned();
    if !field.is_nullable() {
        return plain;
    }
    match (&field.kind, field.nullable.condition(field.versions)) {
        (Kind::Struct(_), _) => format!("if from.i8()? < 0 {{ None }} else {{ Some({plain}) }}"),
        (_, None) => plain,
        (_, Some(condition)) => format!("if {condition} {{ {plain} }} else {{ Some({plain}) }}"),
    }
}

/// The fewest bytes that the structure takes in `version`.
fn min_size(message: &Message<'_>, structure: &Struct, version: i16) -> usize {
    let flexible = message.flexible.contains(version);
    let fields = structure.plain().filter(|field| field.versions.contains(version)).map(|field| match &field.kind {
        Kind::Struct(_) if field.is_nullable() => 1,
        Kind::Struct(name) => min_size(message, message.structure(name), version),
        Kind::Bool | Kind::Number("i8") => 1,
        Kind::Code | Kind::Number("i16" | "u16") => 2,
        Kind::Number("i32" | "u32") => 4,
        Kind::Number(_) => 8,
        Kind::Uuid => 16,
        Kind::Str | Kind::Bytes | Kind::Records | Kind::Array(_) if flexible => 1,
        Kind::Str => 2,
        Kind::Bytes | Kind::Records | Kind::Array(_) => 4,
    });
    usize::from(flexible) + fields.sum::<usize>()
}
