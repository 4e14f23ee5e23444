//! Kafka's definitions of its messages, as they stand in the jar.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::versions::Versions;

/// Every definition by its name.
pub(super) struct Definitions(BTreeMap<String, Definition>);

/// One message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) api_key: Option<i16>,
    #[serde(rename = "type")]
    pub(super) kind: String,
    valid_versions: String,
    flexible_versions: Option<String>,
    #[serde(default)]
    latest_version_unstable: bool,
    #[serde(default)]
    pub(super) fields: Vec<Field>,
    #[serde(default)]
    pub(super) common_structs: Vec<CommonStruct>,
}

/// A structure that several fields of a message have.
#[derive(Deserialize)]
pub(super) struct CommonStruct {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
}

/// One field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Field {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) versions: String,
    pub(super) nullable_versions: Option<String>,
    pub(super) tagged_versions: Option<String>,
    pub(super) flexible_versions: Option<String>,
    pub(super) tag: Option<u32>,
    pub(super) default: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) ignorable: bool,
    #[serde(default)]
    pub(super) fields: Vec<Field>,
}

impl Definitions {
    /// Reads all files of a folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut definitions = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let definition =
                    Definition::parse(&fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
                definitions.insert(definition.name.clone(), definition);
            }
        }
        Ok(Self(definitions))
    }

    pub(super) fn named(&self, name: &str) -> Result<&Definition> {
        self.0.get(name).with_context(|| format!("there is no definition of {name}"))
    }

    /// Number and name of every API, by number.
    pub(super) fn api_keys(&self) -> BTreeMap<i16, &str> {
        let requests = self.0.values().filter(|definition| definition.kind == "request");
        requests.filter_map(|request| Some((request.api_key?, request.name.strip_suffix("Request")?))).collect()
    }
}

impl Definition {
    /// Reads JSON with lines of comment.
    fn parse(text: &str) -> serde_json::Result<Self> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        serde_json::from_str(&lines.collect::<Vec<_>>().join("\n"))
    }

    /// The versions that are in force: the newest may still be in the making.
    pub(super) fn stable_versions(&self) -> Result<Versions> {
        let mut versions = Versions::parse(&self.valid_versions)?;
        if self.latest_version_unstable {
            versions.last -= 1;
        }
        Ok(versions)
    }

    pub(super) fn flexible_versions(&self) -> Result<Versions> {
        self.flexible_versions.as_deref().map_or(Ok(Versions::NONE), Versions::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_passed_over_and_unstable_versions_left_out() {
        let text = r#"
            // A licence.
            { "apiKey": 9, "type": "request", "name": "TeaRequest", "latestVersionUnstable": true,
              // Version 2 is new.
              "validVersions": "0-2", "flexibleVersions": "1+",
              "fields": [{ "name": "Cups", "type": "int8", "versions": "0+", "about": "How // many." }] }"#;
        let definition = Definition::parse(text).unwrap();
        assert_eq!(definition.stable_versions().unwrap(), Versions { first: 0, last: 1 });
        assert_eq!(definition.flexible_versions().unwrap(), Versions { first: 1, last: i16::MAX });
        assert_eq!(definition.fields[0].name, "Cups");
    }
}
