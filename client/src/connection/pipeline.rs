//! The requests in flight on one connection: answers come in the order of the requests.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Requests written and not yet answered, oldest first.
#[derive(Debug)]
pub(crate) struct Pipeline<R> {
    in_flight: VecDeque<InFlight<R>>,
    muted_until: Option<Instant>,
    last_active: Instant,
}

#[derive(Debug)]
struct InFlight<R> {
    correlation: i32,
    deadline: Option<Instant>,
    request: R,
}

/// An answer to a request that is not the oldest: the stream cannot be trusted any more.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Mismatch {
    pub(crate) expected: Option<i32>,
    pub(crate) found: i32,
}

impl<R> Pipeline<R> {
    pub(crate) fn new(now: Instant) -> Self {
        Self { in_flight: VecDeque::new(), muted_until: None, last_active: now }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// A request was written.
    pub(crate) fn sent(&mut self, correlation: i32, timeout: Duration, request: R, now: Instant) {
        self.last_active = now;
        self.in_flight.push_back(InFlight { correlation, deadline: now.checked_add(timeout), request });
    }

    /// An answer came: the request it belongs to.
    pub(crate) fn answered(&mut self, correlation: i32, now: Instant) -> Result<R, Mismatch> {
        self.last_active = now;
        match self.in_flight.pop_front() {
            Some(oldest) if oldest.correlation == correlation => Ok(oldest.request),
            oldest => {
                let expected = oldest.as_ref().map(|oldest| oldest.correlation);
                // Put back: it is failed with the others.
                self.in_flight.extend(oldest);
                self.in_flight.rotate_right(usize::from(expected.is_some()));
                Err(Mismatch { expected, found: correlation })
            }
        }
    }

    /// Holds back further requests, as a broker over its quota asks (KIP-219).
    pub(crate) fn mute(&mut self, throttle: Duration, now: Instant) {
        let until = now.checked_add(throttle);
        self.muted_until = self.muted_until.max(until);
    }

    /// Until when no request may be written.
    pub(crate) fn muted_until(&self, now: Instant) -> Option<Instant> {
        self.muted_until.filter(|until| *until > now)
    }

    /// When the first request in flight is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.in_flight.iter().filter_map(|request| request.deadline).min()
    }

    /// When the connection has been idle for `limit`; not while a request is in flight.
    pub(crate) fn idle_at(&self, limit: Duration) -> Option<Instant> {
        if self.in_flight.is_empty() { self.last_active.checked_add(limit) } else { None }
    }

    /// Takes out everything in flight, with whether its deadline has passed.
    pub(crate) fn drain(&mut self, now: Instant) -> impl Iterator<Item = (R, bool)> + '_ {
        self.in_flight.drain(..).map(move |one| (one.request, one.deadline.is_some_and(|deadline| deadline <= now)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn answers_belong_to_the_oldest_request() {
        let now = Instant::now();
        let mut pipeline = Pipeline::new(now);
        pipeline.sent(1, SECOND, "first", now);
        pipeline.sent(2, SECOND, "second", now);
        assert_eq!(pipeline.answered(1, now), Ok("first"));
        assert_eq!(pipeline.answered(3, now), Err(Mismatch { expected: Some(2), found: 3 }));
        assert_eq!(pipeline.drain(now).map(|(request, _)| request).collect::<Vec<_>>(), ["second"]);
        assert_eq!(pipeline.answered(4, now), Err(Mismatch { expected: None, found: 4 }));
    }

    #[test]
    fn a_mismatch_keeps_the_order_of_what_is_in_flight() {
        let now = Instant::now();
        let mut pipeline = Pipeline::new(now);
        for (correlation, request) in [(1, "a"), (2, "b"), (3, "c")] {
            pipeline.sent(correlation, SECOND, request, now);
        }
        pipeline.answered(9, now).unwrap_err();
        assert_eq!(pipeline.drain(now).map(|(request, _)| request).collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn the_earliest_deadline_counts_even_behind_a_patient_request() {
        let now = Instant::now();
        let mut pipeline = Pipeline::new(now);
        pipeline.sent(1, 300 * SECOND, "join", now);
        pipeline.sent(2, SECOND, "heartbeat", now);
        assert_eq!(pipeline.deadline(), Some(now + SECOND));
        let timed_out: Vec<_> = pipeline.drain(now + SECOND).collect();
        assert_eq!(timed_out, [("join", false), ("heartbeat", true)]);
    }

    /// edge 80: throttling holds back requests, and is no reason to time out what is in flight.
    #[test]
    fn throttling_mutes_and_moves_no_deadline() {
        let now = Instant::now();
        let mut pipeline = Pipeline::new(now);
        pipeline.sent(1, 5 * SECOND, "fetch", now);
        pipeline.mute(3 * SECOND, now);
        pipeline.mute(SECOND, now);
        assert_eq!(pipeline.muted_until(now), Some(now + 3 * SECOND));
        assert_eq!(pipeline.muted_until(now + 3 * SECOND), None);
        assert_eq!(pipeline.deadline(), Some(now + 5 * SECOND));
    }

    #[test]
    fn a_connection_with_a_request_in_flight_is_not_idle() {
        let now = Instant::now();
        let mut pipeline = Pipeline::new(now);
        assert_eq!(pipeline.idle_at(9 * SECOND), Some(now + 9 * SECOND));
        pipeline.sent(1, SECOND, (), now);
        assert_eq!(pipeline.idle_at(9 * SECOND), None);
        pipeline.answered(1, now + SECOND).unwrap();
        assert_eq!(pipeline.idle_at(9 * SECOND), Some(now + 10 * SECOND));
    }
}
