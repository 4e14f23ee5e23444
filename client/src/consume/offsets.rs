//! What can be asked and said about offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use parking_lot::MutexGuard;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::arrive::FoundOffset;
use super::commit::{self, Which};
use super::committer::{Asked, Turn};
use super::metrics::Timed;
use super::position::{EARLIEST, LATEST, OffsetQuery, Place, Position};
use super::state::{State, Subject};
use super::{
    Consumer, Core, OffsetAndMetadata, OffsetAndTimestamp, PendingCommit, call, committer, driver, known_epoch,
};
use crate::TopicPartition;
use crate::connection::Backoff;
use crate::deadline::after;
use crate::error::{Error, Kind};
use crate::group::offsets::Offsets;
use crate::planted::{self, Bug};

impl Consumer {
    /// Goes on at `offset`: the next poll hands out that record first, if it is there. With a leader epoch, as in an
    /// [`OffsetAndMetadata`], the log is first looked at for whether it was truncated since (KIP-320).
    ///
    /// # Errors
    /// [`Kind::State`] if the partition is not assigned, or the offset negative.
    pub async fn seek(&self, partition: &TopicPartition, offset: impl Into<OffsetAndMetadata>) -> Result<(), Error> {
        let OffsetAndMetadata { offset, leader_epoch, .. } = offset.into();
        if offset < 0 {
            return Err(Error::new(Kind::State, format!("seek to {offset} in {partition}: an offset is 0 or more")));
        }
        self.go_to([partition], "seek", Place::At(Position { offset, epoch: leader_epoch.unwrap_or(-1) }))
    }

    /// Goes on at the first offset that is there, looked up in the background.
    ///
    /// # Errors
    /// [`Kind::State`] if a partition is not assigned; the others before it have moved.
    pub async fn seek_to_beginning(&self, partitions: impl IntoIterator<Item = &TopicPartition>) -> Result<(), Error> {
        self.go_to(partitions, "seek_to_beginning", Place::Asking(EARLIEST))
    }

    /// Goes on at the end: only what is written from now on. Looked up in the background. With
    /// `isolation.level=read_committed` the end is where the first open transaction begins.
    ///
    /// # Errors
    /// As [`seek_to_beginning`](Self::seek_to_beginning).
    pub async fn seek_to_end(&self, partitions: impl IntoIterator<Item = &TopicPartition>) -> Result<(), Error> {
        self.go_to(partitions, "seek_to_end", Place::Asking(LATEST))
    }

    /// Goes on at what the group has committed, in every partition that is assigned: after a transaction was aborted
    /// that held what was made of the records since.
    ///
    /// Looked up in the background, as where to start is: an offset that another transaction may still change is
    /// waited for. A partition of which nothing is committed goes on where this consumer began to read it, or last
    /// [sought](Self::seek) to: nothing is skipped, whatever `auto.offset.reset` says.
    ///
    /// ```no_run
    /// # async fn example(consumer: ottla::Consumer) -> Result<(), ottla::Error> {
    /// # async fn transaction(records: &ottla::Records) -> Result<(), ottla::Error> { Ok(()) }
    /// let records = consumer.poll(std::time::Duration::from_secs(1)).await?;
    /// if let Err(aborted) = transaction(&records).await {
    ///     eprintln!("once again: {aborted}");
    ///     consumer.seek_to_committed().await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Kind::Config`] without `group.id`.
    pub async fn seek_to_committed(&self) -> Result<(), Error> {
        if self.core.config.group_id().is_none() {
            return Err(Error::new(Kind::Config, "seek_to_committed: the setting `group.id` is missing"));
        }
        let mut state = self.core.state.lock();
        state.check_open()?;
        let assignment: Vec<_> = state.positions.partitions.keys().cloned().collect();
        for partition in assignment.iter().filter(|_| !planted::has(Bug::NoWayBack)) {
            state.go_to(partition, Place::Committed);
        }
        self.sent_elsewhere(state);
        Ok(())
    }

    fn go_to<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        what: &str,
        place: Place,
    ) -> Result<(), Error> {
        let mut state = self.core.state.lock();
        state.check_open()?;
        for partition in partitions {
            if !state.go_to(partition, place) {
                return Err(unassigned(what, partition));
            }
        }
        self.sent_elsewhere(state);
        Ok(())
    }

    /// Positions were changed: what follows from that is to be done.
    fn sent_elsewhere(&self, state: MutexGuard<'_, State>) {
        state.wake_fetchers();
        drop(state);
        self.core.work.notify_one();
        self.core.moved.notify_waiters();
    }

    /// Hands out no records of these partitions until [`resume`](Self::resume). What is fetched of them is kept.
    ///
    /// # Errors
    /// [`Kind::State`] if a partition is not assigned; the others before it are paused.
    pub async fn pause(&self, partitions: impl IntoIterator<Item = &TopicPartition>) -> Result<(), Error> {
        let mut state = self.core.state.lock();
        state.check_open()?;
        for partition in partitions {
            if !state.pause(partition) {
                return Err(unassigned("pause", partition));
            }
        }
        Ok(())
    }

    /// Hands out records of these partitions again. One that is not paused stays as it is.
    ///
    /// # Errors
    /// [`Kind::State`] if a partition is not assigned; the others before it are resumed.
    pub async fn resume(&self, partitions: impl IntoIterator<Item = &TopicPartition>) -> Result<(), Error> {
        let mut state = self.core.state.lock();
        state.check_open()?;
        for partition in partitions {
            let assigned = state.positions.get_mut(partition).ok_or_else(|| unassigned("resume", partition))?;
            assigned.is_paused = false;
        }
        state.wake_fetchers();
        drop(state);
        self.core.ready.notify_waiters();
        Ok(())
    }

    /// The offset of the record that comes next, waited for until it is known.
    ///
    /// # Errors
    /// [`Kind::State`] if the partition is not assigned, [`Kind::Timeout`] after `default.api.timeout.ms`, with what kept
    /// the position from being known, or why there is no position.
    pub async fn position(&self, partition: &TopicPartition) -> Result<i64, Error> {
        let (core, asked) = (self.core.clone(), partition.clone());
        let what = format!("position of {partition}");
        let found = self.within(what.clone(), async move { position(&core, &asked).await }).await;
        found.map_err(|error| match self.core.why_no_position(partition) {
            Some(cause) if error.kind() == Kind::Timeout => {
                let limit = self.core.config.default_api_timeout.as_millis();
                Error::caused_by(Kind::Timeout, format!("{what}: timed out after {limit} ms"), cause).about(partition)
            }
            _ => error,
        })
    }

    /// How many offsets lie between the position and the end, as brokers last told it (KIP-695); with
    /// `isolation.level=read_committed` the end is where the first open transaction begins.
    ///
    /// Does not wait: `None` if the partition is not assigned, or position or end are not known yet. An end that is not
    /// known is looked up in the background; every fetched answer tells it anew. Offsets that hold no record, such as
    /// transaction markers and what compaction removed, count as well.
    pub fn current_lag(&self, partition: &TopicPartition) -> Option<i64> {
        let (lag, asks) = self.core.state.lock().lag(partition);
        if asks {
            self.core.work.notify_one();
        }
        lag
    }

    /// Commits all that was handed out, and waits until that is done.
    ///
    /// # Errors
    /// `REBALANCE_IN_PROGRESS` while the group rebalances: after the next poll it may work. `UNKNOWN_MEMBER_ID` or
    /// `ILLEGAL_GENERATION` if the group went on without this consumer: others may have read the same records;
    /// `STALE_MEMBER_EPOCH` if some of the partitions went to others meanwhile (KIP-848).
    /// [`Kind::Timeout`] after `default.api.timeout.ms`, [`Kind::Config`] without `group.id`.
    pub async fn commit(&self) -> Result<(), Error> {
        match self.core.handed_out()? {
            Some(asked) => self.send_commit(asked).await,
            None => Ok(()),
        }
    }

    /// Commits these offsets, each that of the next record to read, and waits until that is done.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); [`Kind::State`] if an offset is negative.
    pub async fn commit_offsets<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<(), Error> {
        match self.core.chosen(offsets)? {
            asked if asked.offsets.is_empty() => Ok(()),
            asked => self.send_commit(asked).await,
        }
    }

    /// Commits all that was handed out until now, in the background: what Java calls `commitAsync`.
    ///
    /// Commits are made one after the other, in the order in which they were asked for, so that none undoes a later one;
    /// [`commit`](Self::commit) and [`close`](Self::close) come after those asked for before as well. This one is tried
    /// once: where it fails in a way that may pass, a later commit makes up for it.
    ///
    /// ```no_run
    /// # async fn example(consumer: ottla::Consumer) -> Result<(), ottla::Error> {
    /// let records = consumer.poll(std::time::Duration::from_secs(1)).await?;
    /// // …
    /// let commit = consumer.enqueue_commit()?;
    /// // The next poll need not wait for it; nor need anybody.
    /// commit.await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`commit`](Self::commit): at once what is known at once, else by the future.
    pub fn enqueue_commit(&self) -> Result<PendingCommit, Error> {
        let asked = self.core.handed_out()?.unwrap_or_default();
        Ok(committer::enqueue(&self.core, asked))
    }

    /// Commits these offsets, each that of the next record to read, in the background, as
    /// [`enqueue_commit`](Self::enqueue_commit) does.
    ///
    /// # Errors
    /// Those of [`commit_offsets`](Self::commit_offsets): at once what is known at once, else by the future.
    pub fn enqueue_commit_offsets<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<PendingCommit, Error> {
        let asked = self.core.chosen(offsets)?;
        Ok(committer::enqueue(&self.core, asked))
    }

    async fn send_commit(&self, asked: Asked) -> Result<(), Error> {
        let core = self.core.clone();
        let _timed = Timed::start(&core, |polls| &mut polls.commit);
        let deadline = core.deadline();
        let turn = Turn::take(&core);
        let work = async move { committer::commit(&core, turn, asked, deadline).await };
        self.within("commit".to_owned(), work).await
    }

    /// What the group has committed for these partitions; `None` where nothing is. What an open transaction may still
    /// change is waited for (KIP-447).
    ///
    /// # Errors
    /// [`Kind::Config`] without `group.id`, [`Kind::Timeout`] after `default.api.timeout.ms`, or what the coordinator
    /// says.
    pub async fn committed(
        &self,
        partitions: impl IntoIterator<Item = &TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>, Error> {
        let partitions: BTreeSet<_> = partitions.into_iter().cloned().collect();
        let core = self.core.clone();
        let _timed = Timed::start(&core, |polls| &mut polls.committed);
        self.within("committed offsets".to_owned(), async move { committed(&core, partitions).await }).await
    }

    /// The first offset of each partition that is still there.
    ///
    /// # Errors
    /// [`Kind::Timeout`] after `default.api.timeout.ms`, or what a broker says of a partition.
    pub async fn beginning_offsets(
        &self,
        partitions: impl IntoIterator<Item = &TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>, Error> {
        let found = self.look_up(partitions.into_iter().map(|partition| (partition.clone(), EARLIEST))).await?;
        Ok(found.into_iter().map(|(partition, found)| (partition, found.offset)).collect())
    }

    /// The offset that the next record of each partition will get; with `isolation.level=read_committed` that of the first
    /// record of an open transaction, if there is one: no position gets past it.
    ///
    /// # Errors
    /// As [`beginning_offsets`](Self::beginning_offsets).
    pub async fn end_offsets(
        &self,
        partitions: impl IntoIterator<Item = &TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>, Error> {
        let found = self.look_up(partitions.into_iter().map(|partition| (partition.clone(), LATEST))).await?;
        self.core.state.lock().learn_ends(found.iter().map(|(partition, found)| (partition, found.offset)));
        Ok(found.into_iter().map(|(partition, found)| (partition, found.offset)).collect())
    }

    /// The first record of each partition at or after a time, in milliseconds since 1970; `None` where there is none.
    ///
    /// # Errors
    /// As [`beginning_offsets`](Self::beginning_offsets); [`Kind::State`] if a time is negative.
    pub async fn offsets_for_times(
        &self,
        times: impl IntoIterator<Item = (TopicPartition, i64)>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>, Error> {
        let times: Vec<_> = times.into_iter().collect();
        if let Some((partition, time)) = times.iter().find(|(_, time)| *time < 0) {
            return Err(Error::new(Kind::State, format!("offset of {partition} at {time}: a time is 0 or more")));
        }
        let found = self.look_up(times).await?;
        let known = |found: FoundOffset| OffsetAndTimestamp {
            offset: found.offset,
            timestamp: found.timestamp,
            leader_epoch: known_epoch(found.epoch),
        };
        Ok(found.into_iter().map(|(partition, found)| (partition, (found.offset >= 0).then(|| known(found)))).collect())
    }

    /// The partitions of a topic.
    ///
    /// # Errors
    /// [`Kind::Timeout`] after `default.api.timeout.ms`, or what the cluster says of the topic.
    pub async fn partitions_for(&self, topic: &str) -> Result<Vec<TopicPartition>, Error> {
        let (core, topic) = (self.core.clone(), topic.to_owned());
        let deadline = core.deadline();
        let work = async move {
            let known = core.cluster.topic(&topic, deadline).await?;
            let name: Arc<str> = topic.into();
            let numbers = (0..).take(known.partitions.len());
            Ok(numbers.map(|partition| TopicPartition::new(name.clone(), partition)).collect())
        };
        self.core.state.lock().check_open()?;
        // It keeps its deadline by itself, and then says what is missing.
        call::run(&self.core.cluster, work).await.unwrap_or_else(|| Err(Error::closed("consumer")))
    }

    async fn look_up(
        &self,
        asked: impl IntoIterator<Item = (TopicPartition, i64)>,
    ) -> Result<BTreeMap<TopicPartition, FoundOffset>, Error> {
        let asked: BTreeMap<_, _> = asked.into_iter().collect();
        let core = self.core.clone();
        self.within("offsets".to_owned(), async move { look_up(&core, asked).await }).await
    }

    /// Runs `work` on the client's runtime, for `default.api.timeout.ms` at most.
    async fn within<T: Send + 'static>(
        &self,
        what: String,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.core.state.lock().check_open()?;
        let limit = self.core.config.default_api_timeout;
        let bounded = async move {
            match tokio::time::timeout(limit, work).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let context = format!("{what}: timed out after {} ms", limit.as_millis());
                    Err(Error::new(Kind::Timeout, context))
                }
            }
        };
        call::run(&self.core.cluster, bounded).await.unwrap_or_else(|| Err(Error::closed("consumer")))
    }
}

impl Core {
    /// What was handed out and is not committed, and as whom to commit it; None if there is nothing.
    fn handed_out(&self) -> Result<Option<Asked>, Error> {
        let now = self.cluster.runtime().now();
        let mut state = self.state.lock();
        state.check_open()?;
        let offsets = commit::offsets(&state.positions, Which::HandedOut, now);
        if offsets.is_empty() && state.group.is_some() {
            return Ok(None);
        }
        let identity = state.committer()?;
        commit::asked_for(&mut state.positions, &offsets);
        Ok(Some(Asked::now(&state, identity, offsets)))
    }

    /// The offsets that a caller chose, and as whom to commit them.
    fn chosen<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<Asked, Error> {
        let offsets: Offsets = offsets.into_iter().map(|(partition, offset)| (partition, offset.into())).collect();
        if let Some((partition, offset)) = offsets.iter().find(|(_, offset)| offset.offset < 0) {
            let context = format!("commit of {} in {partition}: an offset is 0 or more", offset.offset);
            return Err(Error::new(Kind::State, context));
        }
        let mut state = self.state.lock();
        state.check_open()?;
        let identity = state.committer()?;
        commit::asked_for(&mut state.positions, &offsets);
        Ok(Asked::now(&state, identity, offsets))
    }

    /// What keeps a position from being known: the last failure of its look-up, or that there is nobody to ask.
    fn why_no_position(&self, partition: &TopicPartition) -> Option<Error> {
        let state = self.state.lock();
        let assigned = state.positions.get(partition)?;
        if let Some(trouble) = &assigned.trouble {
            return Some(trouble.clone());
        }
        if assigned.leader.is_some() {
            return None;
        }
        let unknown = || Error::broker(ottla_wire::Code::LeaderNotAvailable, format!("leader of {partition}"));
        let topic = self.cluster.metadata().topics.get(&*partition.topic).map(|topic| topic.error);
        let refused = topic.filter(|code| !code.is_none());
        let refused = refused.map(|code| Error::broker(code, format!("metadata of topic {}", partition.topic)));
        Some(self.cluster.failure().or(refused).unwrap_or_else(unknown))
    }

    /// When a call that began now gives up.
    pub(super) fn deadline(&self) -> Instant {
        after(self.cluster.runtime().now(), self.config.default_api_timeout)
    }
}

fn unassigned(what: &str, partition: &TopicPartition) -> Error {
    Error::new(Kind::State, format!("{what}: {partition} is not assigned to this consumer"))
}

async fn position(core: &Core, partition: &TopicPartition) -> Result<i64, Error> {
    loop {
        let mut moved = std::pin::pin!(core.moved.notified());
        moved.as_mut().enable();
        {
            let state = core.state.lock();
            state.check_open()?;
            let assigned = state.positions.get(partition).ok_or_else(|| unassigned("position", partition))?;
            if let Some(position) = assigned.position() {
                return Ok(position.offset);
            }
            if let Some(fault) = state.faults.get(&Subject::Partition(partition.clone())) {
                return Err(fault.clone());
            }
        }
        moved.await;
    }
}

async fn committed(
    core: &Core,
    partitions: BTreeSet<TopicPartition>,
) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>, Error> {
    let Some(group) = core.config.group_id() else {
        return Err(Error::new(Kind::Config, "committed offsets: the setting `group.id` is missing"));
    };
    let deadline = core.deadline();
    let mut backoff = core.backoff();
    loop {
        let answer = driver::fetch_committed(core, group, partitions.iter().cloned().collect()).await;
        let error = match answer.and_then(|answers| all_of(answers, group)) {
            Ok(committed) => return Ok(committed),
            Err(error) if !error.is_retriable() => return Err(error),
            Err(error) => error,
        };
        tracing::debug!(%error, "committed offsets not found");
        let wait = core.cluster.runtime().random(|random| backoff.next(random));
        if after(core.cluster.runtime().now(), wait) >= deadline {
            let limit = core.config.default_api_timeout.as_millis();
            return Err(Error::caused_by(Kind::Timeout, format!("timed out after {limit} ms"), error));
        }
        tokio::time::sleep(wait).await;
    }
}

fn all_of(
    answers: Vec<(TopicPartition, Result<Option<OffsetAndMetadata>, ottla_wire::Code>)>,
    group: &str,
) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>, Error> {
    let one = |(partition, answer): (TopicPartition, Result<_, _>)| match answer {
        Ok(committed) => Ok((partition, committed)),
        Err(code) => Err(Error::broker(code, format!("committed offset of {partition} in group {group}"))),
    };
    answers.into_iter().map(one).collect()
}

/// Asks the leaders, again and again until each partition has its answer.
async fn look_up(
    core: &Arc<Core>,
    mut asked: BTreeMap<TopicPartition, i64>,
) -> Result<BTreeMap<TopicPartition, FoundOffset>, Error> {
    let deadline = core.deadline();
    let mut all = BTreeMap::new();
    let mut backoff = core.backoff();
    loop {
        let mut requests = JoinSet::new();
        for (broker, queries) in by_leader(core, &asked, deadline).await? {
            let runtime = core.cluster.runtime().clone();
            let core = core.clone();
            requests.spawn(runtime.within(async move {
                let answers = driver::ask_offsets(&core, broker, &queries).await;
                (queries, answers)
            }));
        }
        while let Some(Ok((queries, answers))) = requests.join_next().await {
            let answers = match answers {
                Ok(answers) => answers,
                Err(error) if error.is_retriable() => continue,
                Err(error) => return Err(error),
            };
            for (query, answer) in queries.into_iter().zip(answers) {
                match answer {
                    Ok(found) => {
                        asked.remove(&query.partition);
                        all.insert(query.partition, found);
                    }
                    Err(code) if code.retriable() => {}
                    Err(code) => return Err(Error::broker(code, format!("offset of {}", query.partition))),
                }
            }
        }
        if asked.is_empty() {
            return Ok(all);
        }
        core.cluster.refresh();
        let wait = core.cluster.runtime().random(|random| backoff.next(random));
        tokio::time::sleep(wait).await;
    }
}

/// The questions, by the broker that leads the partition. Those without a leader are left out.
async fn by_leader(
    core: &Core,
    asked: &BTreeMap<TopicPartition, i64>,
    deadline: Instant,
) -> Result<BTreeMap<i32, Vec<OffsetQuery>>, Error> {
    let mut questions: BTreeMap<i32, Vec<OffsetQuery>> = BTreeMap::new();
    for (partition, timestamp) in asked {
        let topic = core.cluster.topic(&partition.topic, deadline).await?;
        let known = usize::try_from(partition.partition).ok().and_then(|index| topic.partitions.get(index));
        let Some((known, leader)) = known.and_then(|known| Some((known, known.leader?))) else { continue };
        questions.entry(leader).or_default().push(OffsetQuery {
            partition: partition.clone(),
            stamp: 0,
            timestamp: *timestamp,
            leader_epoch: known.leader_epoch,
        });
    }
    Ok(questions)
}

impl Core {
    fn backoff(&self) -> Backoff {
        Backoff::new(self.config.client.retry_backoff, self.config.client.retry_backoff_max)
    }
}
