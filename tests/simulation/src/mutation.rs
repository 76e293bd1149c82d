//! Ways to break the protocol on purpose, each of which the simulator must find: a proof that it can fail.

/// One way to break the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A delivery that is in progress elsewhere is taken for done, and acknowledged.
    AcknowledgeInProgress,
    /// A lease ends a second after the claim, whatever the invocation still has to do.
    ShortLease,
    /// A claim is recorded as delivered at once, before the effect.
    CompleteFirst,
    /// A delivery that stands in a batch twice is performed twice.
    SkipFold,
    /// A dead-letter queue that does not take a message is taken to have it.
    BelieveDeadLetters,
    /// A message that could not be delayed is taken to be.
    BelieveDelays,
    /// A failed delivery is due at once, whatever its schedule says.
    DueAtOnce,
    /// No function learns of circuits that are open.
    IgnoreCircuit,
    /// No function learns that an endpoint is probed, and every invocation that would probe it is told that it may.
    ElectAll,
    /// No function learns that a sink is paused.
    IgnorePause,
    /// A look at a delivery that is not due makes it due.
    LookExpedites,
    /// The ledger forgets the attempts of deliveries that are not claimed.
    ForgetAttempts,
    /// That a delivery expired is recorded nowhere.
    ForgetExpired,
    /// The store of configurations panics now and then.
    Panic,
    /// The webhook sink panics now and then.
    PanicInSink,
    /// Reservations of a rate are made without a look at other invocations' reservations.
    IgnoreRate,
    /// The ledger forgets whose a record is: tenants share their keys.
    ShareLedger,
    /// The sink loop lets messages go on that stand behind one of their group that is to come back.
    SkipStop,
    /// A sink has more requests under way at once than its tenant allows.
    SkipBound,
    /// What is too late for its batch is taken as delivered.
    ForgetRest,
    /// With the first delivery of a batch that is recorded early, all are.
    RecordAhead,
    /// The router gives each delivery a group of its own.
    ForgetGroup,
    /// The intake keeps no groups: each event is in one of its own.
    ForgetGroupAtIntake,
    /// An intake that does not take an event is taken to have it.
    BelieveIntake,
    /// The offset of a partition passes records that failed.
    PassFailed,
}

impl Mutation {
    /// The mutations that break order, which the family `ordered` finds.
    pub const OF_ORDER: [Self; 3] = [Self::SkipStop, Self::ForgetGroup, Self::ForgetGroupAtIntake];

    /// The mutations that lose records of topics, which the family `kafka` finds.
    pub const OF_TOPICS: [Self; 2] = [Self::BelieveIntake, Self::PassFailed];

    /// The other mutations, which break the protocol.
    pub const ALL: [Self; 18] = [
        Self::AcknowledgeInProgress,
        Self::ShortLease,
        Self::CompleteFirst,
        Self::SkipFold,
        Self::BelieveDeadLetters,
        Self::BelieveDelays,
        Self::DueAtOnce,
        Self::IgnoreCircuit,
        Self::ElectAll,
        Self::IgnorePause,
        Self::LookExpedites,
        Self::ForgetAttempts,
        Self::ForgetExpired,
        Self::IgnoreRate,
        Self::ShareLedger,
        Self::SkipBound,
        Self::ForgetRest,
        Self::RecordAhead,
    ];
}
