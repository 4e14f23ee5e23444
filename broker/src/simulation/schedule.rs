//! What goes wrong when, drawn from a seed.

use std::fmt;
use std::time::Duration;

use super::fault::Fault;
use super::menu::Menu;

/// A fault and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it begins, counted from the start of the history.
    pub at: Duration,
    /// How long it lasts, if it is of a kind that does.
    pub lasts: Duration,
    /// What it is.
    pub fault: Fault,
}

/// What goes wrong in one history, in the order of its beginning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule(pub Vec<Event>);

/// Draws for one fault before it is given up.
const DRAWS: usize = 20;

impl Schedule {
    /// Draws up to `most` events within `time` from what is on the menu. All have ended by then.
    pub(super) fn draw(menu: &Menu, most: usize, time: Duration, random: &mut fastrand::Rng) -> Self {
        let mut events: Vec<Event> = (0..random.usize(1..=most.max(1)))
            .filter_map(|_| {
                // Not every kind has something that it can befall.
                let fault = (0..DRAWS).find_map(|_| menu.draw(random))?;
                let at = time.mul_f64(random.f64());
                // Mostly short: a second mends what an hour would, and leaves time for more.
                let longest = (time - at).min(if random.u8(..4) == 0 { time / 2 } else { time / 10 });
                let lasts = if fault.lasts() { longest.mul_f64(random.f64()) } else { Duration::ZERO };
                // One that ended at the moment of its beginning would be ended first, and last for good.
                let least = if fault.lasts() { Duration::from_millis(1) } else { Duration::ZERO };
                Some(Event { at: whole(at), lasts: whole(lasts).max(least), fault })
            })
            .collect();
        events.sort_by_key(|event| event.at);
        Self(events)
    }

    /// The same without the events that `keep` is false for.
    pub(super) fn only(&self, keep: impl Fn(usize) -> bool) -> Self {
        Self(self.0.iter().enumerate().filter(|(at, _)| keep(*at)).map(|(_, event)| event.clone()).collect())
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if nothing goes wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// To the millisecond, as timers are.
fn whole(time: Duration) -> Duration {
    Duration::from_millis(time.as_millis() as u64)
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.3} s  {}", self.at.as_secs_f64(), self.fault)?;
        if self.fault.lasts() { write!(f, ", for {:?}", self.lasts) } else { Ok(()) }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "  (nothing goes wrong)");
        }
        self.0.iter().try_for_each(|event| writeln!(f, "{event}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(20);

    fn menu() -> Menu {
        let mut menu = Menu::new(3);
        menu.topics = vec![("orders".into(), 4)];
        menu.groups = vec!["billing".into()];
        menu.processes = vec!["one".into()];
        menu
    }

    #[test]
    fn a_seed_says_what_goes_wrong_and_when() {
        let drawn = |seed| Schedule::draw(&menu(), 12, TIME, &mut fastrand::Rng::with_seed(seed));
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn all_begins_in_order_and_ends_in_time() {
        for seed in 0..1_000 {
            let Schedule(events) = Schedule::draw(&menu(), 12, TIME, &mut fastrand::Rng::with_seed(seed));
            assert!(!events.is_empty() && events.len() <= 12);
            assert!(events.iter().all(|event| event.at + event.lasts <= TIME));
            assert!(events.is_sorted_by_key(|event| event.at));
        }
    }

    #[test]
    fn an_event_says_when_what_and_how_long() {
        let fault = Fault::Pause { node: 1 };
        let event = Event { at: Duration::from_millis(1_250), lasts: Duration::from_millis(300), fault };
        assert_eq!(event.to_string(), "   1.250 s  node 1 hangs, for 300ms");
    }
}
