//! A version of Apache Kafka on this machine: fetched, formatted and warmed once, in the user's cache folder.
//!
//! `ottla/kafka/<version>/` holds the jars, the metadata of a formatted log folder to copy for each broker (which saves a
//! JVM start per cluster) and class-data archives (which halve the CPU time of every start). The file `complete` is written last and
//! lists every file with its size, the pom and the JVM: a cache that is not exactly that is made anew.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::java::{self, Archive, Role, write_log_settings};
use crate::{install, settings, warm_up};

/// The version of Kafka that everything here is measured against: the one place that names it.
pub const VERSION: &str = "4.3.1";

/// The last release of the line before: brokers of many users.
pub const OLDER_VERSION: &str = "3.9.2";

/// Kafka 4 leaves the choice of a logging library to who runs it.
const LOG4J_VERSION: &str = "2.25.4";

/// A version of Kafka whose jars are ready on this machine.
#[derive(Clone, Debug)]
pub struct Release {
    version: String,
    folder: PathBuf,
    /// Classes beside the jars.
    classes: Option<PathBuf>,
}

impl Release {
    /// Makes `version` ready if it is not: that takes some 20 s, and the network, the first time.
    ///
    /// # Errors
    /// If Java or Maven is missing and cannot be installed, or Maven cannot fetch the jars.
    pub fn ready(version: &str) -> Result<Self> {
        let release = Self::at(version)?;
        let recipe = format!("{}{}", release.pom(), java_identity()?);
        let releases = release.folder.parent().context("a release is in a folder of releases")?;
        fs::create_dir_all(releases).with_context(|| format!("create {}", releases.display()))?;

        // Of several processes one makes it, and the others wait.
        let lock = File::create(releases.join(format!("{version}.lock")))?;
        lock.lock()?;
        if !release.is_complete(&recipe) {
            release.make().with_context(|| format!("make {} ready in {}", version, release.folder.display()))?;
            fs::write(release.marker(), release.inventory(&recipe)?)?;
        }
        Ok(release)
    }

    /// Where `version` is or would be.
    pub(crate) fn at(version: &str) -> Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        ensure!(
            version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(plain),
            "{version:?} is no version of Kafka, such as {VERSION} or {OLDER_VERSION}"
        );
        let folder = cache_folder()?.join("ottla/kafka").join(version);
        Ok(Self { version: version.to_owned(), folder, classes: None })
    }

    /// The same release, whose JVMs find the classes in `folder` too.
    pub(crate) fn with_classes(mut self, folder: Option<PathBuf>) -> Self {
        self.classes = folder;
        self
    }

    /// The version, such as `4.3.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The folder with the jars.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A JVM that runs one of Kafka's classes.
    pub(crate) fn java(
        &self,
        role: Role,
        archive: Archive,
        heap_mib: u32,
        temporary: &Path,
        class: &str,
    ) -> Result<Command> {
        java::java(&self.folder, self.classes.as_deref(), role, archive, heap_mib, temporary, class)
    }

    /// Java's producer for the command line, which moved between releases.
    pub(crate) fn console_producer(&self) -> &'static str {
        if self.is_older() { "kafka.tools.ConsoleProducer" } else { "org.apache.kafka.tools.ConsoleProducer" }
    }

    /// Kafka's reader of its log files, which moved too.
    pub(crate) fn log_dump(&self) -> &'static str {
        if self.is_older() { "kafka.tools.DumpLogSegments" } else { "org.apache.kafka.tools.DumpLogSegments" }
    }

    /// The metadata that a new broker begins with.
    pub(crate) fn bootstrap_checkpoint(&self) -> PathBuf {
        self.folder.join(settings::BOOTSTRAP_CHECKPOINT)
    }

    fn make(&self) -> Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        fs::create_dir_all(&self.folder)?;
        eprintln!("fetching Kafka {} into {}", self.version, self.folder.display());
        let pom = self.folder.join("pom.xml");
        fs::write(&pom, self.pom())?;
        run(Command::new(install::maven()?)
            .args(["--quiet", "--batch-mode", "--strict-checksums", "-Dstyle.color=never", "--file"])
            .arg(&pom)
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", self.folder.display())))?;
        write_log_settings(&self.folder)?;
        warm_up::format(self, &self.bootstrap_checkpoint())?;
        warm_up::archives(self)
    }

    fn pom(&self) -> String {
        let mut dependencies = vec![
            ("org.apache.kafka", "kafka_2.13", self.version.as_str()),
            ("org.apache.kafka", "kafka-tools", self.version.as_str()),
        ];
        // Kafka 3 brings its own.
        if !self.is_older() {
            dependencies.push(("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J_VERSION));
        }
        let dependencies: String = dependencies
            .iter()
            .map(|(group, artifact, version)| {
                format!(
                    "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                     <version>{version}</version></dependency>\n"
                )
            })
            .collect();
        format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
             <groupId>io.ottla</groupId><artifactId>kafka</artifactId><version>{}</version>\n  \
             <dependencies>\n{dependencies}  </dependencies>\n</project>\n",
            self.version
        )
    }

    fn is_older(&self) -> bool {
        self.version.starts_with("3.")
    }

    fn marker(&self) -> PathBuf {
        self.folder.join("complete")
    }

    fn is_complete(&self, recipe: &str) -> bool {
        match (fs::read_to_string(self.marker()), self.inventory(recipe)) {
            (Ok(marked), Ok(found)) => marked == found,
            _ => false,
        }
    }

    /// The recipe and a line per file: size and path.
    fn inventory(&self, recipe: &str) -> Result<String> {
        let mut lines = Vec::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                let metadata = fs::metadata(&path)?;
                if metadata.is_dir() {
                    folders.push(path);
                } else if path != self.marker() {
                    lines.push(format!("{} {}\n", metadata.len(), path.display()));
                }
            }
        }
        lines.sort();
        Ok(format!("{recipe}{}", lines.concat()))
    }
}

fn cache_folder() -> Result<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context("no cache folder: neither XDG_CACHE_HOME nor HOME is set to an absolute path")
}

/// What changes with the JVM: an archive holds for the JVM that wrote it.
fn java_identity() -> Result<String> {
    let java = install::java()?.canonicalize()?;
    let metadata = fs::metadata(&java)?;
    let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH)?.as_secs();
    Ok(format!("java {} of {} bytes at {modified}\n", java.display(), metadata.len()))
}

/// Runs a command to its end, quietly; its output is in the error.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("start {program}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{program}: {}\n{stdout}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(stdout)
}
