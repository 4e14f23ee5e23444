//! Faults on demand.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;

use super::Broker;
use crate::faults::{Effect, Rule};

/// An error code as the protocol counts them; from a [`ResponseError`] (here called [`Code`](crate::Code)) or a number.
/// 0 is no error: "done", though nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(i16);

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

impl From<ResponseError> for ErrorCode {
    fn from(error: ResponseError) -> Self {
        Self(error.code())
    }
}

/// Requests of one API, or some of them, to which something is to happen; from [`Broker::on`].
///
/// Without [`times`](Self::times) or [`always`](Self::always) it happens once. Several faults may meet in one request;
/// of those that answer with an error, the first made counts and the others wait for the next request.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::time::Duration;
/// use ottla_broker::{ApiKey, Broker, Code};
///
/// let broker = Broker::builder().nodes(2).topic("orders", 3).await;
/// broker.on(ApiKey::Produce).topic("orders").partition(1).times(2).error(Code::NotLeaderOrFollower);
/// broker.on(ApiKey::Fetch).node(1).always().delay(Duration::from_millis(20));
/// broker.on(ApiKey::Produce).skip(4).drop_after();
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens until it is said what"]
pub struct Faults<'a> {
    broker: &'a Broker,
    rule: Rule,
}

impl Broker {
    /// Begins a fault: something is to happen to requests of this API.
    pub fn on(&self, api: ApiKey) -> Faults<'_> {
        // The effect is replaced by whichever method ends the sentence.
        Faults { broker: self, rule: Rule { times: Some(1), ..Rule::new(api, Effect::Ignore) } }
    }

    /// Answers the next request of this API with an error, and does nothing else.
    pub fn once(&self, api: ApiKey, code: impl Into<ErrorCode>) {
        self.on(api).error(code);
    }

    /// Answers so many requests of this API with an error, and does nothing else.
    pub fn times(&self, times: u32, api: ApiKey, code: impl Into<ErrorCode>) {
        self.on(api).times(times).error(code);
    }

    /// Answers all requests of this API with an error, and does nothing else.
    pub fn always(&self, api: ApiKey, code: impl Into<ErrorCode>) {
        self.on(api).always().error(code);
    }

    /// Closes the connection of the next request of this API, and does nothing else.
    pub fn refuse(&self, api: ApiKey) {
        self.on(api).refuse();
    }

    /// Does what the next request of this API asks for, then closes its connection instead of answering.
    pub fn drop_after(&self, api: ApiKey) {
        self.on(api).drop_after();
    }

    /// Does what requests of this API ask for, and answers each so much later.
    pub fn delay(&self, api: ApiKey, delay: Duration) {
        self.on(api).always().delay(delay);
    }

    /// Does what requests of this API ask for, and holds all answers back until [`Self::release`].
    pub fn hold(&self, api: ApiKey) {
        self.on(api).always().hold();
    }

    /// Ends all holding back; lets the answers go in the order of their requests.
    pub fn release(&self) {
        self.shared().change(|cluster, _| {
            cluster.faults.stop_holding();
            cluster.release(usize::MAX);
        });
    }

    /// Lets the oldest answer go that is held back; the holding back goes on. Tells whether there was one.
    pub fn release_one(&self) -> bool {
        self.shared().change(|cluster, _| {
            let had_one = cluster.held() > 0;
            cluster.release(1);
            had_one
        })
    }

    /// The number of answers held back now.
    pub fn held(&self) -> usize {
        self.shared().with(|cluster, _| cluster.held())
    }

    /// Does what the next request of this API asks for twice, as if it had come twice; the second answer is given.
    pub fn repeat(&self, api: ApiKey) {
        self.on(api).repeat();
    }

    /// Says in all answers to this API that the client is to send nothing for so long.
    pub fn throttle(&self, api: ApiKey, time: Duration) {
        self.on(api).always().throttle(time);
    }

    /// Ends all faults; answers held back go.
    pub fn clear(&self) {
        self.shared().change(|cluster, _| {
            cluster.faults.clear();
            cluster.release(usize::MAX);
        });
    }
}

impl Faults<'_> {
    /// Only requests to this node.
    pub fn node(mut self, node: i32) -> Self {
        self.rule.node = Some(node);
        self
    }

    /// Only requests of this client, by its `client.id`.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.rule.client_id = Some(client_id.into());
        self
    }

    /// Only requests about this group.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.rule.group = Some(group.into());
        self
    }

    /// Only requests about this transactional id.
    pub fn transactional_id(mut self, id: impl Into<String>) -> Self {
        self.rule.transactional_id = Some(id.into());
        self
    }

    /// Only requests about this topic; an error is answered for this topic alone, the rest of the request is done.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.rule.topic = Some(topic.into());
        self
    }

    /// Only requests about a partition of this number; an error is answered for it alone.
    pub fn partition(mut self, partition: i32) -> Self {
        self.rule.partition = Some(partition);
        self
    }

    /// Lets so many requests pass first.
    pub fn skip(mut self, requests: u32) -> Self {
        self.rule.skip = requests;
        self
    }

    /// It happens so many times.
    pub fn times(mut self, times: u32) -> Self {
        self.rule.times = Some(times);
        self
    }

    /// It happens every time, until [`Broker::clear`].
    pub fn always(mut self) -> Self {
        self.rule.times = None;
        self
    }

    /// Answers with an error, in the place where Kafka would put it, and does nothing else.
    pub fn error(self, code: impl Into<ErrorCode>) {
        let ErrorCode(code) = code.into();
        self.happens(Effect::Error(code));
    }

    /// Closes the connection and does nothing else.
    pub fn refuse(self) {
        self.happens(Effect::Refuse);
    }

    /// Does what is asked for, then closes the connection instead of answering.
    pub fn drop_after(self) {
        self.happens(Effect::DropAfter);
    }

    /// Does what is asked for at once and answers so much later. Later requests on the connection are done meanwhile.
    pub fn delay(self, delay: Duration) {
        self.happens(Effect::Delay(delay));
    }

    /// Does what is asked for and holds the answer back until [`Broker::release`] or [`Broker::release_one`].
    pub fn hold(self) {
        self.happens(Effect::Hold);
    }

    /// Neither does nor answers anything; the connection stays open, and nothing later on it is answered either.
    pub fn ignore(self) {
        self.happens(Effect::Ignore);
    }

    /// Does what is asked for twice, as if it had come twice; the second answer is given.
    pub fn repeat(self) {
        self.happens(Effect::Repeat);
    }

    /// Does what is asked for and damages the answer, in a way that a client can see: the last byte of the records it
    /// holds, or, where there are none, the number of the request that it answers.
    pub fn damage(self) {
        self.happens(Effect::Damage);
    }

    /// Does what is asked for, sends one half of the answer and closes the connection.
    pub fn truncate(self) {
        self.happens(Effect::Truncate);
    }

    /// Says in the answer that the client is to send nothing for so long.
    pub fn throttle(self, time: Duration) {
        self.happens(Effect::Throttle(time));
    }

    fn happens(self, effect: Effect) {
        let rule = Rule { effect, ..self.rule };
        self.broker.shared().with(|cluster, _| cluster.faults.add(rule));
    }
}
