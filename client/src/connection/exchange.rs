//! One request and what becomes of it, with its types put away so that a link can queue any.

use std::time::Duration;

use bytes::Bytes;
use ottla_wire::{ApiKey, DecodeError, Frame, Request, Response};

use super::handshake::Versions;
use crate::error::{Error, Kind};

/// One request on its way through a [`Link`](super::Link).
pub(crate) trait Exchange: Send {
    fn api(&self) -> ApiKey;

    /// How long the answer may take, from the moment the request is written.
    fn timeout(&self) -> Duration;

    /// Whether the broker answers at all: not to a Produce with `acks=0`.
    fn is_answered(&self) -> bool;

    /// Whether nobody waits for the outcome any more: such a request is not written.
    fn is_abandoned(&self) -> bool;

    /// The frame, in a version that the broker speaks.
    fn encode(&mut self, versions: &Versions, correlation: i32, client_id: &str) -> Result<Frame, Error>;

    /// Ends the exchange, and says for how long the broker throttles. An error is returned where the answer cannot be
    /// read: nothing that follows on that connection can be trusted.
    fn finish(self: Box<Self>, outcome: Outcome) -> Result<Duration, DecodeError>;
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Bytes),
    /// It was written, and no answer will come.
    Unanswered,
    Failed(Error),
}

/// An answer, and the version it was spoken in.
#[derive(Debug)]
pub(crate) struct Answer<R: Request> {
    /// None where the broker does not answer.
    pub(crate) response: Option<R::Response>,
    pub(crate) version: i16,
}

/// An exchange of one type of request.
pub(crate) struct Typed<R, M, D> {
    make: Option<M>,
    done: D,
    version: i16,
    timeout: Duration,
    is_answered: bool,
    is_abandoned: Box<dyn Fn() -> bool + Send>,
    request: std::marker::PhantomData<fn() -> R>,
}

impl<R, M, D> Typed<R, M, D>
where
    R: Request,
    M: FnOnce(&Versions) -> Result<(R, i16), Error> + Send,
    D: FnOnce(Result<Answer<R>, Error>) + Send,
{
    /// `make` builds the request for the versions that the broker speaks; `done` is told the outcome.
    pub(crate) fn new(make: M, timeout: Duration, done: D) -> Self {
        Self {
            make: Some(make),
            done,
            version: 0,
            timeout,
            is_answered: true,
            is_abandoned: Box::new(|| false),
            request: std::marker::PhantomData,
        }
    }

    pub(crate) fn unanswered(mut self) -> Self {
        self.is_answered = false;
        self
    }

    pub(crate) fn abandoned_if(mut self, is_abandoned: impl Fn() -> bool + Send + 'static) -> Self {
        self.is_abandoned = Box::new(is_abandoned);
        self
    }
}

impl<R, M, D> Exchange for Typed<R, M, D>
where
    R: Request,
    M: FnOnce(&Versions) -> Result<(R, i16), Error> + Send,
    D: FnOnce(Result<Answer<R>, Error>) + Send,
{
    fn api(&self) -> ApiKey {
        R::API_KEY
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn is_answered(&self) -> bool {
        self.is_answered
    }

    fn is_abandoned(&self) -> bool {
        (self.is_abandoned)()
    }

    fn encode(&mut self, versions: &Versions, correlation: i32, client_id: &str) -> Result<Frame, Error> {
        let make = self.make.take().ok_or_else(|| Error::new(Kind::State, "a request is encoded once"))?;
        let (request, version) = make(versions)?;
        self.version = version;
        ottla_wire::encode_request(&request, version, correlation, Some(client_id)).map_err(|error| {
            Error::caused_by(Kind::UnsupportedVersion, format!("encode {} v{version}", R::API_KEY.name()), error)
        })
    }

    fn finish(self: Box<Self>, outcome: Outcome) -> Result<Duration, DecodeError> {
        let version = self.version;
        let (result, after) = match outcome {
            Outcome::Answer(frame) => match ottla_wire::decode_response::<R>(frame, version) {
                Ok(response) => {
                    let throttle = u64::try_from(response.throttle_time_ms()).unwrap_or(0);
                    (Ok(Answer { response: Some(response), version }), Ok(Duration::from_millis(throttle)))
                }
                Err(error) => {
                    let context = format!("read the answer to {} v{version}", R::API_KEY.name());
                    (Err(Error::caused_by(Kind::Protocol, context, error.clone())), Err(error))
                }
            },
            Outcome::Unanswered => (Ok(Answer { response: None, version }), Ok(Duration::ZERO)),
            Outcome::Failed(error) => (Err(error), Ok(Duration::ZERO)),
        };
        (self.done)(result);
        after
    }
}
