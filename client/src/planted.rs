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
    /// Records of aborted transactions are handed out to readers of committed ones.
    AbortedRead,
    /// Fetches of readers of committed records do not say so.
    EarlyRead,
    /// The marker that ends an aborted transaction is not looked at: what its producer commits later is skipped.
    EndlessAbort,
    /// A commit goes on though a batch could not be sent.
    CommitInPart,
    /// A commit counts as one whatever its coordinator answers.
    CommitAnyway,
    /// Offsets that the coordinator refused count as a part of the transaction.
    OffsetsAnyway,
    /// Offsets that wait for the end of a transaction are taken for committed ones.
    UnstableOffsets,
    /// Nothing is read again that was read for a transaction that failed.
    NoWayBack,
    /// What a poll leaves of a batch is forgotten.
    ForgottenRest,
    /// A partition that stays in a rebalance goes back to what is committed.
    KeptGoesBack,
    /// The leader of a group does not see partitions that are added.
    UnseenPartitions,
    /// What was fetched is committed, not what was handed out.
    CommitFetched,
    /// What was committed by hand may be taken back on leaving.
    CommitTakenBack,
    /// A partition is given to another member before its owner gave it up.
    GivenTooEarly,
    /// A listener may be told that partitions came which are being given up already.
    ToldOfGoing,
    /// A member that its coordinator does not know any more does not join again.
    NoRejoin,
    /// What was fetched before a seek is handed out after it.
    StaleBuffer,
    /// Pausing has no effect on what was fetched.
    NoPause,
    /// Nobody is told of a damaged batch.
    SilentDamage,

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
