//! A process that is known by a file with its pid, so that any later process can find it, and whose command line
//! names the cluster's folder, so that a pid that was given to another since is not mistaken for it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::until;

/// Writes the pid before anything else, deaf to the terminal's hang-up; fails where the cluster's folder is gone.
const SCRIPT: &str = r#"trap '' HUP; echo $$ >"$0" && exec "$@""#;

/// Time to die: the kernel frees some hundred MiB.
const DEATH: Duration = Duration::from_secs(20);

/// More than a command line with a hundred jars is long.
const LONGEST_LINE: usize = 1 << 17;

#[derive(Debug)]
pub(crate) struct Process {
    pid_file: PathBuf,
    /// What stands in the process's command line: the cluster's folder.
    mark: String,
    /// There if this process started it: then the dead one has to be fetched.
    child: Mutex<Option<Child>>,
}

/// The same command, which leaves its pid in `pid_file` first.
pub(crate) fn recorded(command: &Command, pid_file: &Path) -> Command {
    let mut recorded = Command::new("sh");
    recorded.args(["-c", SCRIPT]).arg(pid_file).arg(command.get_program()).args(command.get_args());
    recorded
}

impl Process {
    pub(crate) fn new(pid_file: PathBuf, cluster: &Path) -> Self {
        Self { pid_file, mark: cluster.display().to_string(), child: Mutex::new(None) }
    }

    /// Takes over the child that [`recorded`] made, once its pid is written.
    pub(crate) fn adopt(&self, mut child: Child) -> Result<()> {
        let pid = child.id();
        until("the pid of a process", DEATH, || {
            let ended = child.try_wait()?;
            let written = self.recorded_pid()?.is_some_and(|written| written == pid);
            if let (Some(status), false) = (ended, written) {
                bail!("a process ended before it began: {status}");
            }
            Ok(written.then_some(()))
        })?;
        *self.lock() = Some(child);
        Ok(())
    }

    /// Pid of the living process; none if it is dead or never was.
    pub(crate) fn pid(&self) -> Result<Option<u32>> {
        if let Some(child) = self.lock().as_mut() {
            return Ok(if child.try_wait()?.is_some() { None } else { Some(child.id()) });
        }
        Ok(self.recorded_pid()?.filter(|&pid| command_line(pid).is_some_and(|line| line.contains(&self.mark))))
    }

    /// Whether it stands still after a [`Signal::STOP`].
    pub(crate) fn stopped(&self) -> Result<bool> {
        Ok(self.pid()?.and_then(state) == Some('T'))
    }

    /// Memory that it occupies, in MiB.
    pub(crate) fn resident_mib(&self) -> Result<Option<u64>> {
        let Some(pid) = self.pid()? else { return Ok(None) };
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Ok(line.and_then(|line| Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)))
    }

    /// Sends a signal; does nothing if the process is dead.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = self.pid()?.and_then(|pid| Pid::from_raw(pid.try_into().ok()?)) else { return Ok(()) };
        match kill_process(pid, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("signal to process {pid:?}")),
        }
    }

    /// Asks it to end; kills it if it has not within `limit`.
    pub(crate) fn end(&self, limit: Duration) -> Result<()> {
        self.signal(Signal::CONT)?;
        self.signal(Signal::TERM)?;
        if self.dead_within(limit).is_err() {
            return self.kill();
        }
        self.fetch()
    }

    /// Kills it, as a power cut would, and returns once it is dead.
    pub(crate) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.dead_within(DEATH)?;
        self.fetch()
    }

    fn dead_within(&self, limit: Duration) -> Result<()> {
        until("a process to end", limit, || Ok(self.pid()?.is_none().then_some(())))
    }

    /// Fetches the dead child and forgets its pid.
    fn fetch(&self) -> Result<()> {
        if let Some(mut child) = self.lock().take() {
            child.wait()?;
        }
        match fs::remove_file(&self.pid_file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn recorded_pid(&self) -> Result<Option<u32>> {
        match fs::read_to_string(&self.pid_file) {
            // Empty between the file's creation and the pid.
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", self.pid_file.display())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The command line of a living process.
fn command_line(pid: u32) -> Option<String> {
    // Empty for a moment while a shell becomes a JVM; for ever in the kernel's own threads.
    let line = until("a command line", Duration::from_secs(1), || {
        if state(pid).is_none_or(|state| matches!(state, 'X' | 'Z')) {
            return Ok(Some(None));
        }
        let mut line = vec![0; LONGEST_LINE];
        // In one go: between two reads another program may have begun.
        let length = File::open(format!("/proc/{pid}/cmdline")).and_then(|mut file| file.read(&mut line)).unwrap_or(0);
        Ok((length > 0).then(|| Some(String::from_utf8_lossy(&line[..length]).into_owned())))
    });
    line.ok().flatten()
}

/// The kernel's letter for how a process is; none if there is no such process.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // "pid (name) S …", and the name may hold anything.
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::process::Stdio;

    use super::*;

    /// A process that does nothing until it is killed, in a folder like a cluster's. Both are gone when this is.
    pub(crate) struct Idle {
        pub(crate) process: Process,
        pub(crate) folder: PathBuf,
        pid_file: PathBuf,
    }

    impl Idle {
        pub(crate) fn start(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("ottla-{name}-{}", std::process::id()));
            fs::create_dir_all(folder.join("pids")).unwrap();
            let pid_file = folder.join("pids/1");
            let idle = Self { process: Process::new(pid_file.clone(), &folder), folder, pid_file };
            let mut tail = Command::new("tail");
            // The folder stands in the command line, as it does in a broker's.
            tail.arg("-f").arg(&idle.pid_file);
            let child = recorded(&tail, &idle.pid_file).stdout(Stdio::null()).spawn().unwrap();
            idle.process.adopt(child).unwrap();
            idle
        }

        /// As another process sees it, which knows of it by the file alone.
        fn seen_from_outside(&self) -> Process {
            Process::new(self.pid_file.clone(), &self.folder)
        }
    }

    impl Drop for Idle {
        fn drop(&mut self) {
            // By the child, which no test's mistake can hide.
            if let Some(mut child) = self.process.lock().take() {
                drop(child.kill());
                drop(child.wait());
            }
            drop(fs::remove_dir_all(&self.folder));
        }
    }

    #[test]
    fn another_process_finds_it_by_its_file() {
        let idle = Idle::start("found");
        let found = idle.seen_from_outside();
        assert_eq!(found.pid().unwrap(), idle.process.pid().unwrap());

        idle.process.kill().unwrap();

        assert_eq!(found.pid().unwrap(), None);
    }

    #[test]
    fn a_dead_child_that_nobody_fetched_counts_as_dead() {
        let idle = Idle::start("unfetched");

        idle.seen_from_outside().kill().unwrap();

        assert_eq!(idle.process.pid().unwrap(), None);
    }

    #[test]
    fn a_pid_that_another_program_has_by_now_is_not_it() {
        let idle = Idle::start("other");
        let stranger = Process::new(idle.pid_file.clone(), Path::new("/nowhere/cluster"));
        assert_eq!(stranger.pid().unwrap(), None);

        stranger.signal(Signal::KILL).unwrap();

        assert!(idle.process.pid().unwrap().is_some(), "a stranger is not killed");
    }

    #[test]
    fn a_stopped_process_is_seen_to_stand_and_still_ends() {
        let idle = Idle::start("stopped");
        idle.process.signal(Signal::STOP).unwrap();
        until("it to stand", DEATH, || Ok(idle.process.stopped()?.then_some(()))).unwrap();

        idle.process.end(DEATH).unwrap();

        assert_eq!(idle.process.pid().unwrap(), None);
    }
}
