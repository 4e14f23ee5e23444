//! The jobs that every client of `benches/peers` runs: what to do, with which records, and what it cost.
//!
//! ```text
//! arguments.rs  name=value words, as the Go and the Java program read them too
//! generate.rs   writes the file of values         feed.rs     walks through it, without a copy
//! window.rs     deliveries awaited in order       latency.rs  a fixed rate, and percentiles
//! meter.rs      CPU and wall time, memory         report.rs   the line of JSON that a job prints
//! reading.rs    counts what a consumer is handed  journey.rs  from a producer to a consumer
//! sharing.rs    two members of a group, and what each owns and is handed
//! ```
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod arguments;
mod feed;
mod generate;
mod journey;
mod latency;
mod meter;
mod reading;
mod report;
mod sharing;
mod tally;
#[cfg(feature = "futures")]
mod window;

pub use arguments::{Compression, Deliveries, Job, Protocol, Work};
pub use feed::{Feed, Item};
pub use generate::values;
pub use journey::{Arrivals, Journey};
#[cfg(feature = "futures")]
pub use latency::at_rate;
pub use latency::{Latencies, paced};
pub use meter::{Cost, Meter};
pub use reading::{POLL_RECORDS, Reading};
pub use report::Report;
pub use sharing::{HEARTBEAT, Member, Run, share};
pub use tally::Tally;
#[cfg(feature = "futures")]
pub use window::Window;

/// Why a job could not be done.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
