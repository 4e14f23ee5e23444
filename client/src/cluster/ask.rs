//! A question that any broker can answer.

use std::collections::VecDeque;

use ottla_wire::Request;
use tokio::sync::mpsc;

use super::{Cluster, Lane, driver};
use crate::connection::{Answer, Typed, Versions};
use crate::deadline::after;
use crate::error::{Error, Kind};

/// Who answered, and with what in which version.
type Given<R> = (i32, Result<(<R as Request>::Response, i16), Error>);

impl Cluster {
    /// Asks one broker, the next as well when it is silent or cannot be reached; the first answer counts. With the
    /// version it was given in, and the broker that gave it.
    ///
    /// # Errors
    /// The last failure when none is left to ask, or [`Kind::Timeout`] after `request.timeout.ms`.
    pub(crate) async fn ask_any<R>(
        &self,
        make: impl Fn(&Versions) -> Result<(R, i16), Error> + Clone + Send + 'static,
        avoid: Option<i32>,
    ) -> Result<(R::Response, i16, i32), Error>
    where
        R: Request + Send + 'static,
        R::Response: Send,
    {
        let deadline = after(self.runtime().now(), self.config().request_timeout);
        self.any_metadata(deadline).await?;
        let mut brokers = self.by_load().into_iter().filter(|broker| Some(*broker) != avoid).collect::<VecDeque<_>>();
        let (answers, mut answered) = mpsc::unbounded_channel();
        let mut asked = 0;
        let mut failure = Error::new(Kind::Connection, "no other broker is known");
        loop {
            if let Some(broker) = brokers.pop_front() {
                self.ask(make.clone(), broker, &answers);
                asked += 1;
            } else if asked == 0 {
                return Err(failure);
            }
            let patience = if brokers.is_empty() { deadline } else { self.runtime().now() + driver::PATIENCE };
            match self.until(patience, answered.recv()).await {
                Some(Some((broker, Ok((response, version))))) => return Ok((response, version, broker)),
                Some(Some((_, Err(error)))) => {
                    asked -= 1;
                    failure = error;
                }
                Some(None) | None if brokers.is_empty() => return Err(Error::new(Kind::Timeout, "no broker answers")),
                Some(None) | None => {}
            }
        }
    }

    fn ask<R>(
        &self,
        make: impl Fn(&Versions) -> Result<(R, i16), Error> + Send + 'static,
        broker: i32,
        answers: &mpsc::UnboundedSender<Given<R>>,
    ) where
        R: Request + Send + 'static,
        R::Response: Send,
    {
        let link = match self.link(broker, Lane::Main) {
            Ok(link) => link,
            Err(error) => return drop(answers.send((broker, Err(error)))),
        };
        let (answers, watched) = (answers.clone(), answers.clone());
        let done = move |answer: Result<Answer<R>, Error>| {
            let answer = answer.and_then(|answer| {
                let response = answer.response.ok_or_else(|| Error::closed("connection"))?;
                Ok((response, answer.version))
            });
            // Nobody waits for it when another broker was faster.
            drop(answers.send((broker, answer)));
        };
        link.submit(Typed::new(make, self.config().request_timeout, done).abandoned_if(move || watched.is_closed()));
    }
}
