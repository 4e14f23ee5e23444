//! What a sensor keeps: samples of the last windows, and totals.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How long values count: for `metrics.num.samples` windows of `metrics.sample.window.ms`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Windows {
    pub(crate) samples: u32,
    pub(crate) window: Duration,
}

impl Windows {
    /// All of them: what nothing was added to for so long counts no more.
    fn all(self) -> Duration {
        self.window.saturating_mul(self.samples)
    }
}

/// Values of one kind, and what Kafka's Java client says of such: average, maximum, rate, total.
///
/// Values of one window are kept as one sample, and a sample counts until nothing was added to it for all of the windows:
/// one that began before them still counts as a whole. Reading changes nothing.
#[derive(Clone, Debug)]
pub(crate) struct Sensor {
    windows: Windows,
    /// Oldest first.
    samples: VecDeque<Sample>,
    total: f64,
    events: u64,
}

/// The values of one window.
#[derive(Clone, Copy, Debug)]
struct Sample {
    began: Instant,
    last: Instant,
    events: u64,
    sum: f64,
    max: f64,
    min: f64,
}

impl Sensor {
    pub(crate) fn new(windows: Windows) -> Self {
        Self { windows, samples: VecDeque::new(), total: 0.0, events: 0 }
    }

    pub(crate) fn record(&mut self, value: f64, now: Instant) {
        self.total += value;
        self.events += 1;
        match self.samples.back_mut() {
            Some(sample) if now.saturating_duration_since(sample.began) < self.windows.window => sample.add(value, now),
            _ => {
                let all = self.windows.all();
                // One more than the windows: the oldest may overlap them.
                while self.samples.len() > self.windows.samples as usize
                    || self.samples.front().is_some_and(|oldest| oldest.is_over(all, now))
                {
                    self.samples.pop_front();
                }
                self.samples.push_back(Sample { began: now, last: now, events: 1, sum: value, max: value, min: value });
            }
        }
    }

    /// The average of the values; NaN if there was none of late.
    pub(crate) fn avg(&self, now: Instant) -> f64 {
        let (sum, events) = self.recent(now);
        sum / events
    }

    /// The largest value; NaN if there was none of late.
    pub(crate) fn max(&self, now: Instant) -> f64 {
        self.counting(now).map(|sample| sample.max).fold(f64::NAN, f64::max)
    }

    /// The smallest value; NaN if there was none of late.
    pub(crate) fn min(&self, now: Instant) -> f64 {
        self.counting(now).map(|sample| sample.min).fold(f64::NAN, f64::min)
    }

    /// The sum of the values per second.
    pub(crate) fn rate(&self, now: Instant) -> f64 {
        self.recent(now).0 / self.elapsed(now)
    }

    /// How often there was a value, per second.
    pub(crate) fn event_rate(&self, now: Instant) -> f64 {
        self.recent(now).1 / self.elapsed(now)
    }

    /// The sum of all values there ever were.
    pub(crate) fn total(&self) -> f64 {
        self.total
    }

    /// How often there was a value, ever.
    pub(crate) fn events(&self) -> f64 {
        self.events as f64
    }

    fn counting(&self, now: Instant) -> impl Iterator<Item = &Sample> {
        let all = self.windows.all();
        self.samples.iter().filter(move |sample| !sample.is_over(all, now))
    }

    /// The sum of the values, and how many there were.
    fn recent(&self, now: Instant) -> (f64, f64) {
        self.counting(now).fold((0.0, 0.0), |(sum, events), sample| (sum + sample.sum, events + sample.events as f64))
    }

    /// Seconds that a rate is over: since the oldest sample that counts began, and at least all windows but one. Else the
    /// rate of the first values would be measured over next to no time.
    fn elapsed(&self, now: Instant) -> f64 {
        let window = self.windows.window.as_secs_f64();
        let since =
            self.counting(now).next().map_or(0.0, |oldest| now.saturating_duration_since(oldest.began).as_secs_f64());
        let whole = (since / window).floor();
        let missing = (f64::from(self.windows.samples) - 1.0 - whole).max(0.0);
        (since + missing * window).max(0.001)
    }
}

impl Sample {
    fn add(&mut self, value: f64, now: Instant) {
        self.last = self.last.max(now);
        self.events += 1;
        self.sum += value;
        self.max = self.max.max(value);
        self.min = self.min.min(value);
    }

    fn is_over(&self, all: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= all
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn sensor(samples: u32, window: Duration) -> (Sensor, Instant) {
        (Sensor::new(Windows { samples, window }), Instant::now())
    }

    #[test]
    fn nothing_recorded_has_no_average_no_maximum_and_no_rate() {
        let (sensor, start) = sensor(2, 30 * SECOND);
        assert!(sensor.avg(start).is_nan() && sensor.max(start).is_nan());
        assert_eq!((sensor.rate(start), sensor.event_rate(start), sensor.total()), (0.0, 0.0, 0.0));
    }

    #[test]
    fn average_and_maximum_are_of_what_the_windows_hold() {
        let (mut sensor, start) = sensor(2, 30 * SECOND);
        sensor.record(10.0, start);
        sensor.record(20.0, start + 29 * SECOND);
        sensor.record(3.0, start + 31 * SECOND);
        assert_eq!((sensor.avg(start + 31 * SECOND), sensor.max(start + 31 * SECOND)), (11.0, 20.0));
        assert_eq!((sensor.min(start), sensor.min(start + 31 * SECOND)), (3.0, 3.0));
        // The last value of the first window was at 29 s: it counts until 89 s.
        assert_eq!(sensor.max(start + 88 * SECOND), 20.0);
        assert_eq!((sensor.avg(start + 89 * SECOND), sensor.max(start + 89 * SECOND)), (3.0, 3.0));
        assert!(sensor.avg(start + 91 * SECOND).is_nan());
        assert_eq!((sensor.total(), sensor.events()), (33.0, 3.0), "totals forget nothing");
    }

    #[test]
    fn a_negative_maximum_is_not_zero() {
        let (mut sensor, start) = sensor(2, SECOND);
        sensor.record(-5.0, start);
        assert_eq!(sensor.max(start), -5.0);
    }

    #[test]
    fn the_first_values_are_spread_over_all_windows_but_one() {
        let (mut sensor, start) = sensor(2, 30 * SECOND);
        sensor.record(60.0, start);
        assert_eq!(sensor.rate(start), 2.0, "over 30 s, not over nothing");
        assert_eq!(sensor.rate(start + 10 * SECOND), 1.5, "over one window and a third");
        assert_eq!(sensor.rate(start + 30 * SECOND), 2.0, "that window is whole now");
        assert_eq!(sensor.event_rate(start + 30 * SECOND), 1.0 / 30.0);
    }

    #[test]
    fn a_rate_is_over_the_time_since_the_oldest_sample_that_counts() {
        let (mut sensor, start) = sensor(3, 10 * SECOND);
        for second in 0..100 {
            sensor.record(5.0, start + second * SECOND);
            if second >= 30 {
                let rate = sensor.rate(start + second * SECOND);
                assert!((4.9..=5.3).contains(&rate), "{rate} at {second} s");
            }
        }
        assert_eq!(sensor.rate(start + 1_000 * SECOND), 0.0);
        assert!(sensor.samples.len() <= 4, "three windows and one that overlaps them");
    }

    #[test]
    fn after_a_pause_the_time_before_it_does_not_count() {
        let (mut sensor, start) = sensor(2, 30 * SECOND);
        sensor.record(1_000.0, start);
        sensor.record(60.0, start + 3_600 * SECOND);
        assert_eq!(sensor.rate(start + 3_600 * SECOND), 2.0);
        assert_eq!(sensor.samples.len(), 1);
    }

    #[test]
    fn one_sample_alone_is_measured_over_no_less_than_a_millisecond() {
        let (mut sensor, start) = sensor(1, 30 * SECOND);
        sensor.record(1.0, start);
        assert_eq!(sensor.rate(start), 1_000.0);
    }

    #[test]
    fn a_clock_that_goes_back_panics_nowhere() {
        let (mut sensor, start) = sensor(2, SECOND);
        sensor.record(1.0, start + 5 * SECOND);
        sensor.record(1.0, start);
        assert_eq!(sensor.avg(start), 1.0);
        assert!(sensor.rate(start).is_finite());
    }
}
