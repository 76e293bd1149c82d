//! The arguments of `acequia erase`.

use acequia_core::id::TenantId;
use clap::Args;
use jiff::Timestamp;

use super::parse_time;
use super::table::EntryArgs;
use crate::author::Author;

const ABOUT: &str = "\
It reaches the archive, delayed messages, dead letters, consents, and the tables of the tenant's table sinks. A table's
database is entered by the password in PGPASSWORD, or by IAM where the sink says so; without, its statement is printed.

It says item by item what was erased, and what remains until when. Killed, or stopped by Ctrl-C, it can be run again and
finds the rest. The audit log has the digest of the subject, and not the subject.

The exit code is 1 where something could not be looked at: the output says what.";

#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(crate) struct EraseArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// The subject as the tenant's events name it, or its digest; - reads it from stdin, so that it stands in no history
    #[arg(long)]
    pub(crate) subject: String,
    /// Also events that match this event pattern, as JSON: for those that name the person by something else
    #[arg(long = "match", value_name = "PATTERN")]
    pub(crate) pattern: Option<String>,
    /// Of the archive: events that were accepted from this time on. Without, from the first on
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) from: Option<Timestamp>,
    /// Of the archive: events that were accepted in the hour of this time or before. Without, all
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) to: Option<Timestamp>,
    /// Keep the digest of an address that wants no mails, so that it gets none
    #[arg(long)]
    pub(crate) keep_suppressed: bool,
    /// Count what would be erased; erase nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) entry: EntryArgs,
    #[command(flatten)]
    pub(crate) author: Author,
}
