//! Files written, or compared with what they should be.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use anyhow::{Context, Result, ensure};

/// Folders that hold what the generator writes and nothing else.
const SOURCES: &str = "client/wire/src/messages";
const TESTS: &str = "client/wire/tests/messages/pairs";

/// A file to be.
pub(super) struct File {
    path: PathBuf,
    text: String,
}

impl File {
    pub(super) fn source(name: &str, text: String) -> Self {
        Self { path: path(SOURCES, name), text }
    }

    pub(super) fn test(name: &str, text: String) -> Self {
        Self { path: path(TESTS, name), text }
    }
}

/// Writes all files that differ, and removes others from the folders.
pub(super) fn write(files: &[File]) -> Result<()> {
    for (path, text) in differing(files)? {
        match text {
            Some(text) => {
                fs::create_dir_all(path.parent().expect("every file is in a folder"))?;
                fs::write(&path, text)?;
                println!("wrote {}", path.display());
            }
            None => {
                fs::remove_file(&path)?;
                println!("removed {}", path.display());
            }
        }
    }
    Ok(())
}

/// Fails if a file differs from what it should be.
pub(super) fn check(files: &[File]) -> Result<()> {
    let paths: Vec<_> = differing(files)?.iter().map(|(path, _)| path.display().to_string()).collect();
    ensure!(paths.is_empty(), "not as `cargo xtask protocol` writes them:\n{}", paths.join("\n"));
    Ok(())
}

/// Every file that is not as it should be, with its text, or none if it should not be.
fn differing(files: &[File]) -> Result<Vec<(PathBuf, Option<String>)>> {
    let mut differing = Vec::new();
    let mut stale = BTreeSet::new();
    for folder in [SOURCES, TESTS] {
        let entries = match fs::read_dir(root().join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            stale.insert(entry?.path());
        }
    }
    for File { path, text } in files {
        let text = format(text).with_context(|| path.display().to_string())?;
        if fs::read_to_string(path).ok().as_ref() != Some(&text) {
            differing.push((path.clone(), Some(text)));
        }
        stale.remove(path);
    }
    differing.extend(stale.into_iter().map(|path| (path, None)));
    Ok(differing)
}

fn path(folder: &str, name: &str) -> PathBuf {
    root().join(folder).join(name).with_extension("rs")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is in the workspace's folder")
}

/// The text as rustfmt lays it out.
fn format(text: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    rustfmt.stdin.take().expect("it was asked for").write_all(text.as_bytes())?;
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt does not understand it");
    Ok(String::from_utf8(output.stdout)?)
}
