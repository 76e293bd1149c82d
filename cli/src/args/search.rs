//! The arguments of `acequia search`.

use acequia_core::id::{SinkId, TenantId};
use acequia_core::outcome::Reason;
use acequia_core::routing::TypeRule;
use acequia_operations::search::Outcome;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;

use super::dlq::parse_type;
use super::time::parse_time;

/// What else finds events.
const ALSO: &str = "\
It finds what is quarantined or expired, and nothing that was redriven since and arrived.
acequia explain tells all of one event; acequia replay --dry-run counts archived events.";

/// What to look for.
#[derive(Debug, Args)]
#[command(after_help = ALSO)]
pub(crate) struct SearchArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// Only deliveries to this sink
    #[arg(long)]
    pub(crate) sink: Option<SinkId>,
    /// Only what came to this
    #[arg(long, value_parser = outcomes())]
    pub(crate) outcome: Option<Outcome>,
    /// Only what is quarantined for this reason, such as attempts-exhausted (acequia dlq list shows them)
    #[arg(long, value_parser = parse_reason)]
    pub(crate) reason: Option<Reason>,
    /// Only events of this type: action.signed, or action.*
    #[arg(long, value_name = "TYPE", value_parser = parse_type)]
    pub(crate) r#type: Option<TypeRule>,
    /// Only what failed from this time on: how long ago (5m, 2h, 3d), a date (in UTC), or RFC 3339; 24h where it is not given
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<Timestamp>,
    /// Only what failed before this time, given likewise
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<Timestamp>,
    /// At most so many, up to 1000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

fn outcomes() -> impl TypedValueParser<Value = Outcome> {
    PossibleValuesParser::new(Outcome::ALL.map(Outcome::as_str)).map(|word| {
        let is = |outcome: &Outcome| outcome.as_str() == word;
        Outcome::ALL.into_iter().find(is).unwrap_or(Outcome::Quarantined)
    })
}

fn parse_reason(text: &str) -> Result<Reason, String> {
    let unknown = |_| format!("there is no reason {text:?}: docs/RUNBOOK.md names them all");
    serde_json::from_value(text.into()).map_err(unknown)
}
