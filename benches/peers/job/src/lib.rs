//! The produce job that every client of `benches/peers` runs: what to do, with which records, and what it cost.
//!
//! ```text
//! arguments.rs  name=value words, as the Go and the Java program read them too
//! generate.rs   writes the file of values         feed.rs     walks through it, without a copy
//! window.rs     deliveries awaited in order       latency.rs  a fixed rate, and percentiles
//! meter.rs      CPU and wall time, memory         report.rs   the line of JSON that a job prints
//! ```
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod arguments;
mod feed;
mod generate;
mod latency;
mod meter;
mod report;
mod tally;
#[cfg(feature = "futures")]
mod window;

pub use arguments::{Compression, Deliveries, Job, Work};
pub use feed::{Feed, Item};
pub use generate::values;
#[cfg(feature = "futures")]
pub use latency::at_rate;
pub use latency::{Latencies, paced};
pub use meter::{Cost, Meter};
pub use report::Report;
pub use tally::Tally;
#[cfg(feature = "futures")]
pub use window::Window;

/// Why a job could not be done.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
