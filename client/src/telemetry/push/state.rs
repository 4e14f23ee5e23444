//! When to ask what to push, and when to push it: a plain value that is told what time it is.

use std::time::Duration;

use ottla_wire::compression::Compression;
use ottla_wire::messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};
use ottla_wire::{Code, Uuid};
use tokio::time::Instant;

use super::payload::Selection;
use crate::deadline::after;
use crate::error::{Error, Kind};

/// How long to wait where no broker has said.
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The shortest interval that Kafka lets anybody configure.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// What one client has to say to whichever broker is asked.
#[derive(Debug)]
pub(super) struct Reporting {
    phase: Phase,
    subscription: Option<Subscription>,
    /// Codecs that failed, here or there.
    unusable: Vec<Compression>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// To ask, then.
    Ask(Instant),
    Asking,
    /// To push, then.
    Push(Instant),
    Pushing,
    /// Nothing, ever.
    Off,
}

/// What a broker wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Subscription {
    pub(super) client: Uuid,
    pub(super) id: i32,
    interval: Duration,
    codecs: Vec<Compression>,
    pub(super) is_delta: bool,
    pub(super) metrics: Selection,
}

/// What to do now.
#[derive(Debug)]
pub(super) enum Step {
    Ask(GetTelemetrySubscriptionsRequest),
    Push(Subscription, Compression),
}

impl Reporting {
    pub(super) fn new(now: Instant) -> Self {
        Self { phase: Phase::Ask(now), subscription: None, unusable: Vec::new() }
    }

    /// When there is something to do; None if never again.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Ask(at) | Phase::Push(at) => Some(at),
            Phase::Asking | Phase::Pushing | Phase::Off => None,
        }
    }

    /// The id that the client was given.
    pub(super) fn client(&self) -> Option<Uuid> {
        self.subscription.as_ref().map(|subscription| subscription.client)
    }

    /// What is due.
    pub(super) fn next(&mut self, now: Instant) -> Option<Step> {
        match self.phase {
            Phase::Ask(at) if at <= now => {
                self.phase = Phase::Asking;
                let client_instance_id = self.client().unwrap_or_default();
                Some(Step::Ask(GetTelemetrySubscriptionsRequest { client_instance_id }))
            }
            Phase::Push(at) if at <= now => self.push(),
            _ => None,
        }
    }

    /// The last push of a client that ends, if a broker waits for one.
    pub(super) fn last(&mut self) -> Option<Step> {
        let has_more_to_say = matches!(self.phase, Phase::Push(_) | Phase::Pushing);
        let step = if has_more_to_say { self.push() } else { None };
        if step.is_none() {
            self.phase = Phase::Off;
        }
        step
    }

    fn push(&mut self) -> Option<Step> {
        let subscription = self.subscription.clone()?;
        self.phase = Phase::Pushing;
        let usable = |codec: &&Compression| !self.unusable.contains(*codec);
        let codec = subscription.codecs.iter().find(usable).copied().unwrap_or_default();
        Some(Step::Push(subscription, codec))
    }

    /// A codec is not to be used again.
    pub(super) fn cannot_use(&mut self, codec: Compression) {
        if codec != Compression::None && !self.unusable.contains(&codec) {
            self.unusable.push(codec);
        }
    }

    /// What a broker wants has come. True if totals are to be told from the beginning.
    pub(super) fn on_subscription(
        &mut self,
        answer: &GetTelemetrySubscriptionsResponse,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> bool {
        if self.phase != Phase::Asking {
            return false;
        }
        if !answer.error_code.is_none() {
            // There is nothing to be had by asking again at once.
            self.refused(answer.error_code, self.interval(), now);
            return false;
        }
        if answer.client_instance_id.is_zero() {
            tracing::warn!("a broker gave the client no id: metrics are not pushed");
            self.phase = Phase::Off;
            return false;
        }
        let interval = u64::try_from(answer.push_interval_ms).ok().filter(|ms| *ms > 0);
        let interval = interval.map_or(INTERVAL, Duration::from_millis).max(LEAST_INTERVAL);
        let codecs = answer.accepted_compression_types.iter();
        let subscription = Subscription {
            client: answer.client_instance_id,
            id: answer.subscription_id,
            interval,
            codecs: codecs.filter_map(|code| Compression::from_code(u8::try_from(*code).ok()?)).collect(),
            is_delta: answer.delta_temporality,
            metrics: Selection::of(answer.requested_metrics.iter().map(|name| &**name)),
        };
        self.phase = if subscription.metrics == Selection::None {
            Phase::Ask(after(now, interval))
        } else {
            // Clients that were started together are not to push together.
            Phase::Push(after(now, interval.mul_f64(0.5 + random.f64())))
        };
        let begins_anew = self.subscription.as_ref().is_some_and(|known| known.is_delta != subscription.is_delta);
        self.subscription = Some(subscription);
        begins_anew
    }

    /// A push was answered.
    pub(super) fn on_pushed(&mut self, code: Code, codec: Compression, now: Instant) {
        if self.phase != Phase::Pushing {
            return;
        }
        match code {
            Code::None => self.phase = Phase::Push(after(now, self.interval())),
            code => {
                if code == Code::UnsupportedCompressionType {
                    self.cannot_use(codec);
                }
                self.refused(code, Duration::ZERO, now);
            }
        }
    }

    /// A request was not answered.
    pub(super) fn on_failed(&mut self, error: &Error, now: Instant) {
        if !matches!(self.phase, Phase::Asking | Phase::Pushing) {
            return;
        }
        self.phase = if error.is_retriable() {
            Phase::Ask(after(now, INTERVAL))
        } else {
            if error.kind() != Kind::UnsupportedVersion {
                tracing::warn!(%error, "metrics are not pushed any more");
            }
            Phase::Off
        };
    }

    /// edge 85: what a broker refuses is asked for anew, after `soon` or the interval, or never.
    fn refused(&mut self, code: Code, soon: Duration, now: Instant) {
        self.phase = match code {
            Code::UnknownSubscriptionId | Code::UnsupportedCompressionType => Phase::Ask(after(now, soon)),
            Code::TelemetryTooLarge | Code::ThrottlingQuotaExceeded => Phase::Ask(after(now, self.interval())),
            code => {
                tracing::warn!(%code, "a broker refuses the client's metrics: they are not pushed any more");
                Phase::Off
            }
        };
        tracing::debug!(%code, "metrics refused");
    }

    fn interval(&self) -> Duration {
        self.subscription.as_ref().map_or(INTERVAL, |subscription| subscription.interval)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a start for the time that the tests move")]
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const CLIENT: Uuid = Uuid([7; 16]);

    fn start() -> (Reporting, Instant) {
        let now = Instant::now();
        (Reporting::new(now), now)
    }

    fn answer() -> GetTelemetrySubscriptionsResponse {
        GetTelemetrySubscriptionsResponse {
            client_instance_id: CLIENT,
            subscription_id: 3,
            accepted_compression_types: vec![4, 99, 1, -1],
            push_interval_ms: 60_000,
            delta_temporality: true,
            requested_metrics: vec!["*".into()],
            ..GetTelemetrySubscriptionsResponse::default()
        }
    }

    fn refusal(code: Code) -> GetTelemetrySubscriptionsResponse {
        GetTelemetrySubscriptionsResponse { error_code: code, ..GetTelemetrySubscriptionsResponse::default() }
    }

    fn random() -> fastrand::Rng {
        fastrand::Rng::with_seed(7)
    }

    /// One that is to push, and when.
    fn subscribed() -> (Reporting, Instant) {
        let (mut reporting, now) = start();
        assert!(matches!(reporting.next(now), Some(Step::Ask(_))));
        reporting.on_subscription(&answer(), now, &mut random());
        let at = reporting.wake_at().unwrap();
        (reporting, at)
    }

    fn push(reporting: &mut Reporting, now: Instant) -> Compression {
        match reporting.next(now) {
            Some(Step::Push(_, codec)) => codec,
            step => panic!("{step:?}"),
        }
    }

    #[test]
    fn asks_at_once_without_an_id_and_later_with_the_one_it_was_given() {
        let (mut reporting, now) = start();
        let Some(Step::Ask(request)) = reporting.next(now) else { panic!("{reporting:?}") };
        assert!(request.client_instance_id.is_zero());
        assert_eq!(reporting.wake_at(), None, "an answer is awaited");
        reporting.on_subscription(
            &GetTelemetrySubscriptionsResponse { requested_metrics: Vec::new(), ..answer() },
            now,
            &mut random(),
        );
        // edge 85: nothing is wanted, which may change.
        assert_eq!(reporting.wake_at(), Some(now + MINUTE));
        assert!(reporting.next(now + MINUTE / 2).is_none());
        let Some(Step::Ask(request)) = reporting.next(now + MINUTE) else { panic!("{reporting:?}") };
        assert_eq!(request.client_instance_id, CLIENT);
    }

    #[test]
    fn the_first_push_comes_after_half_to_one_and_a_half_intervals_and_the_others_after_one() {
        let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
        let mut random = random();
        for _ in 0..1_000 {
            let (mut reporting, now) = start();
            reporting.next(now);
            reporting.on_subscription(&answer(), now, &mut random);
            let wait = reporting.wake_at().unwrap() - now;
            (least, most) = (least.min(wait), most.max(wait));
        }
        assert!((MINUTE / 2..MINUTE * 51 / 100).contains(&least), "{least:?}");
        assert!((MINUTE * 149 / 100..=MINUTE * 3 / 2).contains(&most), "{most:?}");

        let (mut reporting, at) = subscribed();
        push(&mut reporting, at);
        reporting.on_pushed(Code::None, Compression::Zstd, at);
        assert_eq!(reporting.wake_at(), Some(at + MINUTE));
    }

    #[test]
    fn the_first_codec_counts_that_is_known_and_works() {
        let (mut reporting, at) = subscribed();
        assert_eq!(push(&mut reporting, at), Compression::Zstd);
        reporting.on_pushed(Code::UnsupportedCompressionType, Compression::Zstd, at);
        assert!(matches!(reporting.next(at), Some(Step::Ask(_))), "at once");
        reporting.on_subscription(&answer(), at, &mut random());
        let at = reporting.wake_at().unwrap();
        assert_eq!(push(&mut reporting, at), Compression::Gzip);
        reporting.cannot_use(Compression::Gzip);
        reporting.on_pushed(Code::None, Compression::None, at);
        assert_eq!(push(&mut reporting, at + MINUTE), Compression::None);
    }

    /// edge 85
    #[test]
    fn a_push_that_is_refused_asks_anew_at_once_or_after_the_interval_or_never() {
        for (code, again) in [
            (Code::UnknownSubscriptionId, Some(Duration::ZERO)),
            (Code::UnsupportedCompressionType, Some(Duration::ZERO)),
            (Code::TelemetryTooLarge, Some(MINUTE)),
            (Code::ThrottlingQuotaExceeded, Some(MINUTE)),
            (Code::InvalidRequest, None),
            (Code::InvalidRecord, None),
            (Code::UnsupportedVersion, None),
            (Code::UnknownServerError, None),
        ] {
            let (mut reporting, at) = subscribed();
            push(&mut reporting, at);
            reporting.on_pushed(code, Compression::None, at);
            assert_eq!(reporting.wake_at(), again.map(|wait| at + wait), "{code}");
            if let Some(wait) = again {
                assert!(matches!(reporting.next(at + wait), Some(Step::Ask(_))), "{code}");
            }
        }
    }

    #[test]
    fn an_answer_that_refuses_the_question_never_leads_to_another_at_once() {
        for code in [Code::UnknownSubscriptionId, Code::UnsupportedCompressionType, Code::ThrottlingQuotaExceeded] {
            let (mut reporting, now) = start();
            reporting.next(now);
            reporting.on_subscription(&refusal(code), now, &mut random());
            assert_eq!(reporting.wake_at(), Some(now + INTERVAL), "{code}");
        }
        let (mut reporting, now) = start();
        reporting.next(now);
        reporting.on_subscription(&refusal(Code::ClusterAuthorizationFailed), now, &mut random());
        assert_eq!(reporting.wake_at(), None);
    }

    #[test]
    fn what_a_broker_cannot_mean_is_not_followed() {
        let asked = |answer| {
            let (mut reporting, now) = start();
            reporting.next(now);
            reporting.on_subscription(&answer, now, &mut random());
            reporting.wake_at().map(|at| at - now)
        };
        assert_eq!(asked(GetTelemetrySubscriptionsResponse { client_instance_id: Uuid::ZERO, ..answer() }), None);
        for push_interval_ms in [0, -1, i32::MIN] {
            let wait = asked(GetTelemetrySubscriptionsResponse { push_interval_ms, ..answer() }).unwrap();
            assert!(wait >= INTERVAL / 2, "{push_interval_ms}: {wait:?}");
        }
        let wait = asked(GetTelemetrySubscriptionsResponse { push_interval_ms: 1, ..answer() }).unwrap();
        assert!(wait >= LEAST_INTERVAL / 2);
    }

    #[test]
    fn a_request_that_fails_is_tried_again_much_later_unless_brokers_do_not_know_it() {
        let (mut reporting, now) = start();
        reporting.next(now);
        reporting.on_failed(&Error::new(Kind::Connection, "refused"), now);
        assert_eq!(reporting.wake_at(), Some(now + INTERVAL));
        reporting.next(now + INTERVAL);
        reporting.on_failed(&Error::new(Kind::UnsupportedVersion, "unknown"), now + INTERVAL);
        assert_eq!(reporting.wake_at(), None);
    }

    #[test]
    fn totals_begin_anew_when_the_way_to_tell_them_changes() {
        let (mut reporting, at) = subscribed();
        push(&mut reporting, at);
        reporting.on_pushed(Code::UnknownSubscriptionId, Compression::None, at);
        reporting.next(at);
        assert!(!reporting.on_subscription(&answer(), at, &mut random()), "as before");
        let at = reporting.wake_at().unwrap();
        push(&mut reporting, at);
        reporting.on_pushed(Code::UnknownSubscriptionId, Compression::None, at);
        reporting.next(at);
        let changed = GetTelemetrySubscriptionsResponse { delta_temporality: false, ..answer() };
        assert!(reporting.on_subscription(&changed, at, &mut random()));
    }

    #[test]
    fn a_last_push_is_made_if_a_broker_waits_for_one_and_then_nothing_more() {
        let (mut reporting, now) = start();
        assert!(reporting.last().is_none(), "nobody asked for anything");
        assert!(reporting.next(now).is_none());

        let (mut reporting, at) = subscribed();
        assert!(matches!(reporting.last(), Some(Step::Push(..))));
        reporting.on_pushed(Code::None, Compression::None, at);

        let (mut reporting, at) = subscribed();
        push(&mut reporting, at);
        assert!(matches!(reporting.last(), Some(Step::Push(..))), "also while another is on its way");
    }
}
