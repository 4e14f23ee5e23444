//! Builds what the jobs run, one after the other, and finds out the versions of it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use real::{Release, VERSION, need};

use super::clients::{Client, Program};
use super::rows::ROWS;
use crate::command::{cargo, run as run_command, workspace};

/// Java's heap at most, as Kafka's own script for ProducerPerformance has it.
const HEAP: &str = "-Xmx512m";

/// What is there to run.
pub(super) struct Built {
    /// Where Kafka's jars are.
    jars: PathBuf,
    /// Programs that could not be built, and why.
    problems: Vec<(Program, String)>,
}

impl Built {
    /// Builds what `clients` need. A client that cannot be built is a problem for later.
    ///
    /// # Errors
    /// If the broker, or what all clients need, cannot be built.
    pub(super) fn all(clients: &[&Client]) -> Result<Self> {
        let mut broker = cargo(&["build", "--release", "--package", "ottla-cli", "--target-dir"]);
        broker.arg(target());
        run_command(broker, |_| {})?;
        run_command(release("peer-job", "peer-values", ""), |_| {})?;
        let mut built = Self { jars: PathBuf::new(), problems: Vec::new() };
        built.values()?;

        let mut programs: Vec<Program> = Vec::new();
        for client in clients {
            if !programs.contains(&client.program) {
                programs.push(client.program);
            }
        }
        for program in programs {
            if let Err(error) = built.make(program) {
                println!("NOT BUILT: {error:#}");
                built.problems.push((program, format!("{error:#}")));
            }
        }
        Ok(built)
    }

    /// Why a client cannot run.
    pub(super) fn problem(&self, client: &Client) -> Option<&str> {
        self.problems.iter().find(|(program, _)| *program == client.program).map(|(_, why)| why.as_str())
    }

    /// The program that does a client's jobs, to add the job's words to.
    pub(super) fn program(&self, client: &Client) -> Command {
        match client.program {
            Program::Go => Command::new(target().join("peers/peer-franz-go")),
            Program::Java => {
                let mut java = Command::new("java");
                java.args([HEAP, "-XX:+UseG1GC", "-Dlog.level=warn"])
                    .arg(format!("-Dlog4j2.configurationFile={}", self.jars.join("log4j2.xml").display()))
                    .arg("-cp")
                    .arg(format!("{}:{}", target().join("peers/java").display(), self.class_path()))
                    .arg("Peer");
                java
            }
            Program::Rust { binary, .. } => Command::new(target().join("peers/release").join(binary)),
        }
    }

    /// The file with the values of a size.
    pub(super) fn values_file(size: u32) -> PathBuf {
        target().join(format!("peers/values-{size}"))
    }

    /// The version of a client's library, as it is locked.
    pub(super) fn version(&self, client: &Client) -> String {
        self.version_of(client).unwrap_or_else(|error| format!("unknown: {error:#}"))
    }

    /// All versions, in a sentence.
    pub(super) fn versions(&self) -> String {
        let libraries = super::CLIENTS.iter().enumerate();
        // Ottla's ways are one library.
        let libraries = libraries.filter(|(number, client)| *number == 0 || !client.is_ottla());
        let versions = libraries.map(|(_, client)| format!("{} {}", client.library, self.version(client)));
        format!("{}, broker Apache Kafka {VERSION}", versions.collect::<Vec<_>>().join(", "))
    }

    fn version_of(&self, client: &Client) -> Result<String> {
        let lock = fs::read_to_string(folder().join("Cargo.lock")).context("read Cargo.lock")?;
        match client.program {
            Program::Go => {
                let module = fs::read_to_string(folder().join("go/go.mod")).context("read go.mod")?;
                let required = module.lines().find_map(|line| line.split_once("twmb/franz-go "));
                Ok(required.context("go.mod names no franz-go")?.1.to_owned())
            }
            Program::Java => Ok(VERSION.to_owned()),
            Program::Rust { .. } if client.name == "rdkafka" => {
                let (crate_, library) = (locked(&lock, "rdkafka")?, locked(&lock, "rdkafka-sys")?);
                let library = library.split_once('+').map_or(library, |(_, librdkafka)| librdkafka);
                Ok(format!("{crate_} (librdkafka {library})"))
            }
            Program::Rust { .. } => Ok(locked(&lock, client.library)?.to_owned()),
        }
    }

    /// Writes the files of values that are not there yet.
    fn values(&self) -> Result<()> {
        let mut sizes = ROWS.map(|row| row.size).to_vec();
        sizes.sort_unstable();
        sizes.dedup();
        for size in sizes {
            let mut write = Command::new(target().join("peers/release/peer-values"));
            write.arg(size.to_string()).arg(Self::values_file(size));
            run_command(write, |_| {})?;
        }
        Ok(())
    }

    fn make(&mut self, program: Program) -> Result<()> {
        match program {
            Program::Go => {
                let mut go = Command::new("go");
                go.args(["build", "-o"]).arg(target().join("peers/peer-franz-go")).arg(".");
                go.current_dir(folder().join("go"));
                run_command(go, |_| {})
            }
            Program::Java => {
                self.jars = Release::ready(VERSION)?.folder().to_owned();
                let mut javac = Command::new(need("javac", &["openjdk-17-jdk-headless"])?);
                javac.arg("-cp").arg(self.class_path()).arg("-d").arg(target().join("peers/java"));
                javac.args(["Journey.java", "Peer.java", "Sharing.java"]).current_dir(folder().join("java"));
                run_command(javac, |_| {})
            }
            Program::Rust { package, binary, features } => {
                if package == "peer-rdkafka" {
                    for compiler in ["gcc", "g++", "make"] {
                        need(compiler, &[compiler])?;
                    }
                }
                run_command(release(package, binary, features), |_| {})
            }
        }
    }

    fn class_path(&self) -> String {
        self.jars.join("*").display().to_string()
    }
}

/// Where the jobs' programs are written.
pub(super) fn folder() -> PathBuf {
    top().join("benches/peers")
}

/// Cargo's folder for everything that is made.
pub(super) fn target() -> PathBuf {
    top().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The top of the workspace, as people write it.
fn top() -> PathBuf {
    Path::new(workspace()).canonicalize().unwrap_or_else(|_| workspace().into())
}

/// Ottla's own program, the embedded broker among other things.
pub(super) fn ottla() -> PathBuf {
    target().join("release/ottla")
}

/// Each package by itself: a feature that one of them wants of a common dependency is not there for the others.
fn release(package: &str, binary: &str, features: &str) -> Command {
    let mut command = cargo(&["build", "--release", "--package", package, "--bin", binary, "--target-dir"]);
    command.arg(target().join("peers")).current_dir(folder());
    if !features.is_empty() {
        command.args(["--features", features]);
    }
    command
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, package: &str) -> Result<&'a str> {
    let found = lock.split_once(&format!("name = \"{package}\"\nversion = \""));
    let version = found.and_then(|(_, rest)| rest.split_once('"')).map(|(version, _)| version);
    version.with_context(|| format!("Cargo.lock has no {package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_a_lock_file() {
        let lock = "[[package]]\nname = \"tokio-util\"\nversion = \"0.7.1\"\n\n[[package]]\nname = \"tokio\"\nversion = \"1.2.3\"\n";
        assert_eq!(locked(lock, "tokio").unwrap(), "1.2.3");
        assert_eq!(locked(lock, "krafka").unwrap_err().to_string(), "Cargo.lock has no krafka");
    }
}
