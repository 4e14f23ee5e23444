//! What `cargo metadata` knows of the workspace.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::command::cargo;

/// The package whose tests need Java.
pub(crate) const REAL: &str = "real";

#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    packages: Vec<Package>,
    workspace_default_members: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

/// What is off by default and needs nothing but Rust: it is tested too.
pub(crate) const FEATURES: [&str; 2] = ["--features", "ottla/metrics"];

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// If cargo fails.
    pub(crate) fn read() -> Result<Self> {
        let output = cargo(&["metadata", "--format-version", "1", "--no-deps"]).output().context("start cargo")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The packages under test, with their features: the default ones, and the one that needs Java.
    ///
    /// Always the same selection, whichever of its tests run: cargo would build dependencies anew for another one, whose
    /// features differ.
    pub(crate) fn selection(&self) -> Vec<&str> {
        self.tested().flat_map(|package| ["--package", package.name.as_str()]).chain(FEATURES).collect()
    }

    /// Names of the integration tests that need no Java. Two packages may have one of the same name.
    pub(crate) fn integration_tests(&self) -> BTreeSet<&str> {
        self.tested().filter(|package| package.name != REAL).flat_map(|package| package.targets("test")).collect()
    }

    /// Packages with benchmarks, and their benchmarks.
    pub(crate) fn benchmarks(&self) -> Vec<(&str, Vec<&str>)> {
        let benchmarks =
            self.packages.iter().map(|package| (package.name.as_str(), package.targets("bench").collect()));
        benchmarks.filter(|(_, names): &(&str, Vec<&str>)| !names.is_empty()).collect()
    }

    fn tested(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.name == REAL || self.workspace_default_members.contains(&package.id))
    }
}

impl Package {
    fn targets(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.targets
            .iter()
            .filter(move |target| target.kind.iter().any(|its| its == kind))
            .map(|target| target.name.as_str())
    }
}
