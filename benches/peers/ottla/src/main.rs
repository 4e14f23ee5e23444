//! Ottla as it is by default: codecs in Rust.

fn main() -> Result<(), peer_job::Failure> {
    peer_ottla::run()
}
