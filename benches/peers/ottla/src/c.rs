//! Ottla with the C libraries of lz4 and zstd.

fn main() -> Result<(), peer_job::Failure> {
    peer_ottla::run()
}
