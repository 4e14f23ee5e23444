//! Defects on purpose, one for each rule that simulations check: to see that they are found. Only with the feature
//! `planted-bugs`, which no release has.

#[cfg(feature = "planted-bugs")]
use std::cell::Cell;

/// A defect that can be planted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[cfg_attr(not(feature = "planted-bugs"), expect(unreachable_pub, reason = "nothing plants them without the feature"))]
pub enum Bug {
    /// A batch whose connection broke counts as written.
    LostWrite,
    /// A batch of unknown fate is sent again under a new number.
    Duplicate,
    /// What failed is sent again behind what came after it.
    OutOfOrder,
    /// A batch whose time is over is forgotten, and nobody is told.
    NoOutcome,
    /// Close waits for every record, however long that takes.
    LateClose,

    /// A share consumer's acknowledgement whose answer was lost counts as taken.
    LostAcknowledgement,
    /// A share consumer accepts what it was delivered and lets go of.
    AcceptsUnseen,
    /// Nobody hears of a share consumer's acknowledgement that failed with its connection.
    UnheardAcknowledgement,
    /// A topic whose creation has no answer counts as created.
    UncertainTopic,
    /// A topic's creation is asked for again where it is known to be there, and that counts as created.
    CreatedAgain,
    /// What a broker says of a topic to create is told without the topic.
    NamelessError,
    /// A batch that fails keeps its memory.
    KeptMemory,
    /// What failed is tried again at once.
    NoBackoff,
    /// Where several wait for memory, none is woken when there is some.
    NoWakeUp,
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants a defect for everything that runs on this thread, or takes it away.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether the client has this defect here.
#[cfg(feature = "planted-bugs")]
pub(crate) fn has(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether the client has this defect here: never.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn has(_: Bug) -> bool {
    false
}
