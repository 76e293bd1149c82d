//! `acequia`, the operator's command: tenants, secrets, events, and what became of them.

mod args;
mod change;
mod command;
mod confirm;
mod context;
mod exit;
mod output;
mod position;
mod template_source;
mod tenant_file;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    match Box::pin(command::run(&arguments)).await {
        Ok(report) => {
            output::print(&report, arguments.output);
            report.exit.into()
        }
        Err(failure) => {
            output::complain(&failure);
            failure.exit().into()
        }
    }
}
