//! Records at a fixed rate, and how long their acknowledgements took.

use std::thread;
use std::time::{Duration, Instant};

/// By so much a timer may be late before it counts as the client's doing.
const GRACE: Duration = Duration::from_millis(1);

/// Calls `send` with each item, `rate` a second, and with the moment from which its latency counts; ends at an error.
///
/// That is the moment of the call; where the call comes late because the one before it took long, it is the moment when it
/// was due, so that a client which blocks its caller is not excused from what it delays.
///
/// # Errors
/// The first one of `send`.
pub fn paced<I, E>(
    rate: u64,
    items: impl Iterator<Item = I>,
    mut send: impl FnMut(I, Instant) -> Result<(), E>,
) -> Result<(), E> {
    let start = Instant::now();
    for (number, item) in (0..).zip(items) {
        let due = start + Duration::from_nanos(number * 1_000_000_000 / rate);
        let mut now = Instant::now();
        if now < due {
            thread::sleep(due - now);
            now = Instant::now();
        }
        send(item, counts_from(due, now))?;
    }
    Ok(())
}

fn counts_from(due: Instant, now: Instant) -> Instant {
    if now > due + GRACE { due } else { now }
}

/// How long each acknowledgement took, in order of length.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// The time within which `part` of all came, from 0 to 1; zero if there are none.
    #[must_use]
    pub fn percentile(&self, part: f64) -> Duration {
        let rank = (self.0.len() as f64 * part).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(latencies: I) -> Self {
        let mut latencies: Vec<_> = latencies.into_iter().collect();
        latencies.sort_unstable();
        Self(latencies)
    }
}

/// Sends items at a fixed rate from a thread of its own, and awaits all their deliveries at a time in this task.
///
/// # Errors
/// The first one of `send`.
#[cfg(feature = "futures")]
pub async fn at_rate<I, F, T, E>(
    rate: u64,
    items: impl Iterator<Item = I> + Send + 'static,
    mut send: impl FnMut(I) -> Result<F, crate::Failure> + Send + 'static,
) -> Result<(Latencies, crate::Tally), crate::Failure>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    E: std::fmt::Debug,
{
    let (arrive, arrivals) = futures::channel::mpsc::unbounded();
    let pacer = thread::spawn(move || -> Result<(), crate::Failure> {
        paced(rate, items, |item, begin| {
            let delivery = send(item)?;
            arrive.unbounded_send((begin, delivery)).map_err(|_| "nobody collects the deliveries".into())
        })
    });
    let collected = collect(arrivals).await;
    pacer.join().map_err(|_| "the sending thread panicked")??;
    Ok(collected)
}

/// Awaits deliveries, each as soon as it resolves, until their sender is gone and all have.
#[cfg(feature = "futures")]
async fn collect<F, T, E>(
    arrivals: futures::channel::mpsc::UnboundedReceiver<(Instant, F)>,
) -> (Latencies, crate::Tally)
where
    F: Future<Output = Result<T, E>>,
    E: std::fmt::Debug,
{
    use futures::StreamExt;
    use futures::stream::FuturesUnordered;

    let mut arrivals = arrivals.fuse();
    let mut waiting = FuturesUnordered::new();
    let mut latencies = Vec::new();
    let mut tally = crate::Tally::default();
    loop {
        futures::select_biased! {
            arrival = arrivals.next() => if let Some((begin, delivery)) = arrival {
                waiting.push(async move {
                    let result = delivery.await;
                    (begin.elapsed(), result)
                });
            },
            settled = waiting.next() => if let Some((latency, result)) = settled {
                latencies.push(latency);
                tally.count(result);
            },
            complete => return (latencies.into_iter().collect(), tally),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn a_percentile_is_the_latency_that_so_many_did_not_exceed() {
        let latencies: Latencies = (1..=1000).rev().map(millis).collect();
        assert_eq!(latencies.percentile(0.5), millis(500));
        assert_eq!(latencies.percentile(0.99), millis(990));
        assert_eq!(latencies.percentile(0.999), millis(999));
        assert_eq!(latencies.percentile(1.0), millis(1000));
    }

    #[test]
    fn few_latencies_have_percentiles_too() {
        assert_eq!(Latencies::default().percentile(0.99), Duration::ZERO);
        assert_eq!([millis(7)].into_iter().collect::<Latencies>().percentile(0.5), millis(7));
    }

    #[test]
    fn a_late_timer_is_excused_and_a_blocked_caller_is_not() {
        let due = Instant::now();
        assert_eq!(counts_from(due, due + GRACE), due + GRACE);
        assert_eq!(counts_from(due, due + GRACE * 2), due);
    }

    #[test]
    fn a_pace_is_never_ahead_of_time() {
        let begin = Instant::now();
        let sent = paced(1000, 0..5, |number, counts_from| {
            assert!(counts_from >= begin + millis(number));
            Ok::<_, ()>(())
        });
        assert_eq!(sent, Ok(()));
    }

    #[test]
    fn a_refusal_ends_it() {
        let mut calls = 0;
        let sent = paced(1_000_000, 0..5, |number, _| {
            calls += 1;
            if number == 1 { Err("full") } else { Ok(()) }
        });
        assert_eq!((sent, calls), (Err("full"), 2));
    }

    #[cfg(feature = "futures")]
    #[test]
    fn deliveries_are_collected_in_the_order_in_which_they_resolve() {
        use futures::channel::{mpsc, oneshot};

        let (arrive, arrivals) = mpsc::unbounded();
        let begin = Instant::now();
        let (first, first_settled) = oneshot::channel::<()>();
        let (second, second_settled) = oneshot::channel();
        arrive.unbounded_send((begin, first_settled)).unwrap();
        arrive.unbounded_send((begin, second_settled)).unwrap();
        drop(arrive);
        second.send(()).unwrap();
        drop(first);
        let (latencies, tally) = futures::executor::block_on(collect(arrivals));
        assert_eq!(tally, crate::Tally { acked: 1, failed: 1 });
        assert_eq!(latencies.0.len(), 2);
    }
}
