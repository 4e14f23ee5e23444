//! Deliveries on their way.

use std::collections::VecDeque;
use std::fmt::Debug;

use crate::{Job, Tally};

/// Deliveries that are awaited in the order in which they were made: so many at a time that the client is never idle.
#[derive(Debug)]
pub struct Window<F> {
    deliveries: VecDeque<F>,
    capacity: usize,
    tally: Tally,
}

impl<F, T, E> Window<F>
where
    F: Future<Output = Result<T, E>>,
    E: Debug,
{
    /// An empty window.
    #[must_use]
    pub fn new(job: &Job) -> Self {
        let capacity = job.window();
        Self { deliveries: VecDeque::with_capacity(capacity), capacity, tally: Tally::default() }
    }

    /// Adds a delivery; if the window is full, awaits the oldest one first.
    #[inline]
    pub async fn push(&mut self, delivery: F) {
        if self.deliveries.len() == self.capacity {
            self.settle_oldest().await;
        }
        self.deliveries.push_back(delivery);
    }

    /// Awaits the oldest delivery, if there is one: a client that refuses a record has room for it afterwards.
    #[inline]
    pub async fn settle_oldest(&mut self) {
        if let Some(oldest) = self.deliveries.pop_front() {
            self.tally.count(oldest.await);
        }
    }

    /// Awaits the rest.
    pub async fn finish(mut self) -> Tally {
        for delivery in self.deliveries {
            self.tally.count(delivery.await);
        }
        self.tally
    }
}
