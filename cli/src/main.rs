//! `acequia`, the operator's command: tenants, secrets, events, and what became of them.

mod args;
mod author;
mod beside;
mod command;
mod confirm;
mod context;
mod exit;
mod failure;
mod file;
mod input;
mod interrupt;
mod output;
mod position;
mod schema_source;
mod template_source;
mod tenant_file;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return command::print_usage(&error).into(),
    };
    interrupt::listen(command::so_far(&arguments.command));
    match Box::pin(command::run(&arguments)).await {
        Ok(report) => output::print(&report, arguments.output).into(),
        Err(failure) => {
            output::complain(&failure);
            failure.exit().into()
        }
    }
}
