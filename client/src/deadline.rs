//! The points in time that waits end at.

use std::time::Duration;

use tokio::time::Instant;

/// As good as for ever, and an [`Instant`] still reaches so far.
const FOR_EVER: Duration = Duration::from_secs(86_400 * 365 * 30);

/// The instant `wait` after `start`, or one too far away to matter.
pub(crate) fn after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(FOR_EVER)
}

/// Sleeps until then, or for ever.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
    use super::*;

    #[test]
    fn the_longest_wait_there_is_ends_later_than_any_other() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::from_secs(5)), now + Duration::from_secs(5));
        assert!(after(now, Duration::MAX) > now + Duration::from_secs(86_400 * 365));
    }
}
