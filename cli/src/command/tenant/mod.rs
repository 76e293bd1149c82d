//! `acequia tenant`: configurations.

mod apply;
mod pause;
mod resume;
mod schema;
mod show;
mod trial;
mod validate;

use acequia_core::egress::Egress;
use acequia_core::id::Stage;

pub(super) use self::apply::{in_file, put_command};
use crate::args::TenantCommand;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;

/// Runs one of them. AWS is asked for only where it is needed.
pub(super) async fn run(
    command: &TenantCommand,
    stage: &Stage,
    egress: Egress,
    context: impl AsyncFnOnce() -> Result<Context, Failure>,
) -> Result<Report, Failure> {
    match command {
        TenantCommand::Validate { files } => {
            crate::input::all_exist(files)?;
            Ok(validate::run(files, egress))
        }
        TenantCommand::Schema => Ok(schema::run()),
        TenantCommand::Try(arguments) => trial::run(arguments, stage, egress).await,
        TenantCommand::Apply(arguments) => apply::run(context, arguments, egress).await,
        TenantCommand::Show { tenant, version } => show::one(&context().await?, tenant, *version).await,
        TenantCommand::List => show::list(&context().await?).await,
        TenantCommand::Pause(arguments) => pause::run(&context().await?, arguments).await,
        TenantCommand::Resume(arguments) => resume::run(&context().await?, arguments).await,
    }
}
