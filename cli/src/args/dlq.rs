//! The arguments of `acequia dlq`.

use acequia_core::delivery::redrive::Filter;
use acequia_core::id::{EventId, SinkId, TenantId};
use acequia_core::queue::QueueRole;
use acequia_core::routing::TypeRule;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{parse_rate, parse_time};
use crate::author::Author;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Show messages and why they are there. Looking hides them for a moment
    List {
        /// The tenant's id
        tenant: TenantId,
        #[command(flatten)]
        filter: DlqFilter,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show the dead letters of one event, or one message, whole, with the history of their attempts. Looking hides
    /// messages for a moment
    Show(ShowArgs),
    /// Move messages back to the queues that they came from. Stopped on the way, it can be run again
    Redrive(RedriveArgs),
    /// Delete messages for good
    Purge(PurgeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// The event, as SOURCE|ID (quote it: | is the shell's)
    #[arg(value_name = "EVENT", required_unless_present = "message", conflicts_with = "message")]
    pub(crate) event: Option<EventId>,
    /// The message, in place of EVENT: the id that `dlq list` shows. Also of what is no event
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) message: Option<String>,
    #[command(flatten)]
    pub(crate) place: DlqPlace,
    /// Show the body too, which may hold personal data
    #[arg(long)]
    pub(crate) body: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RedriveArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    #[command(flatten)]
    pub(crate) filter: DlqFilter,
    /// At most so many
    #[arg(long)]
    pub(crate) limit: Option<u64>,
    /// At most so many messages a second, such as 20/s
    #[arg(long, value_name = "N/s", value_parser = parse_rate)]
    pub(crate) rate: Option<u32>,
    /// Count what would be moved, and move nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also send again what a run that was killed may have sent already: it may arrive twice
    #[arg(long)]
    pub(crate) resend_unsure: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) author: Author,
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    #[command(flatten)]
    pub(crate) filter: DlqFilter,
    /// At most so many
    #[arg(long)]
    pub(crate) limit: Option<u64>,
    /// Count what would be deleted, and delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) author: Author,
}

/// Where to look.
#[derive(Debug, Args)]
pub(crate) struct DlqPlace {
    #[arg(long, value_parser = parse_role, help = format!("Only the dead-letter queue behind this queue: {}", roles()))]
    pub(crate) queue: Option<QueueRole>,
    /// Only deliveries to this sink
    #[arg(long)]
    pub(crate) sink: Option<SinkId>,
}

#[derive(Debug, Args)]
pub(crate) struct DlqFilter {
    #[command(flatten)]
    pub(crate) place: DlqPlace,
    /// Only messages with this reason, such as attempts-exhausted
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Only events of this type, or of all below a prefix: action.*
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type)]
    pub(crate) types: Option<TypeRule>,
    /// Only what was quarantined (else sent) from this time on: how long ago (5m, 2h, 3d), a date (in UTC), or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<Timestamp>,
    /// Only what was quarantined (else sent) before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<Timestamp>,
    /// Only this event, as SOURCE|ID (quote it: | is the shell's)
    #[arg(long)]
    pub(crate) event: Option<EventId>,
    /// Only this message, by the id that `dlq list` shows; several times for several
    #[arg(long = "message", value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) messages: Vec<String>,
}

impl DlqFilter {
    /// The conditions on messages; the queue is not among them.
    ///
    /// # Errors
    /// Where no time can meet both of its bounds.
    pub(crate) fn conditions(&self) -> Result<Filter, Failure> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(Failure::Usage(format!(
                "nothing lies between --since {since} and --until {until}: --since must be the earlier one"
            )));
        }
        Ok(Filter {
            sink: self.place.sink.clone(),
            reason: self.reason.clone(),
            types: self.types.clone(),
            since: self.since,
            until: self.until,
            event: self.event.clone(),
            letters: (!self.messages.is_empty()).then(|| self.messages.iter().cloned().collect()),
        })
    }
}

/// The words for the roles of queues, as a sentence has them.
fn roles() -> String {
    let mut words: Vec<&str> = QueueRole::ALL.iter().map(|role| role.as_str()).collect();
    let last = words.pop().unwrap_or_default();
    format!("{} or {last}", words.join(", "))
}

fn parse_role(text: &str) -> Result<QueueRole, String> {
    QueueRole::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| format!("it must be {}", roles()))
}

pub(super) fn parse_type(text: &str) -> Result<TypeRule, String> {
    text.parse().map_err(|wants| format!("it must be {wants}"))
}
