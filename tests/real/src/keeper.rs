//! The end of everything: a small process that outlives the one that started a cluster, however that one ends.
//!
//! It waits at the end of a pipe. When the starter drops the other end, or exits, panics, is interrupted or killed,
//! the pipe closes: then every process whose pid stands in the cluster's folder is killed and the folder removed. A
//! parent-death signal would not do: it comes when the thread ends that started the broker, and a test's thread does.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// If this variable is set, the cluster's folder with its logs stays: to find out why a test failed.
pub(crate) const KEEP: &str = "OTTLA_KEEP_KAFKA";

/// The file in a cluster's folder that does the same for this one.
pub(crate) const KEEP_FILE: &str = "keep";

const SCRIPT: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
for file in "$0"/pids/*; do
    read -r pid <"$file" && line=$(tr '\0' ' ' <"/proc/$pid/cmdline") || continue
    # Empty for a moment while a shell becomes a JVM; another's if the pid was given away.
    case $line in '' | *"$0"*) kill -9 "$pid" ;; esac
done
[ -z "$1" ] && [ ! -e "$0/keep" ] || exit 0
# What dies may still write for a moment.
for try in 1 2 3 4 5 6 7 8 9; do rm -rf "$0" && break; sleep 0.2; done
"#;

#[derive(Debug)]
pub(crate) struct Keeper(Child);

impl Keeper {
    /// Starts to watch over the cluster in `folder`.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let keep = if std::env::var_os(KEEP).is_some() { "keep" } else { "" };
        Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(folder)
            .arg(keep)
            .current_dir("/")
            // Not among those that an interrupt from the terminal reaches.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
            .context("start the process that cleans up: sh")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Nobody is left to tell of a failure.
        drop(self.0.wait());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::tests::Idle;
    use crate::wait::until;

    #[test]
    fn nothing_is_left_of_a_cluster_once_the_pipe_is_closed() {
        let idle = Idle::start("kept");
        let keeper = Keeper::of(&idle.folder).unwrap();
        assert!(idle.process.pid().unwrap().is_some());

        drop(keeper);

        until("it to die", Duration::from_secs(20), || Ok(idle.process.pid()?.is_none().then_some(()))).unwrap();
        assert!(!idle.folder.exists());
    }
}
