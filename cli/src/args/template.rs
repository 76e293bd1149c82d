//! The arguments of `acequia template`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum TemplateCommand {
    /// Fill a template from a sample event and write it to a file; no call to AWS is made
    Preview {
        #[command(flatten)]
        sample: SampleArgs,
        /// Where to write: HTML where the template has it and the name ends in .html, else the plain text
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Fill a template from a sample event and send it, marked as a test
    SendTest {
        #[command(flatten)]
        sample: SampleArgs,
        /// Whom to send it to: one of `mail.test_recipients`
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
}

/// Which template, filled with what.
#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// The tenant's TOML file
    pub(crate) file: PathBuf,
    /// The template's name
    pub(crate) template: String,
    /// The sample: a file with one event as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) event: PathBuf,
    /// The language, such as fr-CA; by default the tenant's
    #[arg(long)]
    pub(crate) locale: Option<String>,
}
