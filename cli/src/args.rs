//! The command line: every command with its arguments and help text.

mod archive;
mod consent;
mod dlq;
#[cfg(test)]
mod documented;
mod erase;
mod key;
mod replay;
mod search;
mod table;
mod template;
mod time;

use std::path::PathBuf;

use acequia_core::id::{EventId, SecretName, SinkId, Stage, TenantId};
use acequia_core::secret::SecretPurpose;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;

pub(crate) use self::archive::{ArchiveCommand, CompactArgs};
pub(crate) use self::consent::{ConsentCommand, SubjectArgs};
pub(crate) use self::dlq::{DlqCommand, DlqFilter, PurgeArgs, RedriveArgs, ShowArgs};
pub(crate) use self::erase::EraseArgs;
pub(crate) use self::key::{CreateKeyArgs, KeyCommand, RevokeKeyArgs, RotateKeyArgs};
pub(crate) use self::replay::{OrderArgs, ReplayArgs, ReplayCommand, ResumeArgs};
pub(crate) use self::search::SearchArgs;
pub(crate) use self::table::{CheckTableArgs, EntryArgs, InitTableArgs, RelayArgs, TableCommand};
pub(crate) use self::template::{SampleArgs, TemplateCommand};
use self::time::parse_time;
use crate::author::Author;
use crate::output::Format;

const EXITS: &str = "\
Exit codes:
  0  done
  1  failed, or done in part: the output says what
  2  the command line is wrong, or no region is set
  3  a tenant's file or an event is not valid
  4  not found: tenant, sink, event, queue or file, or a platform of this stage in this region
  5  conflict: changed by somebody else in between, or there already
  6  AWS cannot be reached, or refuses
  130, 143  ended by Ctrl-C, by SIGTERM: the output says how far it came

`acequia help COMMAND` and `acequia COMMAND --help` describe a command.

Region and credentials come from the environment as for the AWS CLI. AWS_ENDPOINT_URL leads to a local AWS.";

const VERDICTS: &str = "\
Nothing is changed. Each check ends in one of:
  ok       it is as it must be
  warn     it works, and somebody should look
  FAIL     something does not work, or will not; the exit code is then 1
  skipped  it was not seen: the line says which permission is missing
Below what is not well stands the command that mends it; words in capitals are yours to say.";

const TRIED: &str = "\
What would be sent is made by the code of the functions. Secrets are not read: where one would stand, it says (secret NAME).
Of an event that needs consent, it shows the mail that asks and what goes out once consent is given.
An event that violates a schema in mode report is reported and goes on.

With --output json, one object per event and line:
  {\"event\": \"SOURCE|ID\" or null, \"taken\": [SINK], \"filtered\": [{\"sink\", \"clause\"}],
   \"problem\": {\"reason\", \"detail\"} or null, \"reported\": TEXT or null,
   \"consent\": {\"list\", \"asks\"} or null, \"deliveries\": [...]}

The exit code is 3 where an event, or a delivery of one, would be quarantined.";

const GLOBAL: &str = "Options of every command";

/// The operator's command of Acequia: tenants, secrets, events, and what became of them.
#[derive(Debug, Parser)]
#[command(name = "acequia", bin_name = "acequia", version = acequia_core::version::VERSION, after_help = EXITS, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// Stage (environment) of the platform
    #[arg(long, global = true, help_heading = GLOBAL, env = "ACEQUIA_STAGE", default_value = "dev", hide_env_values = true)]
    pub(crate) stage: Stage,
    /// Form of the output: for people, or one JSON object for scripts
    #[arg(long, global = true, help_heading = GLOBAL, value_enum, default_value = "text")]
    pub(crate) output: Format,
    /// AWS region; by default the environment's
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) region: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tenants' configurations
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Tenants' secrets
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Tenants' API keys, by which producers send events over HTTPS
    #[command(subcommand)]
    Key(KeyCommand),
    /// Proof of consent: show, export, erase
    #[command(subcommand)]
    Consent(ConsentCommand),
    /// Erase what is kept about a person: in the archive, queues, consents and tables
    Erase(Box<EraseArgs>),
    /// Templates of mails
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Databases of table sinks: prepare, check, and relay their outbox
    #[command(subcommand)]
    Table(TableCommand),
    /// Send events to a tenant's intake queue
    Send(SendArgs),
    /// Tell what became of an event: where it was routed, and each delivery
    Explain(ExplainArgs),
    /// Dead-letter queues
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Tell who did what for a tenant, and check that no row of the log was changed or left out
    Audit(AuditArgs),
    /// Send archived events again, or count what that would send
    Replay(Box<ReplayArgs>),
    /// The archive: make one object of an hour's small ones
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Say what of the account, the platform and the tenants is not as it must be, and how it is mended
    Doctor(DoctorArgs),
    /// Show how deep the queues are
    Status {
        /// Only this tenant
        tenant: Option<TenantId>,
    },
    /// List the messages of a tenant that wait outside their queues, those first that are due first
    Delayed(DelayedArgs),
    /// List what failed for good of a tenant's, those last that failed first
    Search(SearchArgs),
    /// Count a tenant's deliveries, sink by sink. It reads the whole ledger: for reports, not for monitoring
    Tally {
        /// The tenant's id
        tenant: TenantId,
        /// Only events accepted from this time on: how long ago (5m, 2h, 3d), a date (in UTC), or RFC 3339
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        since: Option<Timestamp>,
    },
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Describe the command, or one of its commands
    #[command(hide = true)]
    Help {
        /// The command, such as dlq list
        command: Vec<String>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = VERDICTS)]
pub(crate) struct DoctorArgs {
    /// Tenants' files that are to be compared with what is deployed and stored
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Look at the account alone: what must be right before the first deployment
    #[arg(long)]
    pub(crate) before: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// Only rows from this time on: how long ago (5m, 2h, 3d), a date (in UTC), or RFC 3339. The whole log is checked
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<Timestamp>,
    /// Say only whether the log is intact
    #[arg(long, conflicts_with = "since")]
    pub(crate) verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DelayedArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// Only those for this sink
    #[arg(long)]
    pub(crate) sink: Option<SinkId>,
    /// At most so many, up to 1000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Check tenants' files; no call to AWS is made
    Validate {
        /// TOML files, one per tenant
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Print the JSON Schema of a tenant's file, by which editors complete and check it; no call to AWS is made
    Schema,
    /// Say which sinks of a file would take which events, why others would not, and what would be sent; no call to AWS
    /// is made
    Try(TryArgs),
    /// Write a tenant's file as the next version of its configuration
    Apply(ApplyArgs),
    /// Show a tenant's configuration. Values of headers are hidden
    Show {
        /// The tenant's id
        tenant: TenantId,
        /// This version; by default the current one
        #[arg(long)]
        version: Option<u64>,
    },
    /// List tenants
    List,
    /// Hold back the deliveries of a sink: nothing is sent, nothing is lost, no attempt is spent
    Pause(SwitchArgs),
    /// Deliver to a sink again that was paused, or whose endpoint was disabled or has an open circuit
    Resume(SwitchArgs),
}

#[derive(Debug, Args)]
#[command(after_help = TRIED)]
pub(crate) struct TryArgs {
    /// The tenant's TOML file
    pub(crate) file: PathBuf,
    /// One event as JSON, or one per line (NDJSON); - or nothing is stdin
    #[arg(value_name = "EVENTS")]
    pub(crate) events: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The tenant's TOML file
    pub(crate) file: PathBuf,
    /// Show what would change, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Compare table sinks with their databases first, as `acequia table check` does
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) entry: EntryArgs,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) author: Author,
}

#[derive(Debug, Args)]
pub(crate) struct SwitchArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// The sink's id, as in the configuration
    pub(crate) sink: SinkId,
    #[command(flatten)]
    pub(crate) author: Author,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Write a secret to the parameter store. Its value never stands on the command line
    Put(PutArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// The secret's name, as in the configuration
    pub(crate) name: SecretName,
    /// What it is for. `webhook` signs requests (a sink's `secrets`), `header` is the value of a header,
    /// `link` signs the links of mails (`consent.keys`), `personal` opens sealed addresses (`mail.personal_key`),
    /// `database` is the password of a table sink (`password`)
    #[arg(long = "for", value_name = "PURPOSE", value_parser = purposes())]
    pub(crate) purpose: SecretPurpose,
    #[command(flatten)]
    pub(crate) value: ValueArgs,
    /// Let --generate replace a secret that exists: what was signed with it cannot be checked any more
    #[arg(long, requires = "generate")]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) author: Author,
}

/// Where a secret's value comes from: one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ValueArgs {
    /// Make a new signing secret (whsec_...) and print it, this once; for webhook and link
    #[arg(long)]
    pub(crate) generate: bool,
    /// Read the value from stdin; one line end at its end is taken off
    #[arg(long)]
    pub(crate) value_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// One event as JSON, or one per line (NDJSON); - or nothing is stdin
    #[arg(value_name = "FILE")]
    pub(crate) source: Option<PathBuf>,
    /// The same as FILE
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    pub(crate) file: Option<PathBuf>,
    /// Send without checking: each line as it is
    #[arg(long)]
    pub(crate) no_validate: bool,
    /// At most so many events a second, such as 100/s
    #[arg(long, value_name = "N/s", value_parser = parse_rate)]
    pub(crate) rate: Option<u32>,
    /// Send over the HTTP API at this address, by the key or token in `ACEQUIA_KEY`; no AWS credentials are asked for
    #[arg(long, value_name = "URL")]
    pub(crate) http: Option<String>,
    /// The key, which stands in the environment and not on a command line
    #[arg(long, env = "ACEQUIA_KEY", hide = true, hide_env_values = true, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The tenant's id
    pub(crate) tenant: TenantId,
    /// The event, as SOURCE|ID (quote it: | is the shell's)
    #[arg(value_name = "EVENT", required_unless_present_all = ["source", "id"], conflicts_with_all = ["source", "id"])]
    pub(crate) event: Option<EventId>,
    /// The event's source, in place of EVENT
    #[arg(long, requires = "id")]
    pub(crate) source: Option<String>,
    /// The event's id, in place of EVENT
    #[arg(long, requires = "source")]
    pub(crate) id: Option<String>,
}

fn purposes() -> impl TypedValueParser<Value = SecretPurpose> {
    PossibleValuesParser::new(SecretPurpose::ALL.map(SecretPurpose::as_str))
        .try_map(|word| word.parse::<SecretPurpose>())
}

fn parse_rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse::<u32>().ok().filter(|rate| *rate > 0);
    number.ok_or_else(|| "it must be a number of 1 or more, with or without /s behind it".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn rates_are_read_in_both_their_forms() {
        assert_eq!((parse_rate("100/s"), parse_rate("5")), (Ok(100), Ok(5)));
        assert!(parse_rate("0").is_err() && parse_rate("fast").is_err());
    }
}
