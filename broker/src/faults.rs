//! Faults on demand: which requests are to meet which trouble.

use std::time::Duration;

use kafka_protocol::messages::ApiKey;

/// What befalls a request that a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Acted on; the answer comes damaged.
    Damage,
    /// Answered so much later; acted on at once.
    Delay(Duration),
    /// Acted on, then the connection is closed instead of an answer.
    DropAfter,
    /// Answered with this code, not acted on.
    Error(i16),
    /// Acted on, the answer held back until it is released.
    Hold,
    /// Neither acted on nor answered; the connection stays open.
    Ignore,
    /// The connection is closed, nothing is acted on.
    Refuse,
    /// Acted on twice; the second answer counts.
    Repeat,
    /// Answered with this throttle time.
    Throttle(Duration),
    /// Acted on; the connection is closed in the middle of the answer.
    Truncate,
}

/// Requests of one API, perhaps only some of them, and what befalls them.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) api: ApiKey,
    pub(crate) node: Option<i32>,
    pub(crate) client_id: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) transactional_id: Option<String>,
    pub(crate) topic: Option<String>,
    pub(crate) partition: Option<i32>,
    /// Requests that pass unharmed first.
    pub(crate) skip: u32,
    /// Requests it befalls; `None`: all.
    pub(crate) times: Option<u32>,
    pub(crate) effect: Effect,
}

/// The rules in force, in the order they were made.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Rule>);

/// A request, as far as rules look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) api: ApiKey,
    pub(crate) node: i32,
    pub(crate) client_id: &'a str,
    pub(crate) group: Option<&'a str>,
    pub(crate) transactional_id: Option<&'a str>,
}

/// What befalls one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    errors: Vec<Injected>,
    pub(crate) damage: bool,
    pub(crate) delay: Option<Duration>,
    pub(crate) drop_after: bool,
    pub(crate) hold: bool,
    pub(crate) ignore: bool,
    pub(crate) refuse: bool,
    pub(crate) repeat: bool,
    pub(crate) throttle: Option<Duration>,
    pub(crate) truncate: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Injected {
    topic: Option<String>,
    partition: Option<i32>,
    code: i16,
}

impl Faults {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Ends all rules that hold answers back.
    pub(crate) fn stop_holding(&mut self) {
        self.0.retain(|rule| rule.effect != Effect::Hold);
    }

    /// Judges a request and counts it against the rules it meets. All rules that match apply, but only the first that
    /// answers a given place with an error.
    ///
    /// `targets` lists the topics and partitions in the request; it is asked only if a rule needs to know.
    pub(crate) fn judge(&mut self, subject: Subject<'_>, targets: impl Fn() -> Vec<(String, i32)>) -> Verdict {
        let mut verdict = Verdict::default();
        if self.0.is_empty() {
            return verdict;
        }
        for rule in &mut self.0 {
            if !rule.matches(subject) || (rule.is_scoped() && !targets().iter().any(|target| rule.hits(target))) {
                continue;
            }
            if matches!(rule.effect, Effect::Error(_)) && verdict.covers(rule) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            match &mut rule.times {
                Some(0) => continue,
                Some(left) => *left -= 1,
                None => {}
            }
            verdict.add(rule);
        }
        self.0.retain(|rule| rule.times != Some(0));
        verdict
    }
}

impl Rule {
    /// A rule for all requests of an API.
    pub(crate) fn new(api: ApiKey, effect: Effect) -> Self {
        Self {
            api,
            node: None,
            client_id: None,
            group: None,
            transactional_id: None,
            topic: None,
            partition: None,
            skip: 0,
            times: None,
            effect,
        }
    }

    fn matches(&self, subject: Subject<'_>) -> bool {
        self.api == subject.api
            && self.node.is_none_or(|node| node == subject.node)
            && self.client_id.as_deref().is_none_or(|id| id == subject.client_id)
            && self.group.as_deref().is_none_or(|group| Some(group) == subject.group)
            && self.transactional_id.as_deref().is_none_or(|id| Some(id) == subject.transactional_id)
    }

    fn is_scoped(&self) -> bool {
        self.topic.is_some() || self.partition.is_some()
    }

    fn hits(&self, (topic, partition): &(String, i32)) -> bool {
        self.topic.as_ref().is_none_or(|wanted| wanted == topic)
            && self.partition.is_none_or(|wanted| wanted == *partition || *partition < 0)
    }
}

impl Verdict {
    /// The error for the request as a whole.
    pub(crate) fn error(&self) -> Option<i16> {
        self.errors.first().map(|injected| injected.code)
    }

    /// The error for a topic as such, whatever its partitions.
    pub(crate) fn error_of_topic(&self, topic: &str) -> Option<i16> {
        let hit = |injected: &&Injected| injected.partition.is_none() && injected.is_about(topic);
        self.errors.iter().find(hit).map(|injected| injected.code)
    }

    /// The error for one partition.
    pub(crate) fn error_at(&self, topic: &str, partition: i32) -> Option<i16> {
        let hit = |injected: &&Injected| {
            injected.is_about(topic) && injected.partition.is_none_or(|wanted| wanted == partition)
        };
        self.errors.iter().find(hit).map(|injected| injected.code)
    }

    fn covers(&self, rule: &Rule) -> bool {
        self.errors.iter().any(|injected| {
            (injected.topic.is_none() || injected.topic == rule.topic)
                && (injected.partition.is_none() || injected.partition == rule.partition)
        })
    }

    fn add(&mut self, rule: &Rule) {
        match &rule.effect {
            Effect::Damage => self.damage = true,
            Effect::Delay(delay) => self.delay = Some(self.delay.unwrap_or_default() + *delay),
            Effect::DropAfter => self.drop_after = true,
            Effect::Error(code) => {
                self.errors.push(Injected { topic: rule.topic.clone(), partition: rule.partition, code: *code });
            }
            Effect::Hold => self.hold = true,
            Effect::Ignore => self.ignore = true,
            Effect::Refuse => self.refuse = true,
            Effect::Repeat => self.repeat = true,
            Effect::Throttle(time) => self.throttle = Some(*time),
            Effect::Truncate => self.truncate = true,
        }
    }
}

impl Injected {
    fn is_about(&self, topic: &str) -> bool {
        self.topic.as_deref().is_none_or(|wanted| wanted == topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCE: Subject<'_> =
        Subject { api: ApiKey::Produce, node: 0, client_id: "test", group: None, transactional_id: None };

    fn rule(effect: Effect) -> Rule {
        Rule { times: Some(1), ..Rule::new(ApiKey::Produce, effect) }
    }

    fn faults(rules: impl IntoIterator<Item = Rule>) -> Faults {
        Faults(rules.into_iter().collect())
    }

    fn orders() -> Vec<(String, i32)> {
        vec![("orders".into(), 0), ("orders".into(), 1)]
    }

    #[test]
    fn a_rule_for_once_hits_once() {
        let mut faults = faults([rule(Effect::Error(6))]);
        assert_eq!(faults.judge(PRODUCE, orders).error(), Some(6));
        assert_eq!(faults.judge(PRODUCE, orders), Verdict::default());
    }

    #[test]
    fn two_errors_for_once_hit_one_after_the_other() {
        let mut faults = faults([rule(Effect::Error(6)), rule(Effect::Error(7))]);
        assert_eq!(faults.judge(PRODUCE, orders).error(), Some(6));
        assert_eq!(faults.judge(PRODUCE, orders).error(), Some(7));
    }

    #[test]
    fn the_first_may_pass() {
        let mut faults = faults([Rule { skip: 1, ..rule(Effect::Refuse) }]);
        assert!(!faults.judge(PRODUCE, orders).refuse);
        assert!(faults.judge(PRODUCE, orders).refuse);
    }

    #[test]
    fn an_error_may_be_for_one_partition() {
        let scoped = Rule { topic: Some("orders".into()), partition: Some(1), ..rule(Effect::Error(6)) };
        let mut faults = faults([scoped]);
        assert_eq!(faults.judge(PRODUCE, || vec![("orders".into(), 0)]), Verdict::default(), "not used up");
        let verdict = faults.judge(PRODUCE, orders);
        assert_eq!((verdict.error_at("orders", 0), verdict.error_at("orders", 1)), (None, Some(6)));
    }

    #[test]
    fn other_requests_pass() {
        let mut faults = faults([Rule { node: Some(1), ..rule(Effect::Repeat) }, rule(Effect::DropAfter)]);
        assert_eq!(faults.judge(Subject { api: ApiKey::Fetch, ..PRODUCE }, Vec::new), Verdict::default());
        let verdict = faults.judge(PRODUCE, Vec::new);
        assert!(verdict.drop_after && !verdict.repeat);
    }

    #[test]
    fn faults_of_different_kinds_meet_in_one_request() {
        let delay = Duration::from_millis(5);
        let mut faults = faults([rule(Effect::Delay(delay)), rule(Effect::Error(6)), rule(Effect::Delay(delay))]);
        let verdict = faults.judge(PRODUCE, Vec::new);
        assert_eq!((verdict.delay, verdict.error()), (Some(delay * 2), Some(6)));
    }
}
