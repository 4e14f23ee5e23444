//! The definitions inside the kafka-clients jar, by way of Maven.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

/// The folder with the definitions of that release, in the user's cache; fetched when it is not there yet.
pub(super) fn message_folder(kafka: &str) -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor a home directory is known")?;
    let folder = cache.join("ottla/definitions").join(kafka);
    let messages = folder.join("common/message");
    if messages.is_dir() {
        return Ok(messages);
    }
    // Unpacked beside it and then renamed, so that a broken run leaves nothing that looks whole.
    let unpacked = folder.with_file_name(format!("{kafka}-unpacking-{}", std::process::id()));
    fs::create_dir_all(&unpacked)?;
    let status = Command::new(real::need("mvn", &["maven", "openjdk-17-jre-headless"])?)
        .args(["--quiet", "--batch-mode", "dependency:unpack", "-Dmdep.unpack.includes=common/message/*.json"])
        .arg(format!("-Dartifact=org.apache.kafka:kafka-clients:{kafka}"))
        .arg(format!("-DoutputDirectory={}", unpacked.display()))
        // Maven leaves marks where it runs.
        .current_dir(&unpacked)
        .status()
        .context("start mvn")?;
    ensure!(status.success(), "mvn could not fetch kafka-clients {kafka}: {status}");
    fs::rename(&unpacked, &folder)?;
    Ok(messages)
}
