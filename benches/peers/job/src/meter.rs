//! What a process has cost.

use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

use crate::Failure;

/// Runs over the measured part of a job.
#[derive(Debug)]
pub struct Meter {
    started: Instant,
    cpu_seconds: f64,
}

/// What the measured part took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Wall time.
    pub seconds: f64,
    /// User and system time of all threads.
    pub cpu_seconds: f64,
}

impl Meter {
    /// Starts.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn start() -> Result<Self, Failure> {
        Ok(Self { cpu_seconds: cpu_seconds()?, started: Instant::now() })
    }

    /// Ends.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn stop(self) -> Result<Cost, Failure> {
        let seconds = self.started.elapsed().as_secs_f64();
        Ok(Cost { seconds, cpu_seconds: cpu_seconds()? - self.cpu_seconds })
    }
}

/// The largest resident size of this process so far. What it was before `exec` does not count, as it would with
/// `getrusage`.
pub(crate) fn peak_rss_bytes() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kib: u64 = line.trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

fn cpu_seconds() -> Result<f64, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let (user, system) = (usage.user_time(), usage.system_time());
    let seconds = user.tv_sec() + system.tv_sec();
    let micros = user.tv_usec() + system.tv_usec();
    Ok(seconds as f64 + micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_cpu_time_of_this_process() {
        let meter = Meter::start().unwrap();
        let began = cpu_seconds().unwrap();
        while cpu_seconds().unwrap() - began < 0.02 {
            std::hint::black_box(vec![1_u8; 10_000]);
        }
        let cost = meter.stop().unwrap();
        assert!(cost.cpu_seconds >= 0.02, "{cost:?}");
        assert!(cost.seconds > 0.0, "{cost:?}");
        assert!(peak_rss_bytes().unwrap() > 100_000);
    }
}
