//! Ways to break consent on purpose, each of which the simulator must find.

/// One way to break consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// What follows from a change is written by a second call, after the change itself.
    SplitCommit,
    /// Outbox rows are deleted before what they ask for is in the queues.
    SettleFirst,
    /// The sweep is never called.
    NeverSweep,
    /// Looking at a link does what its button does.
    ActOnLook,
    /// A change is written whatever was written in between.
    IgnoreVersion,
    /// The e-mail sink takes every subject for one that has not answered.
    AskTheAnswered,
    /// No function learns of suppressed addresses.
    IgnoreSuppression,
    /// The stream is told of what failed, so that it hands out the neighbours too, and the outbox does not look whether
    /// a row is still there.
    RepeatNeighbours,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::SplitCommit,
        Self::SettleFirst,
        Self::NeverSweep,
        Self::ActOnLook,
        Self::IgnoreVersion,
        Self::AskTheAnswered,
        Self::IgnoreSuppression,
        Self::RepeatNeighbours,
    ];
}
