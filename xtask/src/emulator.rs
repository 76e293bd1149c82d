//! The local AWS, the receiver of webhooks and a broker of Kafka's: starts them on loopback and waits until they answer.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process::{self, Running};
use crate::setup::Tools;
use crate::{host, report};

/// The region that the local environments of samconfig.toml are in.
pub(crate) const REGION: &str = "us-east-1";

/// A server beside us, with its address.
pub(crate) struct Server {
    /// Its process.
    pub(crate) running: Running,
    /// Its address, `http://127.0.0.1:<port>`; of a broker without `http://`.
    pub(crate) address: String,
}

impl Server {
    /// Lets it go on without us; answers the id of its process.
    pub(crate) fn leave(self) -> i32 {
        let id = self.running.id();
        self.running.leave();
        id
    }
}

/// Starts the local AWS on `port`, or on a free one. With `lasting` it can outlive us.
///
/// # Errors
/// One clear line where the port is in use.
pub(crate) fn start(port: Option<u16>, lasting: bool) -> Result<Server> {
    report::step("start the local AWS", || {
        let port = free_port(port)?;
        let mut command = new_command(&Tools::Local.program("python"), lasting);
        command.arg(host::path("tools/local/local_aws.py")).args(["--port", &port.to_string()]);
        if lasting {
            command.arg("--keep-running");
        }
        let (running, line) = start_and_read(&mut command, "local-aws")?;
        match line.trim().strip_prefix("ready ") {
            Some(address) => Ok(Server { running, address: address.to_owned() }),
            None => bail!("the local AWS said {line:?} instead of where it is"),
        }
    })
}

/// Starts the receiver on a free port. With `lasting` it can outlive us.
pub(crate) fn start_receiver(program: &Path, lasting: bool) -> Result<Server> {
    start_telling(&mut new_command(program, lasting), "receiver")
}

/// Starts a broker of Kafka's with a topic that feeds a tenant on the local AWS (tools/kafka/feed.py); its address is
/// what clients call the bootstrap server. With `lasting` it can outlive us.
pub(crate) fn start_topic(endpoint: &str, tenant: &str, topic: &str, lasting: bool) -> Result<Server> {
    report::step("start a broker, with a topic that feeds a tenant", || {
        let mut command = new_command(&Tools::Kafka.program("python"), lasting);
        command.arg(host::path("tools/kafka/feed.py")).args(["--stage", "local", "--tenant", tenant, "--topic", topic]);
        start_telling(command.env_clear().envs(variables(endpoint)), "kafka")
    })
}

/// A server of `PostgreSQL`'s, and how to connect to it.
pub(crate) struct Database {
    /// Its process; its address is the URL of the database, with the user.
    pub(crate) server: Server,
    /// The user's password.
    pub(crate) password: String,
    /// The authority that its certificate is of, as PEM.
    pub(crate) authority: String,
    /// The file with it.
    pub(crate) authority_file: String,
}

/// Starts a server of `PostgreSQL`'s on a free port, with an empty database. With `lasting` it can outlive us.
pub(crate) fn start_database(program: &Path, lasting: bool) -> Result<Database> {
    report::step("start PostgreSQL", || {
        let (server, said) = start_saying(&mut new_command(program, lasting), "database")?;
        let text = |name: &str| {
            let found = said.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
            found.with_context(|| format!("the database did not say its {name}"))
        };
        let (password, authority) = (text("password")?, text("authority")?);
        Ok(Database { server, password, authority, authority_file: text("authority_file")? })
    })
}

/// Starts a server that says in a line of JSON where it is.
fn start_telling(command: &mut Command, name: &str) -> Result<Server> {
    start_saying(command, name).map(|(server, _)| server)
}

/// The same, with all that it says.
fn start_saying(command: &mut Command, name: &str) -> Result<(Server, serde_json::Value)> {
    let (running, line) = start_and_read(command, name)?;
    let said: serde_json::Value =
        serde_json::from_str(&line).with_context(|| format!("{name} did not say where it is"))?;
    let address = said.get("address").and_then(serde_json::Value::as_str).map(str::to_owned);
    let address = address.with_context(|| format!("{name} did not say where it is"))?;
    Ok((Server { running, address }, said))
}

fn new_command(program: &Path, lasting: bool) -> Command {
    if lasting { process::lasting_command(program) } else { process::command(program) }
}

/// Starts a server and reads the line that it prints when it is ready; the rest of its output goes to a log.
fn start_and_read(command: &mut Command, name: &str) -> Result<(Running, String)> {
    let log = host::scratch(&format!("log/{name}.log"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(process::create(&log)?);
    let mut running = Running::start(command).with_context(|| format!("cannot start {name}"))?;
    let mut line = String::new();
    BufReader::new(running.stdout()?).read_line(&mut line).with_context(|| format!("cannot read what {name} says"))?;
    if line.is_empty() {
        bail!("{name} did not start; the end of {}:\n{}", log.display(), process::tail(&log, 20));
    }
    Ok((running, line))
}

fn free_port(wanted: Option<u16>) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", wanted.unwrap_or(0))).with_context(|| match wanted {
        Some(port) => format!("port {port} is in use: stop what listens there, or pass another --port"),
        None => "no port of loopback is free".to_owned(),
    })?;
    Ok(listener.local_addr()?.port())
}

/// The variables with which the SDK, SAM CLI and `acequia` reach the local AWS as its administrator.
pub(crate) fn variables(endpoint: &str) -> Vec<(&'static str, String)> {
    let mut variables = host::kept_variables();
    variables.extend([
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        // No credentials or settings of the developer's own, and no search for an instance's.
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("ACEQUIA_STAGE", "local".to_owned()),
        ("SAM_CLI_TELEMETRY", "0".to_owned()),
    ]);
    variables
}
