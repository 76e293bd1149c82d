//! What a function tells of its work: logs, one line of metrics per batch, and a record of each failed or sampled
//! attempt.
//!
//! docs/LOGGING.md lists every field and metric.

mod audit;
mod intake;
mod log;
mod metrics;
mod replay;
mod sample;
mod source;
mod stall;
mod sweep;
mod watch;

use std::sync::{Mutex, PoisonError};

use acequia_core::audit::AuditRow;
use acequia_core::id::{Stage, TenantId};
use acequia_core::outcome::stall::{Stalls, Store};
use acequia_core::port::{Clock, Lines};
use acequia_core::queue::QueueName;
use jiff::Timestamp;
use metrique::emf::Emf;
use metrique::writer::Entry;
use metrique::writer::format::Format as _;

pub use intake::IntakeMetrics;
pub use log::{start_telemetry, subscriber};
pub use metrics::BatchMetrics;
pub use replay::ReplayMetrics;
use sample::Sample;
pub use source::SourceMetrics;
pub use sweep::SweepMetrics;
pub use watch::WatchMetrics;

use crate::{Environment, StandardOutput};

/// How much a function tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reporting {
    sample: Sample,
    level: String,
}

impl Default for Reporting {
    /// Failures only.
    fn default() -> Self {
        Self { sample: Sample::NONE, level: "INFO".to_owned() }
    }
}

impl Reporting {
    /// Reads `ACEQUIA_SAMPLE`, the share of attempts that are logged though they went well (none where it is left out),
    /// and `AWS_LAMBDA_LOG_LEVEL`.
    pub fn read(environment: &mut Environment) -> Self {
        let sample = environment.parsed_or("ACEQUIA_SAMPLE", "a number from 0 to 1", Sample::NONE, Sample::parse);
        let level = environment.optional("AWS_LAMBDA_LOG_LEVEL").unwrap_or_else(|| "INFO".to_owned());
        Self { sample, level }
    }

    /// This, with another sample: for tests.
    #[must_use]
    pub fn sampling(mut self, share: f64) -> Self {
        self.sample = Sample::of(share).unwrap_or(Sample::NONE);
        self
    }
}

/// The way out for metrics, and the choice of what is logged.
pub struct Telemetry {
    reporting: Reporting,
    lines: Option<Box<dyn Lines>>,
    format: Mutex<Emf>,
}

impl Telemetry {
    /// Metrics go to `lines`.
    pub fn new(reporting: Reporting, lines: impl Lines + 'static) -> Self {
        Self { reporting, lines: Some(Box::new(lines)), format: Mutex::new(metrics::format()) }
    }

    /// Metrics go to standard output, and from there to `CloudWatch`.
    pub fn to_stdout(reporting: Reporting) -> Self {
        Self::new(reporting, StandardOutput)
    }

    /// No metrics, and logs of failures only: for tests that are about something else.
    pub fn silent() -> Self {
        Self { reporting: Reporting::default(), lines: None, format: Mutex::new(metrics::format()) }
    }

    /// Whether what has this hash (hex digits, evenly spread) is logged though it went well. The same for all its
    /// attempts.
    pub fn samples(&self, hash: &str) -> bool {
        self.reporting.sample.takes(hash)
    }

    /// Whether anything at all is logged though it went well.
    pub fn is_sampling(&self) -> bool {
        self.reporting.sample != Sample::NONE
    }

    /// Writes the line of one batch, and those of what held it up.
    pub fn write(&self, queue: &QueueName, at: Timestamp, metrics: &BatchMetrics) {
        self.write_line(&metrics::Line::new(queue, at, &self.reporting.level, metrics));
        let who = (metrics::function(queue.role), Some(&queue.tenant));
        self.write_stalls(&queue.stage, who, at, &metrics.stalls);
    }

    /// Writes the line of one sweep.
    pub fn write_sweep(&self, stage: &Stage, at: Timestamp, metrics: &SweepMetrics) {
        self.write_line(&sweep::SweepLine { stage, at, level: &self.reporting.level, metrics });
    }

    /// Writes the line of one invocation that ran replays.
    pub fn write_replays(&self, stage: &Stage, at: Timestamp, metrics: &ReplayMetrics) {
        self.write_line(&replay::ReplayLine { stage, at, level: &self.reporting.level, metrics });
    }

    /// Writes the line of one request at the front door.
    pub fn write_intake(&self, stage: &Stage, tenant: &TenantId, at: Timestamp, metrics: &IntakeMetrics) {
        self.write_line(&intake::IntakeLine { stage, tenant, at, level: &self.reporting.level, metrics });
    }

    /// Writes a row of an audit log.
    pub fn write_audit(&self, stage: &Stage, tenant: &TenantId, row: &AuditRow) {
        self.write_line(&audit::AuditLine { stage, tenant, level: &self.reporting.level, row });
    }

    /// Writes a line for each store of ours that held something up, where there is one. `function` is who waited, and
    /// `tenant` whose work, where it was one tenant's.
    pub fn write_stalls(
        &self,
        stage: &Stage,
        (function, tenant): (&'static str, Option<&TenantId>),
        at: Timestamp,
        stalls: &Stalls,
    ) {
        for (store, count) in stalls.iter() {
            let level = &self.reporting.level;
            // Made anew, because it is hardly ever needed.
            self.write_in(&mut stall::format(), &stall::StallLine { stage, function, tenant, at, level, store, count });
        }
    }

    /// The same of one message, row or request, at the place where it was held up; nothing where that was not ours.
    pub fn write_stall(
        &self,
        stage: &Stage,
        who: (&'static str, Option<&TenantId>),
        clock: &dyn Clock,
        store: Option<Store>,
    ) {
        let mut stalls = Stalls::default();
        if let Some(store) = store {
            stalls.add(store, 1);
            self.write_stalls(stage, who, clock.now(), &stalls);
        }
    }

    /// Writes the line of what a source brought for a tenant, and those of what held it up. `function` is which.
    pub fn write_source(
        &self,
        stage: &Stage,
        (function, tenant): (&'static str, Option<&TenantId>),
        at: Timestamp,
        metrics: &SourceMetrics,
    ) {
        let level = &self.reporting.level;
        self.write_line(&source::SourceLine { stage, function, tenant, at, level, metrics });
        self.write_stalls(stage, (function, tenant), at, &metrics.stalls);
    }

    /// Writes the line of one look of the guard.
    pub fn write_watch(&self, stage: &Stage, at: Timestamp, metrics: &WatchMetrics) {
        self.write_line(&watch::WatchLine { stage, at, level: &self.reporting.level, metrics });
    }

    fn write_line(&self, line: &impl Entry) {
        self.write_in(&mut self.format.lock().unwrap_or_else(PoisonError::into_inner), line);
    }

    fn write_in(&self, format: &mut Emf, line: &impl Entry) {
        let Some(lines) = &self.lines else { return };
        let mut bytes = Vec::with_capacity(1024);
        let formatted = format.format(line, &mut bytes);
        match (formatted, str::from_utf8(&bytes)) {
            (Ok(()), Ok(text)) => lines.write(text.trim_end()),
            (Err(error), _) => tracing::error!(error = %error, "metrics could not be written"),
            (Ok(()), Err(error)) => tracing::error!(error = %error, "metrics could not be written"),
        }
    }
}
