//! The arguments of `acequia key`.

use std::ops::RangeInclusive;
use std::time::Duration;

use acequia_core::access::{KeyId, Scope, SourcePrefix};
use acequia_core::id::TenantId;
use acequia_core::routing::TypeRule;
use acequia_operations::key::MAX_NAME_CHARS;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use crate::author::Author;

/// How long a key may live, and how long two may overlap.
const LIVES: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(3650 * 24);
const OVERLAPS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(30 * 24);

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print it, this once: what is stored is a digest
    Create(CreateKeyArgs),
    /// List the keys of a tenant, with what each may do and when it was used last
    List {
        /// The tenant's id
        tenant: TenantId,
    },
    /// Make a key that takes the place of another. Both can be used for a while
    Rotate(RotateKeyArgs),
    /// End a key: it is refused within a minute
    Revoke(RevokeKeyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateKeyArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// What people call it: who has it, and what for
    #[arg(long, default_value = "", hide_default_value = true, value_parser = parse_name)]
    pub(crate) name: String,
    /// What it may do; can be given again
    #[arg(long = "scope", value_name = "SCOPE", default_value = "events:write", value_parser = scopes())]
    pub(crate) scopes: Vec<Scope>,
    /// Bind it to events of this type, or of this prefix (action.*); can be given again
    #[arg(long = "type", value_name = "TYPE", value_parser = |text: &str| text.parse::<TypeRule>())]
    pub(crate) types: Vec<TypeRule>,
    /// Bind it to events whose source is this one, or lies below it
    #[arg(long, value_name = "PREFIX")]
    pub(crate) source: Option<SourcePrefix>,
    /// How long it can be used, such as 90d; by default for ever
    #[arg(long, value_name = "TIME", value_parser = parse_life)]
    pub(crate) expires: Option<Duration>,
    #[command(flatten)]
    pub(crate) author: Author,
}

#[derive(Debug, Args)]
pub(crate) struct RotateKeyArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// The id of the key, as `acequia key list` shows it
    #[arg(value_name = "KEY")]
    pub(crate) id: KeyId,
    /// How long the key before can be used still
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_overlap)]
    pub(crate) overlap: Duration,
    #[command(flatten)]
    pub(crate) author: Author,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeKeyArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// The id of the key, as `acequia key list` shows it
    #[arg(value_name = "KEY")]
    pub(crate) id: KeyId,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) author: Author,
}

fn scopes() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)).try_map(|word| word.parse::<Scope>())
}

fn parse_name(text: &str) -> Result<String, String> {
    if text.chars().count() <= MAX_NAME_CHARS && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(format!("it must have at most {MAX_NAME_CHARS} characters, none of them a control character"))
}

fn parse_life(text: &str) -> Result<Duration, String> {
    parse_time(text, &LIVES, "1m to 3650d")
}

fn parse_overlap(text: &str) -> Result<Duration, String> {
    parse_time(text, &OVERLAPS, "0s to 30d")
}

fn parse_time(text: &str, bounds: &RangeInclusive<Duration>, shown: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).ok().filter(|time| bounds.contains(time));
    time.ok_or_else(|| format!("it must be a time with its unit, such as 90d or 24h, of {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_bounds() {
        assert_eq!(parse_life("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(parse_overlap("0s"), Ok(Duration::ZERO));
        for wrong in ["90", "0s", "3651d", "soon", ""] {
            assert!(parse_life(wrong).unwrap_err().contains("1m to 3650d"), "{wrong}");
        }
        assert!(parse_overlap("31d").is_err());
    }

    #[test]
    fn a_name_is_one_line_of_a_hundred_characters_at_most() {
        assert!(parse_name(&"\u{e4}".repeat(100)).is_ok() && parse_name("").is_ok());
        assert!(parse_name(&"a".repeat(101)).is_err() && parse_name("a\nb").is_err());
    }
}
