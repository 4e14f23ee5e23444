//! The program `ottla`, built from this tree, as a user runs it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::layout;
use crate::wait::until;

/// How long a program may take to end once it was told to.
const LIMIT: Duration = Duration::from_secs(120);

/// The binary, brought up to date once per process.
static BINARY: LazyLock<PathBuf> =
    LazyLock::new(|| built(&["--package", "ottla-cli"], "debug/ottla").unwrap_or_else(|error| panic!("{error:#}")));

/// What `cargo build` with these arguments makes of this tree, and where in the target folder.
pub(crate) fn built(arguments: &[&str], path: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet"]).args(arguments).current_dir(layout::workspace());
    let status = build.status().context("start cargo")?;
    ensure!(status.success(), "cargo build {}: {status}", arguments.join(" "));
    Ok(layout::target_folder().join(path))
}

/// Where [`Program`]s run from.
pub(crate) fn binary() -> &'static Path {
    &BINARY
}

/// A running `ottla`. What it writes goes to files; it is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    folder: PathBuf,
}

/// How a [`Program`] ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Program {
    /// Starts `ottla` with these arguments, and a pipe as its standard input.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ottla-program-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let child = Command::new(&*BINARY)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(File::create(folder.join("stdout"))?)
            .stderr(File::create(folder.join("stderr"))?)
            .spawn()
            .with_context(|| format!("start {}", BINARY.display()))?;
        Ok(Self { child, folder })
    }

    /// Runs `ottla` to its end.
    ///
    /// # Errors
    /// If it cannot be started, does not end, or fails: with what it wrote.
    pub fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Ended> {
        let mut program = Self::start(arguments)?;
        program.end_of_input();
        program.succeed()
    }

    /// Writes to its standard input.
    ///
    /// # Errors
    /// If it reads no more.
    pub fn write(&mut self, text: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("its input was ended")?;
        input.write_all(text.as_bytes())?;
        Ok(input.flush()?)
    }

    /// Ends its standard input.
    pub fn end_of_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send_signal(&self.child, signal)
    }

    /// Ends it as Ctrl-C does, and waits for that.
    ///
    /// # Errors
    /// As [`Program::succeed`].
    pub fn interrupt(self) -> Result<Ended> {
        self.signal(Signal::INT)?;
        self.succeed()
    }

    /// Waits for its end, whatever that is.
    ///
    /// # Errors
    /// If it does not come within two minutes.
    pub fn wait(mut self) -> Result<Ended> {
        let status = until("ottla to end", LIMIT, || Ok(self.child.try_wait()?))
            .with_context(|| format!("it wrote: {}", self.stderr().unwrap_or_default()))?;
        Ok(Ended { status, stdout: self.stdout()?, stderr: self.stderr()? })
    }

    /// Waits for its end, which must be a success.
    ///
    /// # Errors
    /// If it fails: with what it wrote.
    pub fn succeed(self) -> Result<Ended> {
        let ended = self.wait()?;
        ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
        Ok(ended)
    }

    /// What it has written to standard output so far.
    ///
    /// # Errors
    /// If that is no text.
    pub fn stdout(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("stdout"))?)
    }

    fn stderr(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("stderr"))?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended, and its files may be gone, by themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Sends a child a signal.
///
/// # Errors
/// If it is gone.
pub fn send_signal(child: &Child, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(child.id().try_into()?).context("a pid")?;
    Ok(kill_process(pid, signal)?)
}

/// A file of lines that is removed when this is dropped.
#[derive(Debug)]
pub struct Lines(PathBuf);

impl Lines {
    /// Writes the lines to a file of this name in the temporary folder.
    ///
    /// # Errors
    /// If that fails.
    pub fn write<L: AsRef<str>>(name: &str, lines: impl IntoIterator<Item = L>) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("{name}-{}.txt", std::process::id()));
        let mut file = std::io::BufWriter::new(File::create(&path)?);
        for line in lines {
            writeln!(file, "{}", line.as_ref())?;
        }
        file.flush()?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
