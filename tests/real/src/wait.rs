//! Waiting for what other processes do: by looking, with a deadline.
#![expect(clippy::disallowed_methods, reason = "driver: waits for other processes")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(15);

/// Looks until `look` finds something, every 15 ms, and hands it over.
///
/// # Errors
/// What `look` fails with, at once; or, once `limit` has passed, one that says what did not come: `what`.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("after {limit:?} still waiting for {what}");
        }
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_over_what_it_finds() {
        let mut looks = 0;
        let found = until("three looks", Duration::from_secs(10), || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn says_what_did_not_come() {
        let error = until::<()>("rain", Duration::ZERO, || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "after 0ns still waiting for rain");
    }

    #[test]
    fn does_not_wait_after_an_error() {
        let error = until::<()>("rain", Duration::MAX / 4, || bail!("the sky fell")).unwrap_err();
        assert_eq!(error.to_string(), "the sky fell");
    }
}
