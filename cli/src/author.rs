//! Who a change is written down to: the name that a person gives, with the principal that AWS says they are.

use acequia_aws::account::{Caller, Principal};
use clap::Args;

use crate::context::Context;
use crate::output::note;

/// The longest name that is taken over: the principal stands behind it, and is not to be pushed out.
const MAX_NAME_CHARS: usize = 60;

/// Who gives the command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Author {
    /// Who does it, for the audit log; by default the name of the user. The principal is added to it
    #[arg(long, env = "ACEQUIA_ACTOR", hide_env_values = true)]
    pub(crate) actor: Option<String>,
}

impl Author {
    /// The name with the principal of the credentials, such as `ana (role Operator of 111122223333)`. STS is asked,
    /// which needs no permission; where it does not answer, the row says so, and the command goes on.
    pub(crate) async fn ask(&self, context: &Context) -> String {
        match context.account().caller().await {
            Ok(caller) => format!("{} ({})", self.name(), principal(&caller)),
            Err(error) => {
                note(&format!("note: the audit log gets no principal, since STS does not say who this is: {error}"));
                format!("{} (principal unknown)", self.name())
            }
        }
    }

    /// The name that the command line has, or else the user's.
    fn name(&self) -> String {
        #[expect(clippy::disallowed_methods, reason = "the user's name is nobody's configuration")]
        let user = || std::env::var("USER").ok();
        let name = self.actor.clone().or_else(user).unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
        if name.trim().is_empty() { "unknown".to_owned() } else { name }
    }
}

/// A principal in words.
fn principal(caller: &Caller) -> String {
    let account = &caller.account;
    match &caller.principal {
        Principal::Root => format!("root of {account}"),
        Principal::User(name) => format!("user {name} of {account}"),
        Principal::Role(name) => format!("role {name} of {account}"),
        Principal::Other => format!("account {account}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_and_short_and_none_is_said_so() {
        let name = |text: &str| Author { actor: Some(text.to_owned()) }.name();
        assert_eq!(name("ana\nbo"), "anabo");
        assert_eq!(name(&"x".repeat(500)).len(), MAX_NAME_CHARS);
        assert_eq!(name(" "), "unknown");
    }

    #[test]
    fn a_principal_is_told_with_its_account() {
        let told = |kind| {
            principal(&Caller { account: "111122223333".to_owned(), partition: "aws".to_owned(), principal: kind })
        };
        assert_eq!(told(Principal::Role("Operator".to_owned())), "role Operator of 111122223333");
        assert_eq!(told(Principal::User("team/ana".to_owned())), "user team/ana of 111122223333");
        assert_eq!(
            (told(Principal::Root), told(Principal::Other)),
            ("root of 111122223333".to_owned(), "account 111122223333".to_owned())
        );
    }
}
