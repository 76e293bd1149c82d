//! The commands, one module each. A command reads and writes through ports and gives a report; printing is not its business.

mod consent;
mod dlq;
mod doctor;
mod explain;
mod pace;
mod parked;
mod secret;
mod send;
mod status;
mod tally;
mod template;
mod tenant;

use clap::CommandFactory as _;

use crate::args::{Arguments, Command, SecretCommand};
use crate::context::{Context, egress};
use crate::exit::Failure;
use crate::output::Report;

/// Runs the command that was asked for.
pub(crate) async fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let context = || Context::load(&arguments.stage, arguments.region.as_ref());
    match &arguments.command {
        Command::Tenant(command) => {
            Box::pin(tenant::run(command, &arguments.stage, egress(&arguments.stage), context)).await
        }
        Command::Secret(SecretCommand::Put(put)) => secret::put(&context().await, put).await,
        Command::Consent(command) => consent::run(&context().await, command).await,
        Command::Template(command) => Box::pin(template::run(command, &arguments.stage, context)).await,
        Command::Send(send) => send::run(&context().await, send).await,
        Command::Explain(explain) => explain::run(&context().await, explain).await,
        Command::Dlq(command) => dlq::run(&context().await, command).await,
        Command::Doctor(doctor) => Ok(Box::pin(doctor::run(&context().await, doctor)).await),
        Command::Parked(parked) => parked::run(&context().await, parked).await,
        Command::Status { tenant } => status::run(&context().await, tenant.as_ref()).await,
        Command::Tally { tenant, since } => tally::run(&context().await, tenant, *since).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "acequia", &mut script);
            let script = String::from_utf8_lossy(&script).into_owned();
            Ok(Report::new(&script, script.clone()))
        }
    }
}
