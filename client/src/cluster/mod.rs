//! Who leads what: the brokers, the metadata of the topics in use, the groups' coordinators, and the way to each.
//!
//! ```text
//! want(topic) ──► driver: Metadata to one broker, to the next if it is silent ──► merged ──► everyone who watches
//! call(to, …) ──► Link of that broker and lane (made at the first call)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::{Code, Request, Uuid};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

mod ask;
mod coordinator;
mod driver;
mod metadata;

pub(crate) use metadata::{Broker, Metadata, Partition, Topic};

use crate::config::ClientConfig;
use crate::connection::{Context, Features, Link, Target, Versions};
use crate::deadline::sleep_until;
use crate::error::{Error, Kind};
use crate::net::Address;
use crate::runtime::{Environment, Runtime};
use crate::telemetry::{ClientMetrics, Role, Windows};
use crate::watch;
pub(crate) use coordinator::Coordinated;
use coordinator::Coordinators;
use driver::Wanted;

/// What a connection to a broker is for: a request that waits at the broker must not hold up the others (edge 81).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Lane {
    /// Fetches: they wait for records.
    Fetch,
    /// What a member says to its group's coordinator: joining waits for the others.
    Group,
    /// Everything that is answered at once.
    Main,
    /// Fetches that don't wait, for what may be fetched while one waits.
    Refill,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum LinkKey {
    Bootstrap(usize),
    Node(i32, Lane),
}

/// The metadata as last answered, and why later attempts failed, if they did.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) failure: Option<Error>,
}

/// One client's knowledge of, and ways into, a cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    context: Arc<Context>,
    links: Mutex<BTreeMap<LinkKey, Arc<Link>>>,
    view: watch::Sender<View>,
    wanted: Mutex<Wanted>,
    coordinators: Mutex<Coordinators>,
    /// Wakes the driver; it outlives the cluster to see that it is gone.
    wake: Arc<Notify>,
}

impl Cluster {
    /// Starts to keep metadata, on the runtime of `environment` or one of its own.
    pub(crate) fn start(
        config: ClientConfig,
        environment: Environment,
        auto_create: bool,
        role: Role,
    ) -> Result<Arc<Self>, Error> {
        let runtime = Runtime::start(&environment, role.thread())?;
        let connector = environment
            .connector
            .unwrap_or_else(|| Arc::new(crate::net::TcpConnector::new(config.receive_buffer, config.send_buffer)));
        let windows = Windows { samples: config.metrics_num_samples, window: config.metrics_sample_window };
        let metrics = Arc::new(ClientMetrics::new(role, &config.client_id, windows, runtime.epoch_ms()));
        let cluster = Arc::new(Self {
            context: Arc::new(Context { config, connector, runtime, metrics, features: Mutex::default() }),
            links: Mutex::default(),
            view: watch::Sender::default(),
            wanted: Mutex::new(Wanted::new(auto_create)),
            coordinators: Mutex::default(),
            wake: Arc::default(),
        });
        driver::start(&cluster);
        Ok(cluster)
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.context.config
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.context.runtime
    }

    /// What the connections are counted in.
    pub(crate) fn metrics(&self) -> &Arc<ClientMetrics> {
        &self.context.metrics
    }

    /// What the cluster as a whole agreed on, as far as any broker has said.
    pub(crate) fn features(&self) -> Features {
        *self.context.features.lock()
    }

    /// The latest metadata.
    pub(crate) fn metadata(&self) -> Arc<Metadata> {
        self.view.borrow().metadata.clone()
    }

    /// Tells of every newer metadata, and of every failure to get some.
    pub(crate) fn watch(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// Why the last attempt to get metadata failed, if it did.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.view.borrow().failure.clone()
    }

    /// Keeps the metadata of `topic` from now on.
    pub(crate) fn want(&self, topic: &str) {
        if self.wanted.lock().add(topic) {
            self.wake.notify_one();
        }
    }

    /// Keeps the metadata of these topics alone from now on.
    pub(crate) fn want_only<'a>(&self, topics: impl IntoIterator<Item = &'a str>) {
        let metadata = self.metadata();
        if self.wanted.lock().replace(topics, |topic| metadata.topics.contains_key(topic)) {
            self.wake.notify_one();
        }
    }

    /// Asks for the topics with these ids as well, whose names are not known, until they are not named here any more.
    pub(crate) fn want_ids(&self, ids: BTreeSet<Uuid>) {
        if self.wanted.lock().replace_ids(ids) {
            self.wake.notify_one();
        }
    }

    /// Whether to keep the metadata of every topic that there is.
    pub(crate) fn want_all(&self, all: bool) {
        if self.wanted.lock().want_all(all) {
            self.wake.notify_one();
        }
    }

    /// Keeps the metadata of `topic` no longer.
    pub(crate) fn unwant(&self, topic: &str) {
        self.wanted.lock().remove(topic);
    }

    /// Asks for newer metadata, as soon as the backoff allows.
    pub(crate) fn refresh(&self) {
        self.wanted.lock().refresh();
        self.wake.notify_one();
    }

    /// Asks for newer metadata from another broker than one that is silent.
    pub(crate) fn refresh_avoiding(&self, broker: i32) {
        self.wanted.lock().refresh_avoiding(broker);
        self.wake.notify_one();
    }

    /// Takes leaders that an answer of another API named (KIP-951): topic, partition, leader and its epoch. False if
    /// metadata knew as much.
    pub(crate) fn learn_leaders<'a>(&self, leaders: impl IntoIterator<Item = (&'a str, i32, i32, i32)>) -> bool {
        self.view.send_if_modified(|view| match view.metadata.with_leaders(leaders) {
            Some(newer) => {
                view.metadata = Arc::new(newer);
                true
            }
            None => false,
        })
    }

    /// Takes a broker that an answer of another API named, and metadata did not (KIP-951).
    pub(crate) fn learn_broker(&self, id: i32, broker: &Broker) {
        self.view.send_if_modified(|view| match view.metadata.with_broker(id, broker) {
            Some(newer) => {
                view.metadata = Arc::new(newer);
                true
            }
            None => false,
        });
    }

    /// Waits until `topic` is known with its partitions.
    ///
    /// A topic that does not exist is asked for until the deadline: it may just have been created. What waiting cannot
    /// mend is an error at once.
    pub(crate) async fn topic(&self, topic: &str, deadline: Instant) -> Result<Arc<Topic>, Error> {
        self.want(topic);
        let mut views = self.watch();
        // What was wrong before the call may have been mended since: it is asked for once more.
        let mut is_news = false;
        loop {
            let view = views.borrow_and_update().clone();
            let known = view.metadata.topics.get(topic);
            if let Some(known) = known.filter(|known| known.is_usable()) {
                return Ok(known.clone());
            }
            let code = known.map_or(Code::None, |known| known.error);
            if is_news && !code.is_none() && !code.retriable() {
                return Err(Error::broker(code, format!("metadata of topic {topic}")));
            }
            if let Some(failure) = view.failure.filter(|failure| is_news && !failure.is_retriable()) {
                return Err(failure.within(format!("metadata of topic {topic}")));
            }
            if !code.is_none() {
                self.refresh();
            }
            if self.until(deadline, views.changed()).await.is_none() {
                return Err(self.missing(topic, code));
            }
            is_news = true;
        }
    }

    /// The error of a topic that did not become known in time.
    fn missing(&self, topic: &str, code: Code) -> Error {
        let context = format!("metadata of topic {topic} did not come in time");
        match self.failure() {
            Some(failure) => Error::caused_by(Kind::Timeout, context, failure),
            None if !code.is_none() => Error::broker(code, context),
            None => Error::new(Kind::Timeout, context),
        }
    }

    /// Waits until any metadata is known.
    pub(crate) async fn any_metadata(&self, deadline: Instant) -> Result<Arc<Metadata>, Error> {
        let mut views = self.watch();
        let mut is_news = false;
        loop {
            let view = views.borrow_and_update().clone();
            if view.metadata.version > 0 {
                return Ok(view.metadata);
            }
            if let Some(failure) = view.failure.filter(|failure| is_news && !failure.is_retriable()) {
                return Err(failure);
            }
            self.refresh();
            let changed = self.until(deadline, views.changed()).await;
            is_news = true;
            if changed.is_none() {
                let context = format!("no broker of {} answered in time", self.config().bootstrap_servers.join(","));
                return Err(match self.failure() {
                    Some(failure) => Error::caused_by(Kind::Timeout, context, failure),
                    None => Error::new(Kind::Timeout, context),
                });
            }
        }
    }

    /// What a future gives before the deadline; None after it, or when the runtime ended. On whatever thread, with
    /// whatever runtime: the clock is the client's own.
    pub(crate) async fn until<T>(&self, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
        let (fire, fired) = tokio::sync::oneshot::channel::<()>();
        let timer = Timer(self.runtime().spawn(async move {
            sleep_until(Some(deadline)).await;
            drop(fire);
        }));
        let outcome = tokio::select! {
            biased;
            value = future => Some(value),
            _ = fired => None,
        };
        drop(timer);
        outcome
    }

    /// The way to a broker that metadata names.
    pub(crate) fn link(&self, broker: i32, lane: Lane) -> Result<Arc<Link>, Error> {
        let metadata = self.metadata();
        let Some(known) = metadata.brokers.get(&broker) else {
            return Err(Error::broker(Code::BrokerNotAvailable, format!("broker {broker} is not in the metadata")));
        };
        let mut links = self.links.lock();
        let link = links.entry(LinkKey::Node(broker, lane)).or_insert_with(|| {
            let target = Target {
                name: format!("broker {broker}"),
                id: broker,
                address: Arc::new(Mutex::new(known.address.clone())),
                hint: self.advertised_hint(broker, &known.address),
            };
            Arc::new(Link::start(self.context.clone(), target))
        });
        *link.target.address.lock() = known.address.clone();
        Ok(link.clone())
    }

    /// Every newcomer's first trouble: the broker is reached at one address and sends its clients to another.
    fn advertised_hint(&self, broker: i32, address: &Address) -> Option<String> {
        let bootstrap = &self.config().bootstrap_servers;
        let same = |server: &String| Address::parse(server).is_ok_and(|server| server == *address);
        (!bootstrap.iter().any(same)).then(|| {
            format!(
                "broker {broker} advertises {address} as its address, to clients that reached {}: it must be reachable \
                 from here, else set the broker's `advertised.listeners` to an address that is",
                bootstrap.join(",")
            )
        })
    }

    fn bootstrap_link(&self, index: usize) -> Result<Arc<Link>, Error> {
        let address = Address::parse(&self.config().bootstrap_servers[index])?;
        let mut links = self.links.lock();
        let link = links.entry(LinkKey::Bootstrap(index)).or_insert_with(|| {
            let target = Target {
                name: "bootstrap server".into(),
                id: -1 - index as i32,
                address: Arc::new(Mutex::new(address)),
                hint: None,
            };
            Arc::new(Link::start(self.context.clone(), target))
        });
        Ok(link.clone())
    }

    /// Drops the ways to brokers that are gone, and the bootstrap ones once there are others.
    fn forget_links(&self, metadata: &Metadata) {
        self.links.lock().retain(|key, _| match key {
            LinkKey::Bootstrap(_) => metadata.brokers.is_empty(),
            LinkKey::Node(broker, _) => metadata.brokers.contains_key(broker),
        });
    }

    /// The broker with the least to do, one that can be reached if there is one. None before the first metadata.
    pub(crate) fn least_loaded(&self) -> Option<i32> {
        self.by_load().first().copied()
    }

    /// All brokers, those first that can be reached and have the least to do; equals in any order.
    pub(crate) fn by_load(&self) -> Vec<i32> {
        let mut brokers: Vec<_> = self.metadata().brokers.keys().copied().collect();
        self.runtime().random(|random| random.shuffle(&mut brokers));
        let links = self.links.lock();
        brokers.sort_by_key(|broker| match links.get(&LinkKey::Node(*broker, Lane::Main)) {
            Some(link) if link.is_connected() => (0, link.load()),
            Some(link) if link.is_failing() => (2, 0),
            _ => (1, 0),
        });
        brokers
    }

    /// Sends a request to one broker and waits for the answer.
    pub(crate) async fn call<R: Request + Send + 'static>(
        &self,
        broker: i32,
        lane: Lane,
        make: impl FnOnce(&Versions) -> Result<(R, i16), Error> + Send + 'static,
        timeout: Duration,
    ) -> Result<(R::Response, i16), Error>
    where
        R::Response: Send,
    {
        self.link(broker, lane)?.call(make, timeout).await
    }
}

/// A timer on the client's runtime, gone with the wait that it bounds.
struct Timer(tokio::task::AbortHandle);

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}
