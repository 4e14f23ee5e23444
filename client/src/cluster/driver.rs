//! The task that keeps metadata fresh.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock and the task")]

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ottla_wire::messages::metadata_request::MetadataRequestTopic;
use ottla_wire::messages::{MetadataRequest, MetadataResponse};
use ottla_wire::{Code, Str, Uuid};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Cluster, Lane};
use crate::config::RecoveryStrategy;
use crate::connection::{Backoff, Link};
use crate::deadline::after;
use crate::error::{Error, Kind};

/// A broker that has not answered for this long is not waited for alone: the next is asked as well.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// From this version on topics can be asked for by their ids.
const BY_ID: i16 = 12;

/// Whose metadata is kept, and how soon it is wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    topics: BTreeSet<Str>,
    /// Those of them that nobody has asked about yet: asked for at once, and alone.
    new: BTreeSet<Str>,
    /// Topics of which no more than the id is known, and those of them that nobody has asked about yet.
    ids: BTreeSet<Uuid>,
    new_ids: BTreeSet<Uuid>,
    auto_create: bool,
    /// Every topic that there is, beside those that are named.
    all: bool,
    refresh: bool,
    avoid: BTreeSet<i32>,
}

impl Wanted {
    pub(super) fn new(auto_create: bool) -> Self {
        // The first metadata is asked for at once: it finds the brokers.
        Self {
            topics: BTreeSet::new(),
            new: BTreeSet::new(),
            ids: BTreeSet::new(),
            new_ids: BTreeSet::new(),
            auto_create,
            all: false,
            refresh: true,
            avoid: BTreeSet::new(),
        }
    }

    /// True if it is news.
    pub(super) fn add(&mut self, topic: &str) -> bool {
        if self.topics.contains(topic) {
            return false;
        }
        self.new.insert(topic.into());
        self.topics.insert(topic.into())
    }

    /// True if there is one among them that was not kept before.
    pub(super) fn replace<'a>(
        &mut self,
        topics: impl IntoIterator<Item = &'a str>,
        is_known: impl Fn(&str) -> bool,
    ) -> bool {
        let topics: BTreeSet<Str> = topics.into_iter().map(Str::from).collect();
        self.new.retain(|topic| topics.contains(topic));
        let all = self.all;
        self.new.extend(topics.difference(&self.topics).filter(|topic| !(all && is_known(topic))).cloned());
        self.topics = topics;
        !self.new.is_empty()
    }

    pub(super) fn remove(&mut self, topic: &str) {
        self.topics.remove(topic);
        self.new.remove(topic);
    }

    /// True if there is one among them that nobody has asked about.
    pub(super) fn replace_ids(&mut self, ids: BTreeSet<Uuid>) -> bool {
        self.new_ids.retain(|id| ids.contains(id));
        self.new_ids.extend(ids.difference(&self.ids));
        self.ids = ids;
        !self.new_ids.is_empty()
    }

    /// Whether to keep the metadata of every topic. True if that is news.
    pub(super) fn want_all(&mut self, all: bool) -> bool {
        let is_news = all && !self.all;
        self.all = all;
        self.refresh |= is_news;
        is_news
    }

    fn is_due(&self) -> bool {
        self.refresh || self.has_news()
    }

    /// Whether there is something that nobody has asked about.
    fn has_news(&self) -> bool {
        !self.new.is_empty() || !self.new_ids.is_empty()
    }

    pub(super) fn refresh(&mut self) {
        self.refresh = true;
    }

    pub(super) fn refresh_avoiding(&mut self, broker: i32) {
        self.refresh = true;
        self.avoid.insert(broker);
    }

    /// What to ask now: the request, and whom rather not to.
    fn take(&mut self) -> (MetadataRequest, BTreeSet<i32>) {
        let new = std::mem::take(&mut self.new);
        let is_refresh = std::mem::take(&mut self.refresh);
        if self.all && (is_refresh || new.is_empty()) {
            // What is wanted by name and missing there does not exist: the next refresh asks for it alone.
            self.new.extend(new);
            // Creates none; this is what the oldest brokers take it for anyway.
            let request =
                MetadataRequest { topics: None, allow_auto_topic_creation: true, ..MetadataRequest::default() };
            return (request, std::mem::take(&mut self.avoid));
        }
        let new_ids = std::mem::take(&mut self.new_ids);
        let is_full = is_refresh || new.is_empty() && new_ids.is_empty();
        let (asked, ids) = if is_full { (&self.topics, &self.ids) } else { (&new, &new_ids) };
        let by_name = |name: &Str| MetadataRequestTopic { name: Some(name.clone()), ..MetadataRequestTopic::default() };
        let by_id = |id: &Uuid| MetadataRequestTopic { name: None, topic_id: *id };
        let topics = asked.iter().map(by_name).chain(ids.iter().map(by_id)).collect();
        let request = MetadataRequest {
            topics: Some(topics),
            allow_auto_topic_creation: self.auto_create,
            ..MetadataRequest::default()
        };
        (request, std::mem::take(&mut self.avoid))
    }
}

pub(super) fn start(cluster: &Arc<Cluster>) {
    let driver = Driver {
        cluster: Arc::downgrade(cluster),
        wake: cluster.wake.clone(),
        backoff: Backoff::new(cluster.config().retry_backoff, cluster.config().retry_backoff_max),
        first_failure: None,
        rebootstrap: false,
    };
    cluster.runtime().spawn(driver.run());
}

struct Driver {
    /// The driver ends with the cluster: it must not keep it alive.
    cluster: Weak<Cluster>,
    wake: Arc<Notify>,
    backoff: Backoff,
    first_failure: Option<Instant>,
    /// A broker asked its clients to start over (KIP-1102).
    rebootstrap: bool,
}

impl Driver {
    async fn run(mut self) {
        loop {
            let Some(cluster) = self.cluster.upgrade() else { return };
            let wanted = cluster.wanted.lock().is_due();
            let max_age = cluster.config().metadata_max_age;
            if !wanted {
                drop(cluster);
                // On age, whatever happened.
                let is_aged = tokio::time::timeout(max_age, self.wake.notified()).await.is_err();
                let Some(cluster) = self.cluster.upgrade() else { return };
                // It may have been woken for what was asked, and answered, before it slept.
                let mut wanted = cluster.wanted.lock();
                if !is_aged && !wanted.is_due() {
                    continue;
                }
                wanted.refresh |= is_aged;
            } else {
                drop(cluster);
            }
            let Some(cluster) = self.cluster.upgrade() else { return };
            let wait = match self.refresh(&cluster).await {
                Ok(()) => {
                    self.backoff.reset();
                    self.first_failure = None;
                    cluster.runtime().random(|random| self.backoff.peek(random))
                }
                Err(error) => {
                    self.first_failure.get_or_insert_with(Instant::now);
                    if self.backoff.failures() == 0 {
                        tracing::warn!(%error, "no metadata; trying again");
                    }
                    cluster.wanted.lock().refresh();
                    cluster.view.send_modify(|view| view.failure = Some(error));
                    cluster.runtime().random(|random| self.backoff.next(random))
                }
            };
            drop(cluster);
            if !self.pause(wait).await {
                return;
            }
        }
    }

    /// Waits before the next round, unless there is a topic that nobody has asked about (edge 15). False once the
    /// cluster is gone.
    async fn pause(&self, wait: Duration) -> bool {
        let end = after(Instant::now(), wait);
        while until(end, self.wake.notified()).await.is_some() {
            let Some(cluster) = self.cluster.upgrade() else { return false };
            let wanted = cluster.wanted.lock();
            if self.first_failure.is_none() && wanted.has_news() {
                return true;
            }
        }
        true
    }

    /// One round: asks brokers until one answers.
    async fn refresh(&mut self, cluster: &Arc<Cluster>) -> Result<(), Error> {
        let (request, avoid) = cluster.wanted.lock().take();
        let trigger = cluster.config().rebootstrap_trigger;
        let outdated = self.first_failure.is_some_and(|at| at.elapsed() >= trigger);
        let start_over = std::mem::take(&mut self.rebootstrap) || outdated;
        let rebootstraps = cluster.config().metadata_recovery == RecoveryStrategy::Rebootstrap;
        let known = if start_over && rebootstraps { Vec::new() } else { known(cluster, &avoid) };
        let mut last = None;
        if !known.is_empty() {
            match self.ask(cluster, known, &request).await {
                Ok(response) => return self.learn(cluster, &response, request.topics.is_none()),
                Err(error) => last = Some(error),
            }
            if cluster.config().metadata_recovery == RecoveryStrategy::None {
                return Err(last.unwrap_or_else(|| Error::closed("client")));
            }
        }
        // None of the brokers it knew can be reached, or none is known yet: the bootstrap servers (KIP-899).
        let mut servers: Vec<_> = (0..cluster.config().bootstrap_servers.len())
            .map(|index| cluster.bootstrap_link(index))
            .collect::<Result<_, _>>()?;
        cluster.runtime().random(|random| random.shuffle(&mut servers));
        match self.ask(cluster, servers, &request).await {
            Ok(response) => self.learn(cluster, &response, request.topics.is_none()),
            Err(error) => Err(last.unwrap_or(error)),
        }
    }

    /// Asks one after the other, the next when one fails or is silent; the first answer counts.
    async fn ask(
        &self,
        cluster: &Arc<Cluster>,
        links: Vec<Arc<Link>>,
        request: &MetadataRequest,
    ) -> Result<MetadataResponse, Error> {
        let mut links = links.into_iter();
        let mut attempts = JoinSet::new();
        let mut failure = None;
        loop {
            if let Some(link) = links.next() {
                let (request, timeout) = (request.clone(), cluster.config().request_timeout);
                attempts.spawn(async move {
                    let make = move |versions: &super::Versions| in_version(request, versions);
                    link.call(make, timeout).await.map_err(|error| error.within("metadata"))
                });
            } else if attempts.is_empty() {
                return Err(failure.unwrap_or_else(|| Error::new(Kind::Connection, "metadata: no broker is known")));
            }
            // The last ones have the time that their own limits give them.
            let next = if links.len() > 0 { Instant::now() + PATIENCE } else { after(Instant::now(), Duration::MAX) };
            match until(next, attempts.join_next()).await {
                Some(Some(Ok(Ok((response, _))))) => return Ok(response),
                Some(Some(Ok(Err(error)))) => failure = worse(failure, error),
                Some(Some(Err(_)) | None) => {}
                None if links.len() > 0 => {}
                None => {
                    let silent = Error::new(Kind::Timeout, "metadata: no broker answers");
                    return Err(failure.unwrap_or(silent));
                }
            }
        }
    }

    fn learn(&mut self, cluster: &Cluster, response: &MetadataResponse, is_complete: bool) -> Result<(), Error> {
        let code = response.error_code;
        if code == Code::RebootstrapRequired {
            self.rebootstrap = true;
        }
        if !code.is_none() {
            return Err(Error::broker(code, "metadata"));
        }
        if response.brokers.is_empty() {
            return Err(Error::broker(Code::BrokerNotAvailable, "metadata names no broker"));
        }
        let known = cluster.metadata();
        let newer = Arc::new(if is_complete { known.completed(response) } else { known.merged(response) });
        cluster.forget_links(&newer);
        cluster.metrics().metadata_came(Instant::now());
        cluster.view.send_modify(|view| {
            view.metadata = newer;
            view.failure = None;
        });
        Ok(())
    }
}

/// Brokers before Kafka 3.1 find no topic by its id; none of those hands out ids without names.
fn in_version(mut request: MetadataRequest, versions: &super::Versions) -> Result<(MetadataRequest, i16), Error> {
    let version = versions.choose::<MetadataRequest>()?;
    if version < BY_ID
        && let Some(topics) = &mut request.topics
    {
        topics.retain(|topic| topic.name.is_some());
    }
    Ok((request, version))
}

/// The ways to the known brokers, the best first.
fn known(cluster: &Arc<Cluster>, avoid: &BTreeSet<i32>) -> Vec<Arc<Link>> {
    let mut brokers: Vec<_> = cluster.metadata().brokers.keys().copied().collect();
    cluster.runtime().random(|random| random.shuffle(&mut brokers));
    let mut links: Vec<_> =
        brokers.into_iter().filter_map(|broker| Some((broker, cluster.link(broker, Lane::Main).ok()?))).collect();
    links.sort_by_key(|(broker, link)| (avoid.contains(broker), link.is_failing(), !link.is_connected(), link.load()));
    links.into_iter().map(|(_, link)| link).collect()
}

/// Of two failures the one that waiting cannot mend only if both are such: another broker may still be right.
fn worse(first: Option<Error>, second: Error) -> Option<Error> {
    match first {
        Some(first) if first.is_retriable() => Some(first),
        _ => Some(second),
    }
}

/// What a future gives before the deadline; None after it.
async fn until<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline, future).await.ok()
}
