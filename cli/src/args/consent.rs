//! The arguments of `acequia consent`.

use std::path::PathBuf;

use acequia_core::id::TenantId;
use clap::{Args, Subcommand};

use crate::author::Author;

#[derive(Debug, Subcommand)]
pub(crate) enum ConsentCommand {
    /// Show where a subject stands: each list, who did what when, and its actions
    Show(SubjectArgs),
    /// Write the proof of a subject's consent as JSON Lines
    Export {
        #[command(flatten)]
        subject: SubjectArgs,
        /// Where to write, to a new file that only you can read; - is stdout
        #[arg(long, value_name = "FILE", default_value = "-")]
        out: PathBuf,
        #[command(flatten)]
        author: Author,
    },
    /// Erase a subject: its consents, what waits for them, and what is known of its address
    Erase {
        #[command(flatten)]
        subject: SubjectArgs,
        /// Keep the digest of an address that wants no mails, so that it gets none
        #[arg(long)]
        keep_suppressed: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        author: Author,
    },
}

/// Whose consent.
#[derive(Debug, Args)]
pub(crate) struct SubjectArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// The subject as the tenant's events name it, an address as a rule; - reads it from stdin, so that it stands in no
    /// history
    pub(crate) subject: String,
}
