//! Fetch sessions: which there are, and their loss.

use super::Broker;
use crate::cluster::Cluster;
use crate::cluster::fetch_sessions::{FetchSessions, Session};

/// A fetch session at the moment it was asked for (KIP-227).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchSession {
    /// The node that keeps it.
    pub node: i32,
    /// Its id.
    pub id: i32,
    /// The epoch that the client's next request must have.
    pub epoch: i32,
    /// Topics and partitions in it, in the order in which they are read. A topic whose id is of none has no name.
    pub partitions: Vec<(String, i32)>,
}

impl Broker {
    /// All fetch sessions, by node and id.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let broker = ottla_broker::Broker::start().topic("orders", 3).await;
    /// assert!(broker.fetch_sessions().is_empty(), "nobody has fetched yet");
    /// # }
    /// ```
    pub fn fetch_sessions(&self) -> Vec<FetchSession> {
        self.shared().with(|cluster, _| {
            let of_node = |(node, sessions): (i32, &FetchSessions)| {
                sessions.iter().map(|(id, session)| FetchSession::new(node, id, session)).collect::<Vec<_>>()
            };
            (0..).zip(&cluster.fetch_sessions).flat_map(of_node).collect()
        })
    }

    /// Forgets all fetch sessions, as nodes do that restart or need the room: the next request of each is answered
    /// with `FETCH_SESSION_ID_NOT_FOUND`.
    pub fn drop_fetch_sessions(&self) {
        self.change_fetch_sessions(FetchSessions::clear);
    }

    /// Keeps at most so many fetch sessions a node from now on; with 0 none, and those there are end. See
    /// [`Builder::fetch_session_slots`](crate::Builder::fetch_session_slots).
    pub fn set_fetch_session_slots(&self, slots: usize) {
        self.change_fetch_sessions(|sessions| {
            sessions.slots = slots;
            if slots == 0 {
                sessions.clear();
            }
        });
    }

    fn change_fetch_sessions(&self, change: impl FnMut(&mut FetchSessions)) {
        self.shared().change(|cluster: &mut Cluster, _| cluster.fetch_sessions.iter_mut().for_each(change));
    }
}

impl FetchSession {
    fn new(node: i32, id: i32, session: &Session) -> Self {
        let partitions = session.partitions.iter().map(|wanted| {
            let name = wanted.name.as_ref().map_or_else(String::new, |name| name.to_string());
            (name, wanted.partition.partition)
        });
        Self { node, id, epoch: session.epoch, partitions: partitions.collect() }
    }
}
