//! Running programs: what they print is passed on line by line, and can be looked at on the way.

use std::env;
use std::io::{BufRead, BufReader, pipe};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Cargo, at the top of the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(workspace());
    // What `cargo run` says about xtask is not true of what runs now; some build scripts run again when it changes.
    for (name, _) in env::vars_os() {
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if ours.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// The top of the workspace.
pub(crate) fn workspace() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/..")
}

/// Runs a command to its end, prints each of its lines and shows it to `look`.
///
/// # Errors
/// If it cannot be started, or fails. What it printed says why.
pub(crate) fn run(mut command: Command, mut look: impl FnMut(&str)) -> Result<()> {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    println!("$ {}", words.join(" "));
    let name = words[..words.len().min(2)].join(" ");
    // One pipe for both, so that what they say stays in order.
    let (reader, writer) = pipe()?;
    let mut child = command
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("start {}", command.get_program().display()))?;
    // With the command go our own ends of the pipe; it would never close.
    drop(command);
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        look(&line);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    Ok(())
}

/// Whether a command can be run and succeeds; it prints nothing.
pub(crate) fn succeeds(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
