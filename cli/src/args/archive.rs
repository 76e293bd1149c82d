//! The arguments of `acequia archive`.

use acequia_core::id::TenantId;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::parse_time;
use crate::author::Author;

const ABOUT: &str = "\
An hour is closed an hour after its end. Its small objects are put into one object of Parquet, or a few where they are
large; they are deleted once that is read back. Late objects of an hour that was compacted are put together with what
is there. The platform does the same each hour, for tenants whose archive sinks have compact = true or
format = \"parquet\".

Readers miss nothing while it works. It can be killed at any time, and be run again. Ctrl-C and SIGTERM end it after the
hour under way. The exit code is 1 where something is left: the output says what.";

#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Make one object of each closed hour's small objects
    Compact(CompactArgs),
}

#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(crate) struct CompactArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// From the hour of this time on: how long ago (5m, 2h, 3d), a date (in UTC), or RFC 3339. Without it, the last 15
    /// days
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) from: Option<Timestamp>,
    /// Before the hour of this time. Without it, all hours that are closed
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) to: Option<Timestamp>,
    /// Say which hours have something to do, by the names of objects; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) author: Author,
}
