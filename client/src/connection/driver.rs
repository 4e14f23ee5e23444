//! The task behind one broker: connects when there is something to send, serves, and connects again.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock, the socket and the task")]

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ottla_wire::messages::ApiVersionsRequest;
use ottla_wire::{Frame, FrameReader, Request};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::exchange::{Answer, Exchange, Outcome, Typed};
use super::handshake::{self, Features, Step, Versions};
use super::meter::{Meter, Open, Sent};
use super::pipeline::Pipeline;
use super::slices::Slices;
use crate::config::ClientConfig;
use crate::deadline::sleep_until;
use crate::error::{Error, Kind};
use crate::net::{Address, Connector, Stream};
use crate::runtime::Runtime;
use crate::telemetry::{ClientMetrics, spans};

/// A frame larger than this is not read: nothing a broker sends is, even past `fetch.max.bytes`.
const MAX_FRAME: usize = 512 << 20;

/// What all links of one client share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: ClientConfig,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) metrics: Arc<ClientMetrics>,
    /// The newest features that any broker told of.
    pub(crate) features: Mutex<Features>,
}

/// Whom a link connects to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// As errors name it: `broker 1`, `bootstrap server`.
    pub(crate) name: String,
    /// As metrics name it: bootstrap servers have ids below 0.
    pub(crate) id: i32,
    /// Looked at anew for each connect: a broker's id stays, its address may move.
    pub(crate) address: Arc<Mutex<Address>>,
    /// Added to the error when the connect fails.
    pub(crate) hint: Option<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address.lock())
    }
}

/// The wish to give up a connection and all that is in flight on it. It must reach a driver that is stuck in a write.
#[derive(Debug, Default)]
struct Abandon {
    reason: Mutex<Option<Error>>,
    asked: Notify,
}

impl Abandon {
    async fn asked(&self) -> Error {
        loop {
            self.asked.notified().await;
            if let Some(reason) = self.reason.lock().take() {
                return reason;
            }
        }
    }
}

/// The way to one broker. Dropping it ends the task once what is in flight is answered.
#[derive(Debug)]
pub(crate) struct Link {
    commands: mpsc::UnboundedSender<Box<dyn Exchange>>,
    status: Arc<Status>,
    abandon: Arc<Abandon>,
    pub(crate) target: Target,
}

#[derive(Debug, Default)]
struct Status {
    state: AtomicU8,
    queued: AtomicUsize,
}

const IDLE: u8 = 0;
const CONNECTED: u8 = 1;
const FAILED: u8 = 2;

impl Link {
    pub(crate) fn start(context: Arc<Context>, target: Target) -> Self {
        let (commands, receiver) = mpsc::unbounded_channel();
        let status = Arc::new(Status::default());
        let runtime = context.runtime.clone();
        let abandon = Arc::new(Abandon::default());
        runtime.spawn(Driver::new(context, target.clone(), receiver, status.clone(), abandon.clone()).run());
        Self { commands, status, abandon, target }
    }

    /// Whether a connection is up now.
    pub(crate) fn is_connected(&self) -> bool {
        self.status.state.load(Ordering::Relaxed) == CONNECTED
    }

    /// Whether the last attempt to connect failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.status.state.load(Ordering::Relaxed) == FAILED
    }

    /// Requests waiting for an answer, or to be written.
    pub(crate) fn load(&self) -> usize {
        self.status.queued.load(Ordering::Relaxed)
    }

    /// Gives up the connection: what is in flight fails with `reason`, of unknown fate.
    pub(crate) fn abandon(&self, reason: Error) {
        *self.abandon.reason.lock() = Some(reason);
        self.abandon.asked.notify_one();
    }

    /// Sends a request and waits for its answer.
    ///
    /// `make` builds it for the versions that the broker speaks. The wait for the answer is bounded by `timeout` from
    /// the moment the request is written, the wait before by the connection's own limits. Dropping the future takes
    /// back what was not written.
    pub(crate) async fn call<R: Request + 'static>(
        &self,
        make: impl FnOnce(&Versions) -> Result<(R, i16), Error> + Send + 'static,
        timeout: Duration,
    ) -> Result<(R::Response, i16), Error>
    where
        R::Response: Send,
    {
        let (sender, receiver) = oneshot::channel();
        let sender = Arc::new(Mutex::new(Some(sender)));
        let watched = sender.clone();
        let exchange = Typed::<R, _, _>::new(make, timeout, move |outcome| {
            if let Some(sender) = sender.lock().take() {
                let _ = sender.send(outcome);
            }
        })
        .abandoned_if(move || watched.lock().as_ref().is_none_or(oneshot::Sender::is_closed));
        self.submit(exchange);
        match receiver.await {
            Ok(Ok(Answer { response: Some(response), version })) => Ok((response, version)),
            Ok(Ok(Answer { response: None, .. })) => Err(Error::new(Kind::State, "the broker does not answer this")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::closed("client")),
        }
    }

    /// Sends a request; the exchange is told what becomes of it.
    pub(crate) fn submit(&self, exchange: impl Exchange + 'static) {
        self.status.queued.fetch_add(1, Ordering::Relaxed);
        if let Err(mpsc::error::SendError(exchange)) = self.commands.send(Box::new(exchange)) {
            let _ = exchange.finish(Outcome::Failed(Error::closed("client")));
        }
    }
}

struct Driver {
    context: Arc<Context>,
    target: Target,
    commands: mpsc::UnboundedReceiver<Box<dyn Exchange>>,
    status: Arc<Status>,
    abandon: Arc<Abandon>,
    waiting: VecDeque<Box<dyn Exchange>>,
    /// Being written, and not to be answered.
    writing: Option<Sent>,
    meter: Meter,
    reconnect: Backoff,
    setup_timeout: Backoff,
    correlation: i32,
}

/// What the halves of a connection tell each other.
#[derive(Debug)]
struct Signals {
    max_idle: Duration,
    /// When the deadlines are looked at next, if nothing asks for it before.
    look_at: Mutex<Option<Instant>>,
    /// Something is due before that.
    rearm: Notify,
    /// Nothing is in flight any more.
    drained: Notify,
}

impl Signals {
    fn new(max_idle: Duration) -> Self {
        Self { max_idle, look_at: Mutex::new(None), rearm: Notify::new(), drained: Notify::new() }
    }

    /// Something is due then: most often later than the next look, and over by the time of that.
    fn is_due(&self, at: Option<Instant>) {
        let Some(at) = at else { return };
        if self.look_at.lock().is_none_or(|look_at| at < look_at) {
            self.rearm.notify_one();
        }
    }
}

/// Why a connection ended.
enum End {
    /// Nothing was asked for long enough, or nobody can ask any more.
    Idle,
    /// The link was dropped.
    Dropped,
    Failed(Error),
}

impl Driver {
    fn new(
        context: Arc<Context>,
        target: Target,
        commands: mpsc::UnboundedReceiver<Box<dyn Exchange>>,
        status: Arc<Status>,
        abandon: Arc<Abandon>,
    ) -> Self {
        let config = &context.config;
        let reconnect = Backoff::new(config.reconnect_backoff, config.reconnect_backoff_max);
        let setup_timeout = Backoff::new(config.connection_setup_timeout, config.connection_setup_timeout_max);
        let meter = Meter::new(context.metrics.clone(), target.id);
        Self {
            context,
            target,
            commands,
            status,
            abandon,
            waiting: VecDeque::new(),
            writing: None,
            meter,
            reconnect,
            setup_timeout,
            correlation: 0,
        }
    }

    async fn run(mut self) {
        loop {
            if self.waiting.is_empty() {
                match self.commands.recv().await {
                    Some(exchange) => self.waiting.push_back(exchange),
                    None => return,
                }
            }
            self.abandon.reason.lock().take();
            let abandon = self.abandon.clone();
            let connected = tokio::select! {
                biased;
                reason = abandon.asked() => Err(reason),
                connected = self.connect() => connected,
            };
            match connected {
                Ok((stream, reader, versions, open)) => {
                    self.reconnect.reset();
                    self.setup_timeout.reset();
                    self.status.state.store(CONNECTED, Ordering::Relaxed);
                    tracing::debug!(broker = %self.target, "connected");
                    let end = self.serve(stream, reader, &versions).await;
                    self.status.state.store(IDLE, Ordering::Relaxed);
                    drop(open);
                    match end {
                        End::Idle => tracing::debug!(broker = %self.target, "closed an idle connection"),
                        End::Dropped => return,
                        End::Failed(error) => tracing::debug!(broker = %self.target, %error, "connection lost"),
                    }
                }
                Err(error) => {
                    self.status.state.store(FAILED, Ordering::Relaxed);
                    if self.reconnect.failures() == 0 {
                        tracing::warn!(broker = %self.target, %error, "cannot connect; trying again when needed");
                    }
                    self.fail_waiting(&error);
                    let wait = self.context.runtime.random(|random| self.reconnect.next(random));
                    if !self.pause(wait).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits before another attempt to connect, while calls gather. False when the link was dropped.
    async fn pause(&mut self, wait: Duration) -> bool {
        let until = tokio::time::sleep(wait);
        tokio::pin!(until);
        loop {
            tokio::select! {
                biased;
                () = &mut until => return true,
                command = self.commands.recv() => match command {
                    Some(exchange) => self.waiting.push_back(exchange),
                    None => {
                        self.fail_waiting(&Error::closed("client"));
                        return false;
                    }
                },
            }
        }
    }

    fn fail_waiting(&mut self, error: &Error) {
        while let Ok(exchange) = self.commands.try_recv() {
            self.waiting.push_back(exchange);
        }
        for exchange in self.waiting.drain(..) {
            self.status.queued.fetch_sub(1, Ordering::Relaxed);
            let _ = exchange.finish(Outcome::Failed(error.clone()));
        }
    }

    async fn connect(&mut self) -> Result<(Box<dyn Stream>, FrameReader, Versions, Open), Error> {
        let limit = self.context.runtime.random(|random| self.setup_timeout.next(random));
        let address = self.target.address.lock().clone();
        let attempt = async {
            let mut stream =
                self.context.connector.connect(&address.host, address.port).await.map_err(|error| {
                    Error::caused_by(Kind::Connection, format!("connect to {}", self.target), error)
                })?;
            let open = self.meter.opened();
            let mut reader = FrameReader::new(MAX_FRAME);
            let (client_id, limit) = (&self.context.config.client_id, self.context.config.request_timeout);
            let shaken = shake_hands(&self.target, client_id, &mut stream, &mut reader, &self.meter);
            // A request like any other: who sets a short time for those is not to wait for a long one here.
            let versions = tokio::time::timeout(limit, shaken).await.unwrap_or_else(|_| {
                let context = format!("ApiVersions to {}: no answer within {} ms", self.target, limit.as_millis());
                Err(Error::new(Kind::Connection, context))
            })?;
            self.context.features.lock().learn(versions.features);
            Ok((stream, reader, versions, open))
        };
        let outcome = tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
            let context = format!("connect to {}: no answer within {} ms", self.target, limit.as_millis());
            Err(Error::new(Kind::Connection, context))
        });
        match &self.target.hint {
            Some(hint) if outcome.is_err() => outcome.map_err(|error| {
                let kind = error.kind();
                Error::new(kind, format!("{error}; {hint}"))
            }),
            _ => outcome,
        }
    }

    /// Runs one connection until it ends. What is in flight then fails, of unknown fate.
    async fn serve(&mut self, stream: Box<dyn Stream>, reader: FrameReader, versions: &Versions) -> End {
        let (read_half, write_half) = tokio::io::split(stream);
        let pipeline = Mutex::new(Pipeline::new(Instant::now()));
        let signals = Signals::new(self.context.config.connections_max_idle);
        let (target, status) = (self.target.clone(), self.status.clone());
        let end = {
            let abandon = self.abandon.clone();
            let meter = self.meter.clone();
            let receive = receive(read_half, reader, &pipeline, &target, &status, &meter, &signals);
            let watch = watch(&pipeline, &signals, &target);
            let send = self.send(write_half, versions, &pipeline, &signals);
            tokio::select! {
                biased;
                reason = abandon.asked() => End::Failed(reason),
                end = receive => end,
                end = watch => end,
                end = send => end,
            }
        };
        let error = match &end {
            End::Failed(error) => error.clone(),
            End::Idle | End::Dropped => Error::closed("connection"),
        };
        if let Some(sent) = self.writing.take() {
            status.queued.fetch_sub(1, Ordering::Relaxed);
            let _ = sent.finish(Outcome::Failed(error.clone()));
        }
        let now = Instant::now();
        let unanswered: Vec<_> = pipeline.lock().drain(now).collect();
        for (sent, timed_out) in unanswered {
            let sent: Sent = sent;
            status.queued.fetch_sub(1, Ordering::Relaxed);
            let error = if timed_out { timed_out_error(sent.exchange.as_ref(), &target) } else { error.clone() };
            let _ = sent.finish(Outcome::Failed(error));
        }
        end
    }

    /// Writes what is asked, in order.
    async fn send(
        &mut self,
        mut stream: WriteHalf<Box<dyn Stream>>,
        versions: &Versions,
        pipeline: &Mutex<Pipeline<Sent>>,
        signals: &Signals,
    ) -> End {
        loop {
            if self.waiting.is_empty() {
                match self.commands.recv().await {
                    Some(exchange) => self.waiting.push_back(exchange),
                    None => {
                        // The answers in flight are still read, or time out.
                        while !pipeline.lock().is_empty() {
                            signals.drained.notified().await;
                        }
                        return End::Dropped;
                    }
                }
            }
            // Nothing is held in hand while this waits: it may be cut short.
            let muted = pipeline.lock().muted_until(Instant::now());
            if let Some(until) = muted {
                tokio::time::sleep_until(until).await;
            }
            let Some(mut exchange) = self.waiting.pop_front() else { continue };
            if exchange.is_abandoned() {
                self.status.queued.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            self.correlation = self.correlation.wrapping_add(1) & i32::MAX;
            let frame = match exchange.encode(versions, self.correlation, &self.context.config.client_id) {
                Ok(frame) => frame,
                Err(error) => {
                    self.status.queued.fetch_sub(1, Ordering::Relaxed);
                    let _ = exchange.finish(Outcome::Failed(error.within(&self.target)));
                    continue;
                }
            };
            let api = exchange.api().name();
            tracing::trace!(broker = %self.target, api, bytes = frame.len(), "request");
            let span = spans::request(
                &self.context.config.client_id,
                self.target.id,
                &self.target.address.lock(),
                api,
                self.correlation,
            );
            let (timeout, is_answered, bytes) = (exchange.timeout(), exchange.is_answered(), frame.len());
            let sent = self.meter.sends(exchange, span);
            let written = if is_answered {
                {
                    // Before the write: the answer may be there before the write is seen to end.
                    let mut pipeline = pipeline.lock();
                    pipeline.sent(self.correlation, timeout, sent, Instant::now());
                    signals.is_due(pipeline.deadline());
                }
                write(&mut stream, frame).await
            } else {
                self.writing = Some(sent);
                let written = tokio::time::timeout(timeout, write(&mut stream, frame)).await;
                let written = written.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
                if written.is_ok()
                    && let Some(sent) = self.writing.take()
                {
                    self.status.queued.fetch_sub(1, Ordering::Relaxed);
                    let _ = sent.finish(Outcome::Unanswered);
                }
                written
            };
            match written {
                Ok(()) => self.meter.written(bytes),
                Err(error) => return End::Failed(self.lost(error)),
            }
        }
    }

    fn lost(&self, error: std::io::Error) -> Error {
        lost(&self.target, error)
    }
}

/// Agrees on versions, the first thing on every connection.
async fn shake_hands(
    target: &Target,
    client_id: &str,
    stream: &mut Box<dyn Stream>,
    reader: &mut FrameReader,
    meter: &Meter,
) -> Result<Versions, Error> {
    let request = handshake::request();
    let mut version = ApiVersionsRequest::MAX_VERSION;
    loop {
        let frame = ottla_wire::encode_request(&request, version, -1, Some(client_id))
            .map_err(|error| Error::caused_by(Kind::Config, "setting `client.id` cannot be sent", error))?;
        let bytes = frame.len();
        write(stream, frame).await.map_err(|error| lost(target, error))?;
        meter.written(bytes);
        let answer = read(stream, reader, meter).await.map_err(|error| unreadable(target, error))?;
        meter.answered();
        let response = ottla_wire::decode_response::<ApiVersionsRequest>(answer, version)
            .map_err(|error| Error::caused_by(Kind::Protocol, format!("read the versions of {target}"), error))?;
        match handshake::on_answer(&response, version).map_err(|error| error.within(target))? {
            Step::Done(versions) => return Ok(versions),
            Step::Again(lower) => version = lower,
        }
    }
}

/// Reads answers and hands them to their exchanges.
async fn receive(
    mut stream: ReadHalf<Box<dyn Stream>>,
    mut reader: FrameReader,
    pipeline: &Mutex<Pipeline<Sent>>,
    target: &Target,
    status: &Status,
    meter: &Meter,
    signals: &Signals,
) -> End {
    loop {
        let frame = match read(&mut stream, &mut reader, meter).await {
            Ok(frame) => frame,
            Err(error) => return End::Failed(unreadable(target, error)),
        };
        let correlation = match ottla_wire::correlation_id(&frame) {
            Ok(correlation) => correlation,
            Err(error) => return End::Failed(unreadable(target, ReadError::Malformed(error))),
        };
        let sent = match pipeline.lock().answered(correlation, Instant::now()) {
            Ok(sent) => sent,
            Err(mismatch) => {
                let context = format!(
                    "{target} answered request {}, where {:?} was due; the connection is closed",
                    mismatch.found, mismatch.expected
                );
                return End::Failed(Error::new(Kind::Protocol, context));
            }
        };
        status.queued.fetch_sub(1, Ordering::Relaxed);
        let api = sent.exchange.api();
        match meter.finish(sent, Outcome::Answer(frame)) {
            Ok(throttle) => {
                let mut pipeline = pipeline.lock();
                if !throttle.is_zero() {
                    tracing::debug!(broker = %target, api = api.name(), ?throttle, "throttled");
                    pipeline.mute(throttle, Instant::now());
                }
                if pipeline.is_empty() {
                    signals.is_due(pipeline.idle_at(signals.max_idle));
                    signals.drained.notify_one();
                }
            }
            Err(error) => {
                let context = format!("{target} sent an answer to {} that cannot be read", api.name());
                return End::Failed(Error::caused_by(Kind::Protocol, context, error));
            }
        }
    }
}

/// Ends when the oldest request has waited too long, or nothing was asked for too long.
async fn watch(pipeline: &Mutex<Pipeline<Sent>>, signals: &Signals, target: &Target) -> End {
    loop {
        let (deadline, idle) = {
            let pipeline = pipeline.lock();
            (pipeline.deadline(), pipeline.idle_at(signals.max_idle))
        };
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            let context = format!("connection to {target} closed: a request on it was not answered in time");
            return End::Failed(Error::new(Kind::Connection, context));
        }
        if idle.is_some_and(|idle| idle <= now) {
            return End::Idle;
        }
        let next = deadline.or(idle);
        *signals.look_at.lock() = next;
        tokio::select! {
            biased;
            () = signals.rearm.notified() => {}
            () = sleep_until(next) => {}
        }
    }
}

enum ReadError {
    Io(std::io::Error),
    Malformed(ottla_wire::DecodeError),
}

/// Reads the next whole frame, without its size.
async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    reader: &mut FrameReader,
    meter: &Meter,
) -> Result<Bytes, ReadError> {
    loop {
        if let Some(frame) = reader.next_frame().map_err(ReadError::Malformed)? {
            return Ok(frame);
        }
        let read = stream.read_buf(reader.space()).await.map_err(ReadError::Io)?;
        if read == 0 {
            return Err(ReadError::Io(std::io::ErrorKind::UnexpectedEof.into()));
        }
        meter.received(read);
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, frame: Frame) -> std::io::Result<()> {
    stream.write_all_buf(&mut Slices::of(frame)).await?;
    stream.flush().await
}

fn lost(target: &Target, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return Error::new(Kind::Connection, format!("connection to {target} closed by the broker"));
    }
    Error::caused_by(Kind::Connection, format!("connection to {target} lost"), error)
}

fn unreadable(target: &Target, error: ReadError) -> Error {
    match error {
        ReadError::Io(error) => lost(target, error),
        ReadError::Malformed(error) => {
            Error::caused_by(Kind::Protocol, format!("what {target} sends is not Kafka's protocol"), error)
        }
    }
}

fn timed_out_error(exchange: &dyn Exchange, target: &Target) -> Error {
    let waited = exchange.timeout().as_millis();
    Error::new(Kind::Timeout, format!("{} to {target} timed out: no answer within {waited} ms", exchange.api().name()))
}
