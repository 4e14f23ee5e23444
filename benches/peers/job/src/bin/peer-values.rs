//! Writes the values of all jobs: `peer-values SIZE FILE`.

use std::fs;

/// Many times what all batches on their way hold, and few enough to keep in memory.
const BYTES: usize = 32 << 20;

fn main() -> Result<(), peer_job::Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [size, file] = &arguments[..] else {
        return Err("peer-values SIZE FILE".into());
    };
    let size = size.parse()?;
    Ok(fs::write(file, peer_job::values(size, BYTES / size, 1))?)
}
