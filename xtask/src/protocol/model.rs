//! A message in the versions that we speak, with Rust's names and types.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use super::definition::{self, Definition};
use super::versions::Versions;

/// Which way a message goes.
#[derive(Clone, Copy)]
pub(super) enum Role<'a> {
    Request { api: &'a str, key: i16 },
    Response { key: i16 },
    Data,
}

pub(super) struct Message<'a> {
    pub(super) name: String,
    pub(super) role: Role<'a>,
    pub(super) versions: Versions,
    pub(super) flexible: Versions,
    /// The message itself, then the structures it is made of, in order of use.
    pub(super) structs: Vec<Struct>,
}

pub(super) struct Struct {
    pub(super) name: String,
    pub(super) versions: Versions,
    /// Which fields are made of it, in words; empty for the message itself.
    pub(super) uses: Vec<String>,
    pub(super) fields: Vec<Field>,
}

pub(super) struct Field {
    /// Kafka's name.
    pub(super) name: String,
    pub(super) rust: String,
    pub(super) kind: Kind,
    pub(super) versions: Versions,
    /// The versions in which it may be null; empty if it never may.
    pub(super) nullable: Versions,
    /// Whether the definition knows a version, perhaps none of ours, in which it may be null.
    pub(super) nullable_somewhere: bool,
    pub(super) tag: Option<u32>,
    /// As the definition has it; `null` for null, nothing where the type says it.
    pub(super) default: String,
    /// Whether it may be left out silently in a version that does not have it.
    pub(super) ignorable: bool,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    /// A number, by Rust's name.
    Number(&'static str),
    /// A 16-bit error code.
    Code,
    Uuid,
    Str,
    Bytes,
    /// Record batches: bytes that are slices on the way out.
    Records,
    Struct(String),
    Array(Box<Kind>),
}

impl<'a> Message<'a> {
    pub(super) fn new(definition: &Definition, role: Role<'a>, versions: Versions) -> Result<Self> {
        let flexible = definition.flexible_versions()?.and(versions);
        let mut message = Self { name: definition.name.clone(), role, versions, flexible, structs: Vec::new() };
        let common: BTreeMap<&str, &[definition::Field]> =
            definition.common_structs.iter().map(|common| (common.name.as_str(), common.fields.as_slice())).collect();
        message
            .add(&definition.name, &definition.fields, versions, None, &common, 0)
            .with_context(|| definition.name.clone())?;
        Ok(message)
    }

    /// The name of its file and module.
    pub(super) fn file(&self) -> String {
        snake_case(&self.name)
    }

    pub(super) fn encodes(&self) -> bool {
        !matches!(self.role, Role::Response { .. })
    }

    pub(super) fn decodes(&self) -> bool {
        !matches!(self.role, Role::Request { .. })
    }

    /// Adds a structure and those within it. One that is used in several places gets the versions of all.
    fn add(
        &mut self,
        name: &str,
        fields: &[definition::Field],
        versions: Versions,
        used_by: Option<String>,
        common: &BTreeMap<&str, &[definition::Field]>,
        depth: usize,
    ) -> Result<()> {
        // The definitions nest five deep at most; one that contains itself would never end.
        ensure!(depth <= 8, "{name} is nested too deep");
        let at = match self.structs.iter().position(|known| known.name == name) {
            Some(at) => at,
            None => {
                self.structs.push(Struct {
                    name: name.to_owned(),
                    versions: Versions::NONE,
                    uses: Vec::new(),
                    fields: Vec::new(),
                });
                self.structs.len() - 1
            }
        };
        let known = &mut self.structs[at];
        known.uses.extend(used_by.filter(|used_by| !known.uses.contains(used_by)));
        known.versions = known.versions.or(versions);
        let versions = known.versions;
        let fields = fields.iter().map(|field| Ok((Field::new(field, versions)?, field)));
        let fields = fields.filter(|field| !matches!(field, Ok((field, _)) if field.versions.is_empty()));
        let (fields, definitions): (Vec<_>, Vec<_>) = fields.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        for (field, definition) in fields.iter().zip(definitions) {
            let Some(inner) = field.kind.structure() else { continue };
            let inner_fields = match common.get(inner) {
                Some(fields) => fields,
                None => definition.fields.as_slice(),
            };
            let role = if matches!(field.kind, Kind::Array(_)) { "An element" } else { "The value" };
            let used_by = format!("{role} of [`{name}::{}`]", field.rust);
            self.add(inner, inner_fields, field.versions, Some(used_by), common, depth + 1)?;
        }
        self.structs[at].fields = fields;
        Ok(())
    }

    pub(super) fn structure(&self, name: &str) -> &Struct {
        self.structs.iter().find(|known| known.name == name).expect("the model has every structure it names")
    }
}

impl Struct {
    /// The fields that have their place, in order.
    pub(super) fn plain(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.tag.is_none())
    }

    /// The tagged fields by rising tag.
    pub(super) fn tagged(&self) -> Vec<(u32, &Field)> {
        let mut tagged: Vec<_> = self.fields.iter().filter_map(|field| Some((field.tag?, field))).collect();
        tagged.sort_by_key(|(tag, _)| *tag);
        tagged
    }
}

impl Field {
    /// `within` is the versions of the structure.
    fn new(definition: &definition::Field, within: Versions) -> Result<Self> {
        let parse = |text: &Option<String>| text.as_deref().map_or(Ok(Versions::NONE), Versions::parse);
        let versions = Versions::parse(&definition.versions)?.and(within);
        if definition.tag.is_some() && parse(&definition.tagged_versions)?.and(within) != versions {
            bail!("{} is tagged in some versions only", definition.name);
        }
        if definition.flexible_versions.is_some() {
            bail!("{} is flexible on its own", definition.name);
        }
        let kind = Kind::parse(&definition.kind, &definition.name)?;
        let nullable = parse(&definition.nullable_versions)?.and(versions);
        let default = match &definition.default {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            // Java gives these null where it can.
            None if !nullable.is_empty() && matches!(kind, Kind::Records | Kind::Struct(_)) => "null".to_owned(),
            None => String::new(),
        };
        if matches!(kind, Kind::Struct(_)) && !nullable.is_empty() && (nullable != versions || default != "null") {
            bail!("{} is null in some versions only, or not by default", definition.name);
        }
        if matches!(kind, Kind::Struct(_)) && !nullable.is_empty() && definition.tag.is_some() {
            bail!("{} is tagged and may be null", definition.name);
        }
        Ok(Self {
            rust: snake_case(&definition.name),
            name: definition.name.clone(),
            kind,
            versions,
            nullable,
            nullable_somewhere: definition.nullable_versions.is_some(),
            tag: definition.tag,
            default,
            ignorable: definition.ignorable,
        })
    }

    pub(super) fn is_nullable(&self) -> bool {
        !self.nullable.is_empty()
    }

    pub(super) fn is_null_by_default(&self) -> bool {
        self.is_nullable() && self.default == "null"
    }
}

impl Kind {
    fn parse(text: &str, field: &str) -> Result<Self> {
        if let Some(element) = text.strip_prefix("[]") {
            return Ok(Self::Array(Box::new(Self::parse(element, field)?)));
        }
        Ok(match text {
            "bool" => Self::Bool,
            "int8" => Self::Number("i8"),
            "int16" if field.ends_with("ErrorCode") => Self::Code,
            "int16" => Self::Number("i16"),
            "uint16" => Self::Number("u16"),
            "int32" => Self::Number("i32"),
            "uint32" => Self::Number("u32"),
            "int64" => Self::Number("i64"),
            "float64" => Self::Number("f64"),
            "uuid" => Self::Uuid,
            "string" => Self::Str,
            "bytes" => Self::Bytes,
            "records" => Self::Records,
            name if name.starts_with(char::is_uppercase) => Self::Struct(name.to_owned()),
            other => bail!("the type {other} is not known"),
        })
    }

    /// The structure that it is, or is an array of.
    pub(super) fn structure(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(element) => element.structure(),
            _ => None,
        }
    }
}

/// `ThrottleTimeMs` becomes `throttle_time_ms`, and `KRaftVersion` becomes `kraft_version`.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).map(|before| letters[before]);
        let starts_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                !before.is_uppercase() || (i > 1 && letters.get(i + 1).is_some_and(|after| after.is_lowercase()))
            });
        if starts_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    if matches!(snake.as_str(), "type" | "match") { format!("r#{snake}") } else { snake }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_rusts() {
        for (kafka, rust) in [
            ("ThrottleTimeMs", "throttle_time_ms"),
            ("ISRNodes", "isr_nodes"),
            ("Type", "r#type"),
            ("KRaftVersionFeature", "kraft_version_feature"),
        ] {
            assert_eq!(snake_case(kafka), rust);
        }
    }
}
