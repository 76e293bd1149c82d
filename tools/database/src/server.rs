//! The server: made, started, stopped in three ways, asked by `psql`, and ended with the process.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::certificate::certificates;

/// The user that owns what [`Server::create_database`] makes.
pub const USER: &str = "acequia";
/// Its password, and the superuser's.
pub const PASSWORD: &str = "s3cret-of-a-test";

/// Who the server runs as where this process is root: it refuses to run as root.
const ACCOUNT: &str = "postgres";
/// Where Debian has its programs, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// So often it is asked whether the server is there, every 50 ms.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// Ends the server and removes its folder once nobody holds the other end of its input.
const SUPERVISOR: &str = r#"
trap '' INT TERM HUP
read -r _
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -QUIT "$pid" 2>/dev/null
    n=0
    while kill -0 "$pid" 2>/dev/null && [ "$n" -lt 100 ]; do sleep 0.1; n=$((n+1)); done
fi
rm -rf "$1"
"#;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Debian's package is not there.
    #[error("PostgreSQL is not installed below {PROGRAMS} (Debian: apt install postgresql)")]
    Missing,
    /// Something of the machine's failed.
    #[error("{what}")]
    Machine {
        /// What was being done.
        what: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("the server's certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// A program said no.
    #[error("{program} failed: {said}")]
    Failed {
        /// Which one.
        program: String,
        /// What it said.
        said: String,
    },
    /// It did not come up.
    #[error("the server did not come up: {0}")]
    Silent(String),
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, and what is committed is on disk.
    Fast,
    /// Everything ends at once; the next start recovers.
    Immediate,
    /// The process is killed.
    Kill,
}

/// A server with one cluster of its own.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    authority: String,
    running: Mutex<Option<Child>>,
    supervisor: Child,
}

fn machine(what: impl Into<String>) -> impl FnOnce(io::Error) -> ServerError {
    move |source| ServerError::Machine { what: what.into(), source }
}

impl Server {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// [`ServerError`] where something is missing or says no.
    pub fn start() -> Result<Self, ServerError> {
        let programs = programs()?;
        let folder =
            tempfile::Builder::new().prefix("acequia-database-").tempdir().map_err(machine("make a folder"))?.keep();
        let supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(&folder)
            .stdin(Stdio::piped())
            // Who ends this process with its whole group leaves it to the supervisor to clear up.
            .process_group(0)
            .spawn()
            .map_err(machine("start the supervisor"))?;
        // The port is free now; nobody else of this machine's tests takes it by number.
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .map_err(machine("find a port"))?;
        let certificates = certificates("localhost")?;
        let server = Self {
            programs,
            folder,
            port: port.port(),
            authority: certificates.authority,
            running: Mutex::default(),
            supervisor,
        };
        server.write("authority.pem", &server.authority, 0o644)?;
        server.write("server.pem", &certificates.server, 0o600)?;
        server.write("server.key", &certificates.key, 0o600)?;
        server.write("password", PASSWORD, 0o600)?;
        own(&server.folder)?;
        server.initialise()?;
        server.resume()?;
        Ok(server)
    }

    /// The port on loopback; the host is `localhost`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority that signed the server's, as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The file with it.
    pub fn authority_file(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// The URL of a database of it, for [`USER`].
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://{USER}@localhost:{}/{database}", self.port)
    }

    /// Makes a database of this name that [`USER`] owns.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn create_database(&self, name: &str) -> Result<(), ServerError> {
        let role = format!(
            "do $$ begin create role {USER} login password '{PASSWORD}'; exception when duplicate_object or unique_violation then null; end $$"
        );
        self.query("postgres", &role)?;
        self.query("postgres", &format!("create database \"{name}\" owner {USER}")).map(drop)
    }

    /// Runs statements as the superuser by `psql`; answers its rows, columns separated by `|`.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn query(&self, database: &str, statements: &str) -> Result<String, ServerError> {
        let folder = self.folder.display();
        let target = format!(
            "host=localhost port={} user=postgres dbname={database} sslmode=verify-full sslrootcert={folder}/authority.pem",
            self.port
        );
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set",
            "ON_ERROR_STOP=1",
            "--command",
            statements,
        ]);
        psql.arg(&target).env("PGPASSWORD", PASSWORD).env("LC_ALL", "C.UTF-8");
        output(psql, "psql").map(|output| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Stops it, and waits until it is gone.
    ///
    /// # Errors
    /// Where the machine cannot signal it.
    pub fn stop(&self, how: Stop) -> Result<(), ServerError> {
        let Some(mut child) = self.running().take() else { return Ok(()) };
        let signal = match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
            Stop::Kill => "KILL",
        };
        let mut kill = Command::new("kill");
        kill.args(["-s", signal, &child.id().to_string()]);
        output(kill, "kill")?;
        child.wait().map_err(machine("wait for the server"))?;
        Ok(())
    }

    /// Starts it again on its port.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn resume(&self) -> Result<(), ServerError> {
        let log = || -> Result<fs::File, ServerError> {
            let path = self.folder.join("log");
            fs::OpenOptions::new().create(true).append(true).open(&path).map_err(machine("open the server's log"))
        };
        for _ in 0..TRIES {
            let mut server = self.as_account("postgres");
            server.arg("-D").arg(self.folder.join("data")).stdin(Stdio::null()).stdout(log()?).stderr(log()?);
            let mut child = server.spawn().map_err(machine("start the server"))?;
            // Killed, it leaves children that hold its memory for a moment, and a start fails until they are gone.
            while child.try_wait().map_err(machine("look at the server"))?.is_none() {
                if self.query("postgres", "select 1").is_ok() {
                    *self.running() = Some(child);
                    return Ok(());
                }
                std::thread::sleep(PAUSE);
            }
            std::thread::sleep(PAUSE);
        }
        Err(ServerError::Silent(fs::read_to_string(self.folder.join("log")).unwrap_or_default()))
    }

    fn initialise(&self) -> Result<(), ServerError> {
        let data = self.folder.join("data");
        let mut initdb = self.as_account("initdb");
        initdb.arg("-D").arg(&data).args([
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        initdb.arg("--pwfile").arg(self.folder.join("password")).env("TZ", "UTC");
        output(initdb, "initdb")?;
        let folder = self.folder.display();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nssl = on\nssl_cert_file = '{folder}/server.pem'\n\
             ssl_key_file = '{folder}/server.key'\nfsync = on\nmax_connections = 50\nlog_min_messages = warning\ntimezone = 'UTC'\n",
            self.port
        );
        let path = data.join("postgresql.auto.conf");
        fs::write(&path, settings).map_err(machine("write the server's settings"))?;
        own(&path)?;
        let access = "hostssl all all 127.0.0.1/32 scram-sha-256\nhostnossl all all all reject\n";
        let path = data.join("pg_hba.conf");
        fs::write(&path, access).map_err(machine("write who may enter"))?;
        own(&path)
    }

    /// A program of the server's, run by an account that is not root.
    fn as_account(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command
                .args([&format!("--reuid={ACCOUNT}"), &format!("--regid={ACCOUNT}"), "--clear-groups", "--"])
                .arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(&self.folder).env("LC_ALL", "C.UTF-8");
        command
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), ServerError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(machine(format!("write {name}")))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(machine(format!("protect {name}")))?;
        own(&path)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its pipe ends, and with that the server and its folder.
        drop(self.supervisor.stdin.take());
        let child = self.running().take();
        if let Some(mut child) = child {
            let _ = child.wait();
        }
        let _ = self.supervisor.wait();
    }
}

/// The folder of the newest version that is installed.
fn programs() -> Result<PathBuf, ServerError> {
    let versions = fs::read_dir(PROGRAMS).map_err(|_| ServerError::Missing)?;
    let number = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let found =
        versions.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists());
    found.max_by_key(|path| number(path)).map(|path| path.join("bin")).ok_or(ServerError::Missing)
}

/// Gives a path to the account that the server runs as.
fn own(path: &Path) -> Result<(), ServerError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let mut chown = Command::new("chown");
    chown.arg(format!("{ACCOUNT}:{ACCOUNT}")).arg(path);
    output(chown, "chown").map(drop)
}

fn output(mut command: Command, program: &str) -> Result<Output, ServerError> {
    let output = command.stdin(Stdio::null()).output().map_err(machine(format!("run {program}")))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(ServerError::Failed { program: program.to_owned(), said: String::from_utf8_lossy(&said).trim_end().to_owned() })
}
