//! What is measured: every row with its function, its endpoints and its programs.

use super::bed::Subject;

/// What kind of figures a row has; each has a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// Messages a second.
    Rate,
    /// From the receipt to the request, one message at a time.
    Latency,
    /// The first message of a process.
    Cold,
    /// Several endpoints in one batch.
    Shared,
}

impl Group {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Rate, Self::Latency, Self::Cold, Self::Shared];

    /// What its table is called.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Rate => "throughput",
            Self::Latency => "latency",
            Self::Cold => "first message",
            Self::Shared => "shared batches",
        }
    }
}

/// An endpoint that is a sink's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The sink's id.
    pub(super) sink: String,
    /// How long it takes, in milliseconds.
    pub(super) takes: u64,
    /// The sink's own time-out, as it is configured.
    pub(super) timeout: Option<&'static str>,
}

impl Endpoint {
    fn new(sink: &str, takes: u64) -> Self {
        Self { sink: sink.to_owned(), takes, timeout: None }
    }
}

/// What is measured of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Batches of one size, one after another.
    Rate { batch: usize },
    /// One message after another.
    Latency,
    /// Starts, each with one message.
    Cold,
    /// Few batches of a hundred in which the endpoints take turns.
    Shared { batches: usize },
}

/// One row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Its group.
    pub(super) group: Group,
    /// What is special about it.
    pub(super) name: String,
    /// Ours that is measured.
    pub(super) function: &'static str,
    /// The tenant's endpoints.
    pub(super) endpoints: Vec<Endpoint>,
    /// The programs that are measured with it.
    pub(super) subjects: Vec<Subject>,
    pub(super) kind: Kind,
}

impl Row {
    /// Its name with its group's.
    pub(super) fn full_name(&self) -> String {
        format!("{}: {}", self.group.title(), self.name)
    }
}

/// The name of a webhook's row in the table of throughput.
pub(super) fn webhook(takes: u64, batch: usize) -> String {
    format!("webhook, {takes} ms, batch {batch}")
}

/// The name of a row of many endpoints.
pub(super) fn of_sinks(sinks: usize) -> String {
    if sinks == 1 { "one sink of 20 ms".to_owned() } else { format!("{sinks} sinks of 20 ms") }
}

/// All rows; for a quick look, slow endpoints are less slow.
pub(super) fn all(quick: bool) -> Vec<Row> {
    let compared = [Subject::Default, Subject::Strict, Subject::Plain];
    let mut rows = Vec::new();
    for takes in [20, 500] {
        for batch in [10, 25, 100] {
            rows.push(Row {
                group: Group::Rate,
                name: webhook(takes, batch),
                function: "webhook",
                endpoints: vec![Endpoint::new("one", takes)],
                subjects: compared.to_vec(),
                kind: Kind::Rate { batch },
            });
        }
    }
    if !quick {
        rows.push(Row {
            group: Group::Rate,
            name: webhook(3_000, 100),
            function: "webhook",
            endpoints: vec![Endpoint::new("one", 3_000)],
            subjects: vec![Subject::Default],
            kind: Kind::Rate { batch: 100 },
        });
    }
    let more = [("forward", 10, &compared[..]), ("forward", 100, &compared), ("router", 100, &[Subject::Default])];
    for (function, batch, subjects) in more {
        rows.push(Row {
            group: Group::Rate,
            name: format!("{function}, batch {batch}"),
            function,
            endpoints: Vec::new(),
            subjects: subjects.to_vec(),
            kind: Kind::Rate { batch },
        });
    }
    for (group, kind) in [(Group::Latency, Kind::Latency), (Group::Cold, Kind::Cold)] {
        rows.push(Row {
            group,
            name: "webhook, 20 ms".to_owned(),
            function: "webhook",
            endpoints: vec![Endpoint::new("one", 20)],
            subjects: compared.to_vec(),
            kind,
        });
    }
    rows.extend(shared(quick));
    rows
}

fn shared(quick: bool) -> Vec<Row> {
    let batches = if quick { 2 } else { 10 };
    let row = |name: String, endpoints: Vec<Endpoint>, batches| Row {
        group: Group::Shared,
        name,
        function: "webhook",
        endpoints,
        subjects: vec![Subject::Default],
        kind: Kind::Shared { batches },
    };
    let fast = || Endpoint::new("fast", 20);
    let many = |sinks: usize| (0..sinks).map(|number| Endpoint::new(&format!("s{number}"), 20)).collect();
    let (slow, timeout) = if quick { (300, Some("1s")) } else { (3_000, None) };
    let silent = Endpoint { timeout, ..Endpoint::new("slow", 60_000) };
    vec![
        row(of_sinks(1), many(1), batches),
        row(of_sinks(10), many(10), batches),
        row(of_sinks(50), many(50), batches),
        row(format!("half to {slow} ms"), vec![fast(), Endpoint::new("slow", slow)], 2),
        row("half to one that times out".to_owned(), vec![fast(), silent], 1),
    ]
}
