//! The arguments of `acequia replay`.

use acequia_core::id::{EventId, ReplayId, SinkId, TenantId};
use acequia_core::replay::{FASTEST, RATE, Was};
use acequia_core::routing::TypeRule;
use acequia_core::wire::ReplayIds;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{parse_rate, parse_time};
use crate::author::Author;

const ABOUT: &str = "\
Events come from the archive: of a tenant that has no sink of kind archive, there is nothing to send.
They go to the sinks that take them by the configuration of now, also to one that was added since. Archives take no
replay, and mails are sent again only by a sink that --sink names.

It counts first, and asks; --yes begins at once. Ctrl-C, SIGTERM and `acequia replay stop` end it after the step under
way, and `acequia replay resume` goes on from there, also where it was killed.

The exit code is 1 where it ended before its end, or where something could not be read or sent: the output says what.";

#[derive(Debug, Args)]
#[command(after_help = ABOUT, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ReplayArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ReplayCommand>,
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReplayCommand {
    /// List a tenant's replays, the last one first
    List {
        /// The tenant's id
        tenant: TenantId,
    },
    /// Show one replay whole: what was asked for, how far it is, who did what with it
    Show {
        /// The tenant's id
        tenant: TenantId,
        /// The replay's id
        id: ReplayId,
    },
    /// Stop a replay, wherever it runs: its runner ends within some seconds
    Stop {
        /// The tenant's id
        tenant: TenantId,
        /// The replay's id
        id: ReplayId,
        #[command(flatten)]
        author: Author,
    },
    /// Go on with a replay that was stopped, or whose runner died
    Resume(ResumeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// The replay's id
    pub(crate) id: ReplayId,
    /// At most so many deliveries a second from now on, such as 20/s
    #[arg(long, value_name = "N/s", value_parser = parse_replay_rate)]
    pub(crate) rate: Option<u32>,
    /// Also while another replay of the tenant is under way
    #[arg(long)]
    pub(crate) beside: bool,
    /// Leave it to the platform, which goes on within a minute or two, and do not wait for it
    #[arg(long)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) author: Author,
}

/// What is sent, and how. What is needed is optional here, because no other command of `replay` has it.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct OrderArgs {
    /// The tenant's id
    #[arg(required = true)]
    pub(crate) tenant: Option<TenantId>,
    /// Events that were accepted from this time on: how long ago (5m, 2h, 3d), a date (in UTC), or RFC 3339
    #[arg(long, required = true, value_name = "TIME", value_parser = parse_time)]
    pub(crate) from: Option<Timestamp>,
    /// And before this time
    #[arg(long, required = true, value_name = "TIME", value_parser = parse_time)]
    pub(crate) to: Option<Timestamp>,
    /// Only events of this type, or of all below a prefix: action.*; several times for several
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type)]
    pub(crate) types: Vec<TypeRule>,
    /// Only events that match this event pattern, as JSON
    #[arg(long = "match", value_name = "PATTERN")]
    pub(crate) pattern: Option<String>,
    /// Only this event, as SOURCE|ID (quote it: | is the shell's); several times for several
    #[arg(long = "event", value_name = "EVENT")]
    pub(crate) events: Vec<EventId>,
    /// Only deliveries that came to this the first time, as the ledger remembers it for 30 days: in the dead-letter queue
    /// or expired; not made, because the sink did not take the event or was not there; delivered
    #[arg(long, value_parser = statuses())]
    pub(crate) status: Option<Was>,
    /// Only to this sink; several times for several. Without it, to all that are enabled, but for archives and mails
    #[arg(long = "sink", value_name = "SINK")]
    pub(crate) sinks: Vec<SinkId>,
    #[command(flatten)]
    pub(crate) ids: IdsArgs,
    /// At most so many deliveries a second: events of now stand behind them in the sinks' queues
    #[arg(long, value_name = "N/s", default_value_t = RATE, value_parser = parse_replay_rate)]
    pub(crate) rate: u32,
    /// Count what would be sent by type and sink, how long it would take and what it would cost; send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also while another replay of the tenant is under way
    #[arg(long)]
    pub(crate) beside: bool,
    /// Leave it to the platform, which begins within a minute or two, and do not wait for it
    #[arg(long)]
    pub(crate) detach: bool,
    /// Do not ask, and do not count before
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) author: Author,
}

/// Which ids receivers see: one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct IdsArgs {
    /// Deliveries have the ids that they had: receivers can drop what they have
    #[arg(long)]
    same_id: bool,
    /// Deliveries have new ids, and say in acequia-replay-of which they repeat: receivers take them again
    #[arg(long)]
    fresh_id: bool,
}

impl IdsArgs {
    pub(crate) fn ids(&self) -> ReplayIds {
        if self.fresh_id { ReplayIds::Fresh } else { ReplayIds::Same }
    }
}

fn statuses() -> impl TypedValueParser<Value = Was> {
    let read = |word: String| Was::ALL.into_iter().find(|was| was.as_str() == word).ok_or("it is no status");
    PossibleValuesParser::new(Was::ALL.map(Was::as_str)).try_map(read)
}

fn parse_type(text: &str) -> Result<TypeRule, String> {
    text.parse().map_err(|wants| format!("it must be {wants}"))
}

fn parse_replay_rate(text: &str) -> Result<u32, String> {
    parse_rate(text).and_then(|rate| {
        let fits = rate <= FASTEST;
        fits.then_some(rate).ok_or_else(|| format!("it must be at most {FASTEST}/s"))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Arguments, Command};

    fn read(line: &str) -> Result<ReplayArgs, String> {
        let words = ["acequia", "replay"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words).map_err(|error| error.to_string())?.command {
            Command::Replay(arguments) => Ok(*arguments),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_replay_needs_its_time_and_the_choice_of_ids_and_its_other_commands_need_neither() {
        let order = read("acme --from 2d --to 1d --fresh-id --sink crm --sink new --type action.*").unwrap().order;
        assert_eq!((order.ids.ids(), order.rate, order.sinks.len()), (ReplayIds::Fresh, RATE, 2));
        for (line, misses) in [
            ("acme --from 2d --to 1d", "--same-id"),
            ("acme --from 2d --same-id", "--to"),
            ("--from 2d --to 1d --same-id", "TENANT"),
            ("acme --from 2d --to 1d --same-id --fresh-id", "cannot be used with"),
            ("acme --from 2d --to 1d --same-id --rate 200000/s", "at most 100000/s"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(misses), "{line}: {error}");
        }
        assert!(matches!(read("stop acme r1").unwrap().command, Some(ReplayCommand::Stop { .. })));
        assert!(matches!(read("list acme").unwrap().command, Some(ReplayCommand::List { .. })));
    }
}
