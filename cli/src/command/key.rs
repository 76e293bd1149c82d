//! `acequia key`: the API keys of a tenant. A key goes to stdout alone, so that it can be piped; all else goes to stderr.

use acequia_core::access::{Limits, NewKey, SourcePrefix};
use acequia_operations::key::{self, CreatedKey, KeyList, RevokedKey};
use acequia_operations::{require_platform, time};

use crate::args::{CreateKeyArgs, KeyCommand, RevokeKeyArgs, RotateKeyArgs};
use crate::confirm::confirm;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, note, or_dash, table};

pub(super) async fn run(context: &Context, command: &KeyCommand) -> Result<Report, Failure> {
    match command {
        KeyCommand::Create(arguments) => create(context, arguments).await,
        KeyCommand::List { tenant } => {
            let list = key::list(context, tenant).await?;
            Ok(Report::new(&list, describe(&list)))
        }
        KeyCommand::Rotate(arguments) => rotate(context, arguments).await,
        KeyCommand::Revoke(arguments) => revoke(context, arguments).await,
    }
}

async fn create(context: &Context, arguments: &CreateKeyArgs) -> Result<Report, Failure> {
    let CreateKeyArgs { tenant, name, scopes, types, source, expires, author } = arguments;
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    let limits = Limits::read(types.iter().map(String::as_str), source.as_ref().map(SourcePrefix::as_str));
    let limits = limits.map_err(|problem| Failure::Usage(problem.to_string()))?;
    let new = NewKey { name: name.clone(), scopes: scopes.iter().copied().collect(), limits, lives: *expires };
    require_platform(context).await?;
    let made = key::create(context, tenant, &new, &author.ask(context).await).await?;
    Ok(shown(&made))
}

async fn rotate(context: &Context, arguments: &RotateKeyArgs) -> Result<Report, Failure> {
    let RotateKeyArgs { tenant, id, overlap, author } = arguments;
    require_platform(context).await?;
    let made = key::rotate(context, tenant, id, *overlap, &author.ask(context).await).await?;
    Ok(shown(&made))
}

async fn revoke(context: &Context, arguments: &RevokeKeyArgs) -> Result<Report, Failure> {
    let RevokeKeyArgs { tenant, id, yes, author } = arguments;
    confirm(&format!("Requests with key {id} of {tenant} are refused from then on. Revoke it?"), *yes)?;
    require_platform(context).await?;
    let revoked = key::revoke(context, tenant, id, &author.ask(context).await).await?;
    let RevokedKey { tenant, id } = &revoked;
    Ok(Report::new(&revoked, format!("Key {id} of {tenant} is revoked: it is refused within a minute.")))
}

/// The key alone on stdout, and the rest beside it.
fn shown(made: &CreatedKey) -> Report {
    note(&told(made));
    Report::new(made, made.key.clone())
}

fn told(made: &CreatedKey) -> String {
    let CreatedKey { tenant, id, expires_at, replaces, .. } = made;
    let until = expires_at.map(|at| format!(" It can be used until {}.", time::text(at))).unwrap_or_default();
    let before = replaces.as_ref().map(|old| {
        format!(" Key {} can be used until {}: replace it everywhere before.", old.id, time::text(old.usable_until))
    });
    let before = before.unwrap_or_default();
    format!("This is key {id} of {tenant}, shown this once: give it to the producer, and keep no copy.{until}{before}")
}

fn describe(list: &KeyList) -> String {
    if list.keys.is_empty() {
        return format!("{} has no keys: `acequia key create {}` makes one.", list.tenant, list.tenant);
    }
    let rows = list.keys.iter().map(|key| {
        let scopes = key.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let limits = key.types.iter().cloned().chain(key.source.clone()).collect::<Vec<_>>().join(" ");
        [
            key.id.to_string(),
            key.state.as_str().to_owned(),
            key.name.clone(),
            scopes,
            if limits.is_empty() { "-".to_owned() } else { limits },
            time::text(key.created_at),
            or_dash(key.expires_at.map(time::text)),
            or_dash(key.last_used.map(time::text)),
        ]
    });
    table(["KEY", "STATE", "NAME", "SCOPES", "BOUND TO", "CREATED", "EXPIRES", "LAST USED (HOUR)"], rows)
}

#[cfg(test)]
mod tests {
    use acequia_core::access::{KeyId, KeyState, Scope};
    use acequia_operations::key::{ListedKey, ReplacedKey};
    use acequia_testkit::build;

    use super::*;

    fn made() -> CreatedKey {
        let (tenant, id) = (build::tenant_id("acme"), KeyId::of([1; 32]));
        let replaces = ReplacedKey { id: KeyId::of([2; 32]), usable_until: build::at(60) };
        CreatedKey {
            tenant,
            id,
            key: "acq_the_key".to_owned(),
            expires_at: Some(build::at(90)),
            replaces: Some(replaces),
        }
    }

    #[test]
    fn the_key_stands_alone_on_stdout_and_what_is_to_be_known_of_it_elsewhere() {
        let report = Report::new(&made(), made().key);
        assert_eq!(report.text(), "acq_the_key");
        let told = told(&made());
        assert!(told.contains("shown this once") && !told.contains("acq_the_key"), "{told}");
        assert!(
            told.contains("until 2026-01-01T00:01:30.000Z. Key aibaeaqc can be used until 2026-01-01T00:01:00.000Z"),
            "{told}"
        );
    }

    #[test]
    fn a_list_says_what_each_key_may_do_and_where_it_stands() {
        let key = ListedKey {
            id: KeyId::of([1; 32]),
            name: "shop".to_owned(),
            state: KeyState::Replaced,
            scopes: [Scope::EventsWrite, Scope::EventsRead].into(),
            types: vec!["action.*".to_owned()],
            source: Some("https://shop.example".to_owned()),
            created_at: build::start(),
            created_by: "ana".to_owned(),
            expires_at: None,
            revoked_at: None,
            last_used: Some(build::at(3600)),
            replaced_by: None,
        };
        let tenant = build::tenant_id("acme");
        let text = describe(&KeyList { tenant: tenant.clone(), keys: vec![key] });
        let row = "aeaqcaib  replaced  shop  events:write events:read  action.* https://shop.example  2026-01-01T00:00:00.000Z  -        2026-01-01T01:00:00.000Z";
        assert_eq!(text.lines().nth(1), Some(row), "{text}");
        assert!(describe(&KeyList { tenant, keys: Vec::new() }).contains("`acequia key create acme`"));
    }
}
