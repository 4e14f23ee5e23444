//! What the Java client and other writers wrote, read here, and written here to the byte.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod batches;
mod description;
mod frames;

use std::fs;
use std::path::PathBuf;

/// The folder of golden bytes.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

/// The files of a subfolder, by name.
fn files(subfolder: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder().join(subfolder))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}
