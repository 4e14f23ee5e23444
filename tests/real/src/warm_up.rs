//! What every later start saves: a formatted log folder and class-data archives, made once per version.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::java::{Archive, Role};
use crate::listener::{Listener, USERS, password};
use crate::options::ClusterOptions;
use crate::release::{Release, run};
use crate::settings::{self, Ports};
use crate::tool::CONSOLE_CONSUMER;

/// Formats a log folder, with users that can log in by SCRAM, and leaves the metadata that it begins with in `checkpoint`.
pub(crate) fn format(release: &Release, checkpoint: &Path) -> Result<()> {
    let folder = release.folder().join("format");
    fs::create_dir_all(&folder)?;
    // Nobody listens while a folder is formatted.
    let ports = [Ports { controller: 1, listeners: vec![(Listener::Plaintext, 2)] }];
    let options = ClusterOptions::default().brokers(1);
    let properties = folder.join("server.properties");
    fs::write(&properties, settings::server_properties(&options, 1, &folder, &folder, &ports))?;
    let mut java = release.java(Role::Tool, Archive::Use, 128, &folder, "kafka.tools.StorageTool")?;
    java.args(["format", "--cluster-id", &settings::random_id(), "--config"]).arg(properties);
    for user in USERS {
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            java.arg("--add-scram").arg(format!("{mechanism}=[name={user},password={}]", password(user)));
        }
    }
    run(&mut java)?;
    fs::rename(folder.join("data").join(settings::BOOTSTRAP_CHECKPOINT), checkpoint)?;
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// Lets a broker and a tool run once, and keeps the classes that they loaded.
///
/// A JVM that cannot write archives leaves none: starts are slower then.
pub(crate) fn archives(release: &Release) -> Result<()> {
    let options = ClusterOptions::default().brokers(1);
    let cluster = Cluster::begin(release.clone(), &options, &release.folder().join("warm-up"), Archive::Write, true)?;
    let topic = "warm-up";
    cluster.java_produce(topic, &["record"])?;
    let mut consumer = release.java(Role::Tool, Archive::Write, 128, release.folder(), CONSOLE_CONSUMER)?;
    consumer.args(["--bootstrap-server", &cluster.bootstrap(), "--topic", topic]);
    run(consumer.args(["--from-beginning", "--max-messages", "1"]))?;
    cluster.stop(1)
}
