//! The arguments of `acequia table`.

use std::path::PathBuf;

use acequia_core::id::{SinkId, TenantId};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum TableCommand {
    /// Print the statements that make inbox and outbox beside the table of a sink, or run them
    Init(InitTableArgs),
    /// Compare the table sinks of a file with their databases: columns, types, keys and privileges
    Check(CheckTableArgs),
    /// Send the events of a sink's outbox to the tenant's intake
    Relay(RelayArgs),
}

/// How the command enters a database.
#[derive(Debug, Args)]
pub(crate) struct EntryArgs {
    /// The password, which stands in the environment and not on a command line
    #[arg(long, env = "PGPASSWORD", hide = true, hide_env_values = true, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InitTableArgs {
    /// The tenant's TOML file
    pub(crate) file: PathBuf,
    /// The sink's id, as in the file
    pub(crate) sink: SinkId,
    /// Run them, by the password in `PGPASSWORD`, or IAM where the sink says so
    #[arg(long)]
    pub(crate) run: bool,
    /// Who runs them; by default the user of the sink, who needs less for its rows
    #[arg(long = "as", value_name = "USER", requires = "run")]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) entry: EntryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CheckTableArgs {
    /// The tenant's TOML file. The database is entered by the password in `PGPASSWORD`, or IAM where a sink says so
    pub(crate) file: PathBuf,
    /// Only this sink
    #[arg(long)]
    pub(crate) sink: Option<SinkId>,
    #[command(flatten)]
    pub(crate) entry: EntryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// The sink's id, as in the configuration. Its database is entered by the password in `PGPASSWORD`, or IAM where
    /// it says so
    pub(crate) sink: SinkId,
    /// Go on with what comes, until a signal ends it
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) entry: EntryArgs,
}
