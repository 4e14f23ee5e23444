//! One broker: a JVM with a folder, a log and ports.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::Signal;

use crate::cluster::State;
use crate::listener::Listener;
use crate::process::{Process, recorded};
use crate::wait::until;

/// What a broker logs once the controller has let it in.
const READY: &str = "Kafka Server started";

/// Time for a start on a machine that does much else.
const START: Duration = Duration::from_secs(90);

/// Time for an orderly end: leaders move away, logs are flushed.
const END: Duration = Duration::from_secs(30);

/// Lines of its log that a broker which died while starting is shown with.
const LAST_LINES: usize = 25;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: u16,
    pub(crate) process: Process,
    pub(crate) addresses: Vec<(Listener, SocketAddr)>,
    folder: PathBuf,
    pid_file: PathBuf,
}

impl Node {
    /// Broker `id` of the cluster in `cluster`.
    pub(crate) fn new(id: u16, cluster: &Path, ports: &[(Listener, u16)]) -> Self {
        let pid_file = cluster.join("pids").join(id.to_string());
        let on_loopback = |&(listener, port)| (listener, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Self {
            id,
            process: Process::new(pid_file.clone(), cluster),
            addresses: ports.iter().map(on_loopback).collect(),
            folder: folder(cluster, id),
            pid_file,
        }
    }

    /// Starts `java` with this broker's properties. The returned place in its log is where this run's lines begin.
    pub(crate) fn start(&self, mut java: Command) -> Result<u64> {
        java.arg(self.folder.join("server.properties"));
        let log = File::options().create(true).append(true).open(self.log())?;
        let begin = log.metadata()?.len();
        let child = recorded(&java, &self.pid_file)
            .current_dir(&self.folder)
            // Not among those that an interrupt from the terminal reaches.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start broker {}", self.id))?;
        self.process.adopt(child)?;
        Ok(begin)
    }

    /// Waits until the broker that began to log at `begin` serves.
    ///
    /// # Errors
    /// If it dies instead: with the last lines of its log.
    pub(crate) fn wait_until_ready(&self, begin: u64) -> Result<()> {
        until(&format!("broker {} to start", self.id), START, || {
            // Looked at first: a broker that says it is ready and dies at once has said it.
            let alive = self.process.pid()?.is_some();
            let bytes = fs::read(self.log())?;
            let log = String::from_utf8_lossy(&bytes[usize::try_from(begin)?.min(bytes.len())..]);
            if log.contains(READY) {
                return Ok(Some(()));
            }
            if !alive {
                bail!("broker {} died while starting; the end of {}:\n{}", self.id, self.log().display(), last(&log));
            }
            Ok(None)
        })
    }

    /// # Errors
    /// If it is dead: with the last lines of its log.
    pub(crate) fn check_alive(&self) -> Result<()> {
        if self.process.pid()?.is_some() {
            return Ok(());
        }
        let bytes = fs::read(self.log())?;
        bail!(
            "broker {} died; the end of {}:\n{}",
            self.id,
            self.log().display(),
            last(&String::from_utf8_lossy(&bytes))
        );
    }

    pub(crate) fn state(&self) -> Result<State> {
        Ok(match (self.process.pid()?, self.process.stopped()?) {
            (None, _) => State::Dead,
            (Some(_), true) => State::Paused,
            (Some(_), false) => State::Running,
        })
    }

    pub(crate) fn pause(&self) -> Result<()> {
        self.process.signal(Signal::STOP)?;
        until("a broker to stand still", END, || match self.state()? {
            State::Paused => Ok(Some(())),
            State::Running => Ok(None),
            State::Dead => Err(anyhow!("broker {} is dead", self.id)),
        })
    }

    pub(crate) fn resume(&self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    pub(crate) fn end(&self) -> Result<()> {
        self.process.end(END)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

/// The folder of broker `id`.
pub(crate) fn folder(cluster: &Path, id: u16) -> PathBuf {
    cluster.join(format!("n{id}"))
}

fn last(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
