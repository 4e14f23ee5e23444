//! A program of this tree that runs beside the brokers of a cluster, and dies with them at the latest.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::cluster::Cluster;
use crate::process::recorded;
use crate::program::send_signal;
use crate::wait::until;

/// Time for an orderly end.
const END: Duration = Duration::from_secs(60);

/// What it writes goes to files in the cluster's folder, `NAME-out` and `NAME-err`.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) name: String,
    child: Child,
    pub(super) out: PathBuf,
    err: PathBuf,
}

/// Copies a binary to where the cluster's keeper knows a process by its path as the cluster's.
pub(super) fn admit(cluster: &Cluster, binary: &Path) -> Result<PathBuf> {
    let name = binary.file_name().context("a binary has a name")?;
    let admitted = cluster.folder.join(name);
    fs::copy(binary, &admitted).with_context(|| format!("copy {}", binary.display()))?;
    Ok(admitted)
}

impl Guest {
    /// Starts an [`admit`]ted binary.
    pub(super) fn start(cluster: &Cluster, name: &str, binary: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(arguments);
        Self::run(cluster, name, recorded(&command, &cluster.folder.join("pids").join(name)))
    }

    /// Starts a command that leaves its pid for the cluster's keeper.
    pub(super) fn run(cluster: &Cluster, name: &str, mut command: Command) -> Result<Self> {
        let file = |part: &str| cluster.folder.join(format!("{name}-{part}"));
        let child = command
            .stdin(Stdio::piped())
            .stdout(File::create(file("out"))?)
            .stderr(File::create(file("err"))?)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self { name: name.to_owned(), child, out: file("out"), err: file("err") })
    }

    /// Its standard input; none if it was taken before.
    pub(super) fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        until("its end", limit, || Ok(child.try_wait()?))
    }

    /// Sends it a signal; it must not have been waited for.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        send_signal(&self.child, signal)
    }

    /// Ends it as Ctrl-C does.
    pub(super) fn interrupt(&mut self) -> Result<()> {
        self.signal(Signal::INT)?;
        self.wait(END).map(drop)
    }

    /// Kills it as a power cut would.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// What it wrote to standard output.
    pub(super) fn output(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.out)?)
    }

    /// What it wrote to standard error.
    pub(super) fn complaints(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.err)?)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
