//! Two members of a group: the first owns all partitions and has read them, then the second joins, again and again.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{Cost, Failure, Job, Meter, Report, Work};

/// How often members of the classic protocol send heartbeats; the broker is told the same for the other one.
pub const HEARTBEAT: Duration = Duration::from_millis(500);

/// How often the second member joins, and then leaves.
const ROUNDS: u32 = 5;

/// How long the first member owns everything before the second joins for the first time: then longer each time, so that
/// the second comes at different times between two heartbeats of the first.
const REST: Duration = Duration::from_secs(1);

/// The longest that each part takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one member tells.
#[derive(Clone, Debug)]
pub struct Member {
    number: usize,
    news: Sender<News>,
    /// Gone when it is to end.
    goes_on: Weak<()>,
}

/// What a member is told by its client, and when.
#[derive(Debug)]
enum News {
    Gained(usize, usize),
    Lost(usize, usize),
    Owns(usize, usize),
    Handed(usize, usize),
    Failed(Failure),
}

/// What the members own and were handed, as far as it is known.
#[derive(Debug)]
struct Sharing {
    owned: [usize; 2],
    handed: [Vec<bool>; 2],
    news: Receiver<News>,
}

impl Member {
    /// Partitions came to it.
    pub fn gains(&self, partitions: usize) {
        self.tell(News::Gained(self.number, partitions));
    }

    /// Partitions went from it.
    pub fn loses(&self, partitions: usize) {
        self.tell(News::Lost(self.number, partitions));
    }

    /// So many partitions are its own, for a client that does not tell what comes and goes.
    pub fn owns(&self, partitions: usize) {
        self.tell(News::Owns(self.number, partitions));
    }

    /// A poll handed out a record of a partition.
    pub fn handed(&self, partition: i32) {
        self.tell(News::Handed(self.number, usize::try_from(partition).unwrap_or(usize::MAX)));
    }

    /// Whether to poll again.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.goes_on.strong_count() > 0
    }

    fn tell(&self, news: News) {
        // Nobody listens any more once the job is over.
        drop(self.news.send(news));
    }
}

/// Runs both members, each a client of its own in a thread of its own, and measures from the start of the second until
/// each owns half of the partitions, and the second was handed the record of each of its own: the mean of several times.
///
/// `run` polls for as long as the member goes on, and then leaves the group.
///
/// # Errors
/// That of a member; or if the partitions are not shared within a minute.
pub fn share(job: &Job, run: Run) -> Result<Report, Failure> {
    if job.work != Work::Rebalance || !job.partitions.is_multiple_of(2) {
        return Err("not a job of sharing an even number of partitions".into());
    }
    let partitions = usize::from(job.partitions);
    let half = partitions / 2;
    let (sender, news) = channel();
    let mut sharing = Sharing::new(partitions, news);
    let first = Running::start(0, job, &sender, run);
    sharing.until(|sharing| sharing.owned[0] == partitions && sharing.was_handed(0) == partitions)?;

    let (mut cost, mut assigned) = (Cost { seconds: 0.0, cpu_seconds: 0.0 }, Duration::ZERO);
    for round in 0..ROUNDS {
        sharing.rest(REST + HEARTBEAT * round / ROUNDS)?;
        sharing.start_over();
        let meter = Meter::start()?;
        let began = Instant::now();
        let second = Running::start(1, job, &sender, run);
        let shared = sharing.until(|sharing| sharing.owned == [half; 2])?;
        sharing.until(|sharing| sharing.owned == [half; 2] && sharing.was_handed(1) >= half)?;
        let its = meter.stop()?;
        cost.seconds += its.seconds / f64::from(ROUNDS);
        cost.cpu_seconds += its.cpu_seconds / f64::from(ROUNDS);
        assigned += shared.saturating_duration_since(began) / ROUNDS;
        second.end()?;
        sharing.until(|sharing| sharing.owned[0] == partitions)?;
    }
    first.end()?;
    Ok(Report::shared(partitions as u64, cost, assigned))
}

/// A member's part of the job.
pub type Run = fn(&Job, &Member) -> Result<(), Failure>;

/// A member in its thread.
struct Running {
    going: Arc<()>,
    thread: JoinHandle<()>,
}

impl Running {
    fn start(number: usize, job: &Job, news: &Sender<News>, run: Run) -> Self {
        let going = Arc::new(());
        let (job, member) = (job.clone(), Member { number, news: news.clone(), goes_on: Arc::downgrade(&going) });
        let thread = thread::spawn(move || {
            if let Err(error) = run(&job, &member) {
                member.tell(News::Failed(error));
            }
        });
        Self { going, thread }
    }

    fn end(self) -> Result<(), Failure> {
        drop(self.going);
        self.thread.join().map_err(|_| "a member panicked".into())
    }
}

impl Sharing {
    fn new(partitions: usize, news: Receiver<News>) -> Self {
        Self { owned: [0; 2], handed: [vec![false; partitions], vec![false; partitions]], news }
    }

    fn was_handed(&self, member: usize) -> usize {
        self.handed[member].iter().filter(|handed| **handed).count()
    }

    /// Takes in what is told until `is_done`, and says when that was.
    fn until(&mut self, is_done: impl Fn(&Self) -> bool) -> Result<Instant, Failure> {
        let limit = Instant::now() + PATIENCE;
        loop {
            // All there is at once: a look after each of a thousand records would cost more than what is measured.
            while let Ok(news) = self.news.try_recv() {
                self.learn(news)?;
            }
            let now = Instant::now();
            if is_done(self) {
                return Ok(now);
            }
            match self.news.recv_timeout(limit.saturating_duration_since(now)) {
                Ok(news) => self.learn(news)?,
                Err(_) => {
                    let handed = [self.was_handed(0), self.was_handed(1)];
                    return Err(
                        format!("the members own {:?} partitions and were handed {handed:?}", self.owned).into()
                    );
                }
            }
        }
    }

    /// Waits for a while in which nothing is to change.
    fn rest(&mut self, rest: Duration) -> Result<(), Failure> {
        let limit = Instant::now() + rest;
        while let Ok(news) = self.news.recv_timeout(limit.saturating_duration_since(Instant::now())) {
            self.learn(news)?;
        }
        Ok(())
    }

    /// Another second member comes, which owns nothing and was handed nothing.
    fn start_over(&mut self) {
        self.owned[1] = 0;
        self.handed[1].fill(false);
    }

    fn learn(&mut self, news: News) -> Result<(), Failure> {
        match news {
            News::Gained(member, partitions) => self.owned[member] += partitions,
            News::Lost(member, partitions) => self.owned[member] = self.owned[member].saturating_sub(partitions),
            News::Owns(member, partitions) => self.owned[member] = partitions,
            News::Handed(member, partition) => {
                *self.handed[member].get_mut(partition).ok_or("a record of an unknown partition")? = true;
            }
            News::Failed(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(news: impl IntoIterator<Item = News>) -> Sharing {
        let (sender, receiver) = channel();
        news.into_iter().for_each(|news| sender.send(news).unwrap());
        Sharing::new(4, receiver)
    }

    #[test]
    fn what_comes_and_goes_is_what_is_owned() {
        let news = [News::Gained(0, 4), News::Lost(0, 4), News::Gained(0, 2), News::Gained(1, 1), News::Owns(1, 2)];
        let mut sharing = told(news);
        sharing.until(|sharing| sharing.owned == [2, 2]).unwrap();
    }

    #[test]
    fn a_record_of_a_partition_counts_once() {
        let mut sharing = told([News::Handed(1, 3), News::Handed(1, 3), News::Handed(1, 0)]);
        sharing.until(|sharing| sharing.was_handed(1) == 2).unwrap();
        assert!(told([News::Handed(1, 4)]).until(|_| false).is_err());
    }

    #[test]
    fn a_member_that_fails_ends_the_wait() {
        let failed = told([News::Gained(0, 4), News::Failed("no broker".into())]).until(|_| false);
        assert_eq!(failed.unwrap_err().to_string(), "no broker");
    }
}
