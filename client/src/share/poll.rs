//! The calls that wait: for records, and for what becomes of acknowledgements.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use super::records::ShareRecords;
use super::state::CommitResults;
use crate::consume::timer;
use crate::error::{Error, Kind};

impl Core {
    pub(super) async fn poll(self: &Arc<Self>, timeout: Duration) -> Result<ShareRecords, Error> {
        self.tell();
        let joins = self.state.lock().poll_began(self.cluster.runtime().now())?;
        let _polling = Polling(self);
        if joins {
            self.work.notify_one();
        }
        let mut wait = None;
        loop {
            let mut ready = std::pin::pin!(self.ready.notified());
            ready.as_mut().enable();
            let records = self.take()?;
            if !records.is_empty() {
                self.tell();
                return Ok(records);
            }
            self.state.lock().check_open()?;
            if timeout.is_zero() {
                // Once, for tasks of the client that share a thread with a caller who polls and polls.
                tokio::task::yield_now().await;
                return self.take();
            }
            let wait = wait.get_or_insert_with(|| timer(&self.cluster, timeout));
            tokio::select! {
                biased;
                () = ready => {}
                ended = wait => {
                    ended.ok_or_else(|| Error::closed("share consumer"))?;
                    let records = self.take();
                    self.tell();
                    return records;
                }
            }
        }
    }

    /// What is there, without waiting.
    fn take(&self) -> Result<ShareRecords, Error> {
        // One at a time: what one poll reads is out of the buffer meanwhile.
        let mut decompressor = self.decompressor.lock();
        let mut records = ShareRecords::default();
        {
            let mut state = self.state.lock();
            if let Some(failure) = state.membership.failure() {
                return Err(failure);
            }
            if let Some((_, fault)) = state.faults.pop_first() {
                return Err(fault);
            }
            records.push(state.take_renewed());
        }
        while records.len() < self.config.max_poll_records {
            let Some(mut delivery) = self.state.lock().take() else { break };
            // Not under the state's lock: this is most of a consumer's work.
            let mut read = delivery.read(self.config.check_crcs, &mut decompressor);
            // What came before is handed out first. Until the flaw is told, nothing is rejected for it.
            if let Some(flawed) =
                read.take_if(|read| read.flaw.is_some() && read.parts.is_empty() && !records.is_empty())
            {
                delivery.unread(flawed);
                self.state.lock().put_back(delivery);
                break;
            }
            let name = delivery.partition.to_string();
            let mut state = self.state.lock();
            state.settle(delivery, read.as_ref());
            let Some(read) = &mut read else { continue };
            records.push(std::mem::take(&mut read.parts));
            let Some(flaw) = read.flaw.take() else { continue };
            if records.is_empty() {
                return Err(flaw);
            }
            state.faults.insert(name, flaw);
            break;
        }
        let now = self.cluster.runtime().now();
        let mut state = self.state.lock();
        if records.is_empty() {
            state.came_up_empty(now);
        } else {
            state.metrics.consumed(records.len(), now);
        }
        Ok(records)
    }

    pub(super) async fn commit(self: &Arc<Self>) -> Result<CommitResults, Error> {
        self.tell();
        let commit = self.state.lock().commit(true, self.cluster.runtime().now())?;
        let Some((id, done)) = commit else { return Ok(CommitResults::new()) };
        let waiting = Committing(self, id);
        tokio::select! {
            biased;
            _ = done => {}
            _ = timer(&self.cluster, self.config.default_api_timeout) => {}
        }
        let results = self.state.lock().take_results(id).map(super::state::Commit::finish);
        drop(waiting);
        self.tell();
        results.ok_or_else(|| Error::closed("share consumer"))
    }

    /// Tells the callback what became of acknowledgements since the last time. Not under a lock: it may call back.
    pub(super) fn tell(&self) {
        let Some(callback) = self.callback.lock().clone() else { return };
        let completed = std::mem::take(&mut self.state.lock().completed);
        for done in completed {
            let offsets: Vec<RangeInclusive<i64>> =
                done.acks.with(()).iter().map(|(first, last, ())| first..=last).collect();
            callback.on_complete(&done.partition, &offsets, &done.outcome);
        }
    }
}

impl super::state::Commit {
    /// What is known now; what is not, timed out.
    fn finish(mut self) -> CommitResults {
        for partition in std::mem::take(&mut self.open) {
            let late = Error::new(Kind::Timeout, format!("acknowledge {partition}: no answer in time"));
            self.results.entry(partition).or_insert(Err(late));
        }
        self.results
    }
}

/// A poll, from its begin to its end, however it ends.
struct Polling<'a>(&'a Core);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let now = self.0.cluster.runtime().now();
        self.0.state.lock().poll_ended(now);
    }
}

/// A commit that somebody waits for.
struct Committing<'a>(&'a Core, u64);

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        self.0.state.lock().take_results(self.1);
    }
}
