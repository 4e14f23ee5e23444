//! Programs that the machine must have.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// Finds `program`; on Debian, as root, installs `packages` if it is missing.
///
/// # Errors
/// If it is missing and cannot be installed: names the command that installs it.
pub fn need(program: &str, packages: &[&str]) -> Result<PathBuf> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    let install = format!("apt-get install {}", packages.join(" "));
    if !(Path::new("/etc/debian_version").exists() && rustix::process::geteuid().is_root()) {
        bail!("`{program}` is missing: {install}");
    }
    eprintln!("`{program}` is missing: {install}");
    apt_get(&["update"])?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], packages].concat())?;
    match find(program) {
        Some(path) => Ok(path),
        None => bail!("`{program}` is missing even after {install}"),
    }
}

/// What a cluster needs: Java and, to fetch Kafka, Maven.
///
/// # Errors
/// As [`need`].
pub fn need_kafka() -> Result<()> {
    java()?;
    maven()?;
    Ok(())
}

/// The Java that the brokers run on.
pub(crate) fn java() -> Result<PathBuf> {
    need("java", &[JRE])
}

/// What fetches Kafka.
pub(crate) fn maven() -> Result<PathBuf> {
    need("mvn", &["maven", JRE])
}

/// The package with the oldest Java that Kafka 4 runs on.
const JRE: &str = "openjdk-17-jre-headless";

/// The program's file in the folders of `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status =
        Command::new("apt-get").arg("-qq").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status()?;
    if !status.success() {
        bail!("apt-get {}: {status}", arguments.join(" "));
    }
    Ok(())
}
