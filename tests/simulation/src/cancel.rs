//! Calls that are given up at a chosen await point.

use std::future::{Future, poll_fn};
use std::task::Poll;

/// Polls the future until it has been pending `pending + 1` times, waiting for its wake-up in between, and drops it there:
/// None. Its output if it came to its end before.
///
/// With 0, 1, 2 and so on until there is an output, a call is dropped at each of its await points in turn.
///
/// ```
/// # use simulation::cancel::dropped_at;
/// # use tokio::task::yield_now;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let twice = async || {
///     yield_now().await;
///     yield_now().await;
///     "done"
/// };
/// assert_eq!(dropped_at(1, twice()).await, None);
/// assert_eq!(dropped_at(2, twice()).await, Some("done"));
/// # }
/// ```
pub async fn dropped_at<F: Future>(pending: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = pending;
    poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_future_is_dropped_where_it_waits() {
        let reached = Arc::new(AtomicBool::new(false));
        let flag = reached.clone();
        let work = async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            flag.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        };
        assert_eq!(dropped_at(1, work).await, None);
        assert!(reached.load(Ordering::Relaxed));
        assert_eq!(Arc::strong_count(&reached), 1);
    }

    #[tokio::test]
    async fn a_future_that_never_waits_comes_to_its_end() {
        assert_eq!(dropped_at(0, async { 7 }).await, Some(7));
    }
}
