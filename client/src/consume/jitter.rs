//! Chance that partitions of one answer share.

use tokio::time::Instant;

/// Spreads the waits of clients, and keeps those of one client together.
///
/// What fails at one moment waits alike: of two hundred partitions whose leader was not ready, one request asks again.
/// With a jitter of its own each of them would be due at another time, and be asked about alone.
#[derive(Debug)]
pub(super) struct Jitter {
    random: fastrand::Rng,
    last: Option<(Instant, fastrand::Rng)>,
}

impl Jitter {
    pub(super) fn new(random: fastrand::Rng) -> Self {
        Self { random, last: None }
    }

    /// What draws the same as any other that was taken at this moment.
    pub(super) fn at(&mut self, now: Instant) -> fastrand::Rng {
        if let Some((moment, drawn)) = &self.last
            && *moment == now
        {
            return drawn.clone();
        }
        let drawn = self.random.fork();
        self.last = Some((now, drawn.clone()));
        drawn
    }
}
