//! The text that writes a structure.

use std::fmt::Write;

use super::model::{Field, Kind, Message, Struct};
use super::rust::is_set;

pub(super) fn text(body: &mut String, message: &Message<'_>, structure: &Struct) {
    let name = &structure.name;
    let _ = writeln!(
        body,
        "impl Encode for {name} {{
            fn encode(&self, out: &mut Writer, version: Version) -> Result<(), EncodeError> {{"
    );
    for field in structure.plain() {
        plain(body, structure, field);
    }
    for (_, field) in structure.tagged() {
        if let (Some(exception), false) = (field.versions.exception(structure.versions), field.ignorable) {
            let _ = writeln!(body, "if {exception} && {} {{ {} }}", is_set(field), refuse("has_no", structure, field));
        }
    }
    tags(body, message, structure);
    body.push_str("Ok(())\n}\n}\n\n");
}

fn plain(body: &mut String, structure: &Struct, field: &Field) {
    let name = &field.rust;
    let mut write = String::new();
    if matches!(field.kind, Kind::Struct(_)) && field.is_nullable() {
        let _ = writeln!(
            write,
            "match &self.{name} {{
                Some({name}) => {{
                    out.put(&[1]);
                    {name}.encode(out, version)?;
                }}
                None => out.put(&[0xff]),
            }}"
        );
    } else {
        if field.is_nullable()
            && let Some(exception) = field.nullable.exception(field.versions)
        {
            let refuse = refuse("needs", structure, field);
            let _ = writeln!(write, "if {exception} && self.{name}.is_none() {{ {refuse} }}");
        }
        let _ = writeln!(write, "self.{name}.encode(out, version)?;");
    }
    let Some(condition) = field.versions.condition(structure.versions) else { return body.push_str(&write) };
    let _ = write!(body, "if {condition} {{ {write} }}");
    if !field.ignorable {
        let _ = write!(body, "else if {} {{ {} }}", is_set(field), refuse("has_no", structure, field));
    }
    body.push('\n');
}

fn refuse(how: &str, structure: &Struct, field: &Field) -> String {
    format!("return Err(version.{how}({:?}, {:?}));", structure.name, field.rust.trim_start_matches("r#"))
}

fn tags(body: &mut String, message: &Message<'_>, structure: &Struct) {
    let flexible = message.flexible.and(structure.versions);
    if flexible.is_empty() {
        return;
    }
    let tagged = structure.tagged();
    if tagged.is_empty() {
        return body.push_str("no_tags(out, version);\n");
    }
    let always = flexible == structure.versions;
    if !always {
        body.push_str("if version.flexible {\n");
    }
    body.push_str("let mut tags = Tags::default();\n");
    for (tag, field) in tagged {
        let condition = field.versions.condition(flexible).map_or_else(String::new, |condition| condition + " && ");
        let _ =
            writeln!(body, "if {condition}{} {{ tags.add({tag}, &self.{}, version)?; }}", is_set(field), field.rust);
    }
    body.push_str("tags.write(out);\n");
    if !always {
        body.push_str("}\n");
    }
}
