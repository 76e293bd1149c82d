//! The commands, one module each. A command calls a use case (`acequia-operations`, where it has one) and says its
//! report in words; printing is not its business.

mod archive;
mod audit;
mod consent;
mod delayed;
mod dlq;
mod doctor;
mod erase;
mod explain;
mod key;
mod pace;
mod replay;
mod search;
mod secret;
mod send;
mod status;
mod story;
mod table;
mod tally;
mod template;
mod tenant;

use std::cell::OnceCell;
use std::io::{ErrorKind, Write as _};

use acequia_core::audit::AuditAction;
use acequia_core::id::TenantId;
use acequia_operations::audit::{self as audit_log, Begun};
use clap::{CommandFactory as _, Parser as _};

use crate::args::{
    Arguments, Command, ConsentCommand, DlqCommand, KeyCommand, ReplayCommand, SecretCommand, TableCommand,
    TemplateCommand, TenantCommand,
};
use crate::context::{Context, egress};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, note};

/// Runs the command that was asked for.
pub(crate) async fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let region = OnceCell::new();
    let context = async || {
        let context = Context::load(&arguments.stage, arguments.region.as_ref()).await?;
        let _ = region.set(context.region.clone());
        Ok::<_, Failure>(context)
    };
    let answer = match &arguments.command {
        Command::Tenant(command) => {
            Box::pin(tenant::run(command, &arguments.stage, egress(&arguments.stage), context)).await
        }
        Command::Secret(SecretCommand::Put(put)) => secret::put(&context().await?, put).await,
        Command::Key(command) => Box::pin(key::run(&context().await?, command)).await,
        Command::Consent(command) => consent::run(&context().await?, command).await,
        Command::Erase(arguments) => Box::pin(erase::run(&context().await?, arguments)).await,
        Command::Template(command) => Box::pin(template::run(command, &arguments.stage, context)).await,
        Command::Table(command) => Box::pin(table::run(command, egress(&arguments.stage), context)).await,
        Command::Send(send) => Box::pin(send::run(context, send)).await,
        Command::Explain(explain) => explain::run(&context().await?, explain).await,
        Command::Dlq(command) => Box::pin(dlq::run(&context().await?, command)).await,
        Command::Audit(arguments) => audit::run(&context().await?, arguments).await,
        Command::Replay(replay) => Box::pin(replay::command(&context().await?, replay)).await,
        Command::Archive(command) => Box::pin(archive::run(&context().await?, command)).await,
        Command::Doctor(doctor) => {
            crate::input::all_exist(&doctor.files)?;
            Ok(Box::pin(doctor::run(&context().await?, doctor)).await)
        }
        Command::Delayed(delayed) => delayed::run(&context().await?, delayed).await,
        Command::Status { tenant } => status::run(&context().await?, tenant.as_ref()).await,
        Command::Search(search) => search::run(&context().await?, search).await,
        Command::Tally { tenant, since } => tally::run(&context().await?, tenant, *since).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "acequia", &mut script);
            Ok(Report::verbatim(String::from_utf8_lossy(&script).into_owned()))
        }
        Command::Help { command } => help(command),
    };
    let region = region.get().map_or("(none)", String::as_str);
    answer.map_err(|failure| failure.in_stage(&arguments.stage, region))
}

/// Does something with a row of the audit log before it, without which it is not done, and one that says what it came
/// to.
async fn audited<T, E>(
    context: &Context,
    (tenant, actor): (&TenantId, &str),
    (action, what): (AuditAction, &str),
    work: impl Future<Output = Result<T, E>>,
    came_to: impl FnOnce(&T) -> String,
) -> Result<T, Failure>
where
    Failure: From<E>,
{
    let begun = audit_log::begin(context, tenant, actor, action, what).await?;
    let done = work.await;
    ended(begun, context, &done.as_ref().map_or_else(|_| "failed".to_owned(), came_to)).await;
    Ok(done?)
}

/// Writes into the audit log what something came to. It is done already, so that a log that cannot be written is told.
async fn ended(begun: Begun<'_>, context: &Context, came_to: &str) {
    if let Err(error) = begun.end(context, came_to).await {
        note(&format!("note: the audit log has the beginning of this, and not its end: {error}"));
    }
}

/// The help text of a command, as `--help` behind it prints it.
fn help(command: &[String]) -> Result<Report, Failure> {
    let words = ["acequia"].into_iter().chain(command.iter().map(String::as_str)).chain(["--help"]);
    match Arguments::try_parse_from(words) {
        Err(error) if error.exit_code() == 0 => Ok(Report::verbatim(error.to_string())),
        Err(error) => Err(Failure::Usage(error.to_string().trim_start_matches("error: ").trim_end().to_owned())),
        Ok(_) => Err(Failure::Usage(format!("there is no command {:?}", command.join(" ")))),
    }
}

/// Prints a help text, the version, or what is wrong with the command line; answers how the command ends.
pub(crate) fn print_usage(error: &clap::Error) -> Exit {
    let ends = if error.exit_code() == 0 { Exit::Ok } else { Exit::Usage };
    match error.print().and_then(|()| std::io::stdout().flush()) {
        Err(broken) if broken.kind() != ErrorKind::BrokenPipe => {
            note(&format!("error: the output cannot be written: {broken}"));
            Exit::Failed
        }
        _ => ends,
    }
}

/// What is to be said of a command that a signal ends at once. What works in steps, and ends after one of them, says it
/// by itself.
pub(crate) fn so_far(command: &Command) -> String {
    match command {
        Command::Tenant(TenantCommand::Apply(_)) => {
            "the file became the current version as a whole, or nothing was written: `acequia audit TENANT` tells"
                .to_owned()
        }
        Command::Tenant(TenantCommand::Pause(switch) | TenantCommand::Resume(switch)) => {
            let (tenant, sink) = (&switch.tenant, &switch.sink);
            format!("run it again: twice does no harm. `acequia status {tenant}` says whether {sink} is paused")
        }
        Command::Secret(SecretCommand::Put(put)) if put.value.generate => {
            format!("a secret {} that was made was not shown: make it again, with --overwrite", put.name)
        }
        Command::Secret(SecretCommand::Put(_)) => {
            "the secret was written as a whole or not at all: put it again".to_owned()
        }
        Command::Key(KeyCommand::Create(_) | KeyCommand::Rotate(_)) => {
            "a key that was made was not shown: `acequia key list TENANT` shows it, revoke it and make another"
                .to_owned()
        }
        Command::Key(KeyCommand::Revoke(_)) => {
            "the key was revoked, or was not: `acequia key list TENANT` tells".to_owned()
        }
        Command::Erase(arguments) if arguments.dry_run => "nothing was changed".to_owned(),
        Command::Erase(_) | Command::Consent(ConsentCommand::Erase { .. }) => {
            "what was erased so far stays so; run it again for the rest".to_owned()
        }
        Command::Template(TemplateCommand::SendTest { to, .. }) => {
            format!("the test was sent to {to}, or was not: look there")
        }
        Command::Table(TableCommand::Init(init)) if init.run => {
            "the statements ran as a whole or not at all: run it again".to_owned()
        }
        Command::Table(TableCommand::Relay(_)) => {
            "what was sent and not settled is sent again, under the same ids: run it again".to_owned()
        }
        Command::Table(_) => "nothing was changed".to_owned(),
        Command::Send(_) => "nothing was sent".to_owned(),
        Command::Dlq(DlqCommand::Redrive(_)) => {
            "what was moved so far stays so; run it again, it goes on from there".to_owned()
        }
        Command::Dlq(DlqCommand::Purge(_)) => "what was deleted so far stays so; run it again for the rest".to_owned(),
        Command::Archive(_) => "what was compacted so far stays so; run it again, it goes on from there".to_owned(),
        Command::Replay(replay) => match &replay.command {
            Some(ReplayCommand::List { .. } | ReplayCommand::Show { .. }) => "nothing was changed".to_owned(),
            Some(ReplayCommand::Stop { .. }) => "it was stopped, or was not: `acequia replay list TENANT` tells".to_owned(),
            Some(ReplayCommand::Resume(_)) | None => {
                "what was sent so far stays so: `acequia replay list TENANT` says how far it is, and `acequia replay resume` goes on"
                    .to_owned()
            }
        },
        Command::Dlq(DlqCommand::List { .. } | DlqCommand::Show(_)) => {
            "nothing was changed; messages that were looked at are shown again within a few minutes".to_owned()
        }
        Command::Consent(ConsentCommand::Show(_) | ConsentCommand::Export { .. })
        | Command::Template(TemplateCommand::Preview { .. }) => {
            "nothing was changed, and no file was half written".to_owned()
        }
        Command::Tenant(
            TenantCommand::Validate { .. }
            | TenantCommand::Schema
            | TenantCommand::Try(_)
            | TenantCommand::Show { .. }
            | TenantCommand::List,
        )
        | Command::Key(KeyCommand::List { .. })
        | Command::Explain(_)
        | Command::Audit(_)
        | Command::Doctor(_)
        | Command::Delayed(_)
        | Command::Status { .. }
        | Command::Search(_)
        | Command::Tally { .. }
        | Command::Completions { .. }
        | Command::Help { .. } => "nothing was changed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_of_a_command_is_what_the_command_itself_says_and_of_no_command_is_refused() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(help(&[]).unwrap().text().contains("Usage: acequia [OPTIONS] <COMMAND>"));
        assert!(help(&words("dlq list")).unwrap().text().contains("Usage: acequia dlq list"));
        let refused = help(&words("dlq lisst")).unwrap_err();
        assert_eq!(refused.exit(), Exit::Usage);
        assert!(refused.to_string().contains("lisst"), "{refused}");
    }
}
