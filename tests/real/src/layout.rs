//! A cluster's folder: what the brokers read, and what a later process needs to know of them.
//!
//! ```text
//! cluster                   version, heap, and a line of listeners and ports per broker
//! client-<listener>.properties
//! n<broker>/                server.properties, log, data/
//! pids/  tmp/  tls/
//! ```

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::listener::Listener;
use crate::options::ClusterOptions;
use crate::release::Release;
use crate::settings::{self, Ports};
use crate::{node, ports};

/// The file that describes the cluster.
const DESCRIPTION: &str = "cluster";

/// What a later process needs to know.
pub(crate) struct Layout {
    pub(crate) version: String,
    pub(crate) heap_mib: u32,
    /// Ports of each broker.
    pub(crate) brokers: Vec<Vec<(Listener, u16)>>,
}

/// Ports for every listener of every broker.
pub(crate) fn pick_ports(options: &ClusterOptions) -> Result<Vec<Ports>> {
    let each = options.listeners.len() + 1;
    let free = ports::free(each * usize::from(options.brokers))?;
    let ports = free.chunks(each).map(|ports| Ports {
        controller: ports[0],
        listeners: options.listeners.iter().copied().zip(ports[1..].iter().copied()).collect(),
    });
    Ok(ports.collect())
}

/// Writes everything that the brokers, their clients and a later process read.
pub(crate) fn write(release: &Release, options: &ClusterOptions, cluster: &Path, ports: &[Ports]) -> Result<()> {
    let cluster_id = settings::random_id();
    let mut description = format!("version {}\nheap_mib {}\n", release.version(), options.heap_mib);
    for (id, own) in (1..).zip(ports) {
        let folder = node::folder(cluster, id);
        let data = folder.join("data");
        fs::create_dir_all(&data)?;
        let properties = settings::server_properties(options, id, &folder, cluster, ports);
        fs::write(folder.join("server.properties"), properties)?;
        fs::write(data.join("meta.properties"), settings::meta_properties(&cluster_id, id))?;
        fs::copy(release.bootstrap_checkpoint(), data.join(settings::BOOTSTRAP_CHECKPOINT))?;
        let words: Vec<_> =
            own.listeners.iter().map(|(listener, port)| format!("{}={port}", listener.name())).collect();
        let _ = writeln!(description, "broker {}", words.join(" "));
    }
    for listener in &options.listeners {
        fs::write(client_properties(cluster, *listener), listener.client_properties(cluster))?;
    }
    fs::write(cluster.join(DESCRIPTION), description)?;
    Ok(())
}

/// Reads what [`write()`] left for later processes.
pub(crate) fn read(cluster: &Path) -> Result<Layout> {
    let file = cluster.join(DESCRIPTION);
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("no cluster is up"),
        text => text?,
    };
    parse(&text).with_context(|| format!("{} is damaged", file.display()))
}

fn parse(text: &str) -> Option<Layout> {
    let mut lines = text.lines();
    let version = lines.next()?.strip_prefix("version ")?.to_owned();
    let heap_mib = lines.next()?.strip_prefix("heap_mib ")?.parse().ok()?;
    let broker = |line: &str| {
        let words = line.strip_prefix("broker ")?.split(' ');
        let listener = |word: &str| {
            let (name, port) = word.split_once('=')?;
            Some((Listener::from_name(name)?, port.parse().ok()?))
        };
        words.map(listener).collect()
    };
    Some(Layout { version, heap_mib, brokers: lines.map(broker).collect::<Option<_>>()? })
}

/// What a Java client of a listener is told.
pub(crate) fn client_properties(cluster: &Path, listener: Listener) -> PathBuf {
    cluster.join(format!("client-{}.properties", listener.name()))
}

/// The folder of the cluster that outlives the process which started it.
pub(crate) fn lasting_folder() -> PathBuf {
    clusters_folder().join("up")
}

/// `kafka/` in the workspace's target folder, which git ignores and `cargo clean` removes.
pub(crate) fn clusters_folder() -> PathBuf {
    target_folder().join("kafka")
}

/// Where cargo puts what it makes.
pub(crate) fn target_folder() -> PathBuf {
    workspace().join(env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from))
}

/// The top of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_as_it_was_meant() {
        let text = "version 4.3.1\nheap_mib 320\nbroker plaintext=10001 tls=10002\nbroker plaintext=10003 tls=10004\n";
        let Layout { version, heap_mib, brokers } = parse(text).unwrap();
        assert_eq!((version.as_str(), heap_mib), ("4.3.1", 320));
        assert_eq!(brokers[1], [(Listener::Plaintext, 10003), (Listener::Tls, 10004)]);
    }

    #[test]
    fn a_description_cut_short_is_refused() {
        let cut =
            ["", "version 4.3.1\n", "version 4.3.1\nheap_mib 320\nbroker plaintext=", "heap_mib 320\nversion 1\n"];
        assert!(cut.iter().all(|text| parse(text).is_none()));
    }
}
