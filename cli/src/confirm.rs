//! Agreeing to what cannot be undone. What destroys takes a token that only a question here can make.

use std::io::{IsTerminal as _, Write as _};

use acequia_core::id::TenantId;

use crate::failure::Failure;

/// Proof that the operator agreed to a change: only [`confirm`] makes one.
#[derive(Debug)]
pub(crate) struct Confirmed(());

/// Proof that the operator agreed to delete a tenant's messages: only [`confirm_by_name`] makes one.
#[derive(Debug)]
pub(crate) struct ConfirmedByName(());

/// Asks for yes or no, unless `--yes` was given.
///
/// # Errors
/// When the operator cannot be asked, or says no.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<Confirmed, Failure> {
    let agrees = |answer: &str| ["y", "yes"].contains(&answer.to_lowercase().as_str());
    ask(&format!("{question} [y/N] "), yes, agrees).map(|()| Confirmed(()))
}

/// Asks for the tenant's id, unless `--yes` was given.
///
/// # Errors
/// When the operator cannot be asked, or gives another answer.
pub(crate) fn confirm_by_name(question: &str, tenant: &TenantId, yes: bool) -> Result<ConfirmedByName, Failure> {
    let agrees = |answer: &str| answer == tenant.as_str();
    ask(&format!("{question} Type the tenant's id to agree: "), yes, agrees).map(|()| ConfirmedByName(()))
}

fn ask(question: &str, yes: bool, agrees: impl Fn(&str) -> bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{question}\nNobody can be asked here: pass --yes to say so.")));
    }
    let mut stderr = std::io::stderr().lock();
    let asked = write!(stderr, "{question}").and_then(|()| stderr.flush());
    let mut answer = String::new();
    match asked.and_then(|()| std::io::stdin().read_line(&mut answer)) {
        Ok(_) if agrees(answer.trim()) => Ok(()),
        _ => Err(Failure::Failed("not confirmed: nothing was changed".to_owned())),
    }
}
