//! The principal of the credentials, and what it may do.
//!
//! IAM's simulation goes by the policies of the principal, its boundary and its organisation's; it looks neither at
//! policies of resources nor at policies that narrow a session.

use acequia_core::port::Unavailable;

use super::Account;
use super::wire::pair;
use crate::error::EntryError;
use crate::refusal::unavailable;
use crate::service::Service;

const STS: Service = Service::regional("sts", "sts");
const IAM: Service = Service { signs_as: "iam", host: "iam", global: true };
const WHO: &str = "ask which principal the credentials belong to";
const ROLE: &str = "read the role of the credentials";
const SIMULATE: &str = "simulate the permissions of the credentials";

/// The principal that the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account's twelve digits.
    pub account: String,
    /// The partition, such as `aws`.
    pub partition: String,
    /// What kind of identity it is.
    pub principal: Principal,
}

/// An identity. Sessions of people are often named by their mail addresses, so that only the role's name is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The account's root user, which may do everything.
    Root,
    /// A user, by the path and name behind `user/`.
    User(String),
    /// A session of this role.
    Role(String),
    /// Anything else, such as a federated user.
    Other,
}

impl Account {
    /// The principal that the credentials belong to. Needs no permission.
    ///
    /// # Errors
    /// When STS does not answer, or does not accept the credentials.
    pub async fn caller(&self) -> Result<Caller, Unavailable> {
        let parameters = [pair("Action", "GetCallerIdentity"), pair("Version", "2011-06-15")];
        let answer = self.wire.query(WHO, STS, &parameters).await?;
        let result = answer.find("GetCallerIdentityResult");
        let caller = result.and_then(|result| caller(result.text("Arn"), result.text("Account")));
        caller.ok_or_else(|| unavailable(WHO, EntryError::new("Empty", "the answer names no principal")))
    }

    /// Which of these actions the caller may not do to these resources.
    ///
    /// # Errors
    /// When IAM does not answer, or refuses.
    pub async fn denied(&self, caller: &Caller, actions: &[&str], resource: &str) -> Result<Vec<String>, Unavailable> {
        let Caller { account, partition, principal } = caller;
        let source = match principal {
            Principal::Root => return Ok(Vec::new()),
            Principal::User(name) => format!("arn:{partition}:iam::{account}:user/{name}"),
            Principal::Role(name) => self.role(name).await?,
            Principal::Other => {
                return Err(unavailable(SIMULATE, EntryError::new("Unsupported", "it is neither user nor role")));
            }
        };
        let mut parameters = vec![
            pair("Action", "SimulatePrincipalPolicy"),
            pair("Version", "2010-05-08"),
            pair("PolicySourceArn", source),
            pair("ResourceArns.member.1", resource),
            // IAM's own bound is 1000 answers; there are a dozen.
            pair("MaxItems", "1000"),
        ];
        let named = actions.iter().zip(1..).map(|(action, n)| pair(format!("ActionNames.member.{n}"), *action));
        parameters.extend(named);
        let answer = self.wire.query(SIMULATE, IAM, &parameters).await?;
        let result = answer.find("SimulatePrincipalPolicyResult");
        let results = result.map_or(&[][..], |result| result.members("EvaluationResults"));
        let denied = results.iter().filter(|one| one.text("EvalDecision") != "allowed");
        Ok(denied.map(|one| one.text("EvalActionName").to_owned()).collect())
    }

    /// The ARN of a role: the one of a session leaves its path out.
    async fn role(&self, name: &str) -> Result<String, Unavailable> {
        let parameters = [pair("Action", "GetRole"), pair("Version", "2010-05-08"), pair("RoleName", name)];
        let answer = self.wire.query(ROLE, IAM, &parameters).await?;
        let arn = answer.find("Role").map(|role| role.text("Arn").to_owned()).filter(|arn| !arn.is_empty());
        arn.ok_or_else(|| unavailable(ROLE, EntryError::new("Empty", "the answer has no ARN")))
    }
}

fn caller(arn: &str, account: &str) -> Option<Caller> {
    let mut parts = arn.splitn(6, ':');
    let ("arn", partition) = (parts.next()?, parts.next()?) else { return None };
    let principal = match parts.nth(3)?.split_once('/') {
        None if arn.ends_with(":root") => Principal::Root,
        Some(("user", name)) => Principal::User(name.to_owned()),
        Some(("assumed-role", session)) => Principal::Role(session.split('/').next()?.to_owned()),
        _ => Principal::Other,
    };
    Some(Caller { account: account.to_owned(), partition: partition.to_owned(), principal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_callers_are_told_apart_and_a_sessions_name_is_left_out() {
        for (arn, principal) in [
            ("arn:aws:iam::000000000000:root", Principal::Root),
            ("arn:aws:iam::000000000000:user/team/ana", Principal::User("team/ana".to_owned())),
            ("arn:aws:sts::000000000000:assumed-role/Operator/ana@example.org", Principal::Role("Operator".to_owned())),
            ("arn:aws:sts::000000000000:federated-user/ana", Principal::Other),
        ] {
            let found = caller(arn, "000000000000").unwrap();
            assert_eq!((found.principal, found.partition.as_str()), (principal, "aws"), "{arn}");
        }
        assert_eq!(caller("nobody", ""), None);
    }
}
