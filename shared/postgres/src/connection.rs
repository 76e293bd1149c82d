//! One connection: made when it is needed, for one tenant and one user of one database.

use std::collections::BTreeMap;
use std::time::Duration;

use acequia_core::id::TenantId;
use acequia_core::port::{Entry, TableError};
use acequia_core::secret::Secret;
use acequia_core::table::{Authentication, Database, Description, TableName};
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::failure::Failure;
use crate::tls;

/// How long a connection may take to be made, TLS and password included.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer is waited for: more than the server takes for a statement.
const ANSWER: Duration = Duration::from_secs(12);
/// After this time without an acknowledgement a connection is given up: the machine was frozen, or a firewall forgot it.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
/// The server's own bounds: of a statement, and of a lock in it. They travel with the start, so that no session needs to
/// be set up.
const OPTIONS: &str = "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=15000";

/// A value with its type.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Whose connection it is.
#[derive(PartialEq, Eq)]
struct Owner {
    tenant: TenantId,
    database: Database,
    /// The password; a token of IAM's is another one each time, and a session outlives it.
    password: Option<Secret>,
}

impl Owner {
    fn of(entry: Entry<'_>) -> Self {
        let is_password = matches!(entry.database.authentication, Authentication::Password(_));
        Self {
            tenant: entry.tenant.clone(),
            database: entry.database.clone(),
            password: is_password.then(|| entry.credential.clone()),
        }
    }
}

/// An open connection.
pub(crate) struct Connection {
    owner: Owner,
    client: Client,
    /// What is known of tables, so that their types need not be asked for with each batch.
    pub(crate) known: BTreeMap<TableName, Description>,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// [`TableError`] where the server is not reached, is not believed, or does not let the user in.
    pub(crate) async fn open(entry: Entry<'_>) -> Result<Self, TableError> {
        let Database { address, authorities, .. } = entry.database;
        let connect = MakeRustlsConnect::new(tls::client(authorities.as_deref())?);
        let mut config = Config::new();
        config
            .host(&address.host)
            .port(address.port)
            .user(&address.user)
            .dbname(&address.database)
            .password(entry.credential.expose())
            .ssl_mode(SslMode::Require)
            .connect_timeout(CONNECT)
            .tcp_user_timeout(UNACKNOWLEDGED)
            .application_name("acequia")
            .options(OPTIONS);
        let made = timeout(CONNECT, config.connect(connect)).await;
        let late = || TableError::Later(format!("no connection within {} s", CONNECT.as_secs()));
        let (client, connection) = made.map_err(|_| late())?.map_err(|error| Failure::from(error).error)?;
        // It ends with the client, or with the server; what failed is told to who asks.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { owner: Owner::of(entry), client, known: BTreeMap::new() })
    }

    /// Whether it is this one's, and looks usable.
    pub(crate) fn serves(&self, entry: Entry<'_>) -> bool {
        self.owner == Owner::of(entry) && !self.client.is_closed()
    }

    /// Runs several statements without parameters, in one transaction.
    pub(crate) async fn run(&self, statements: &str) -> Result<(), Failure> {
        let answer = timeout(ANSWER, self.client.batch_execute(statements)).await;
        answer.map_err(|_| late())?.map_err(Failure::from)
    }

    /// Asks one statement, in one round trip and without a name for it.
    pub(crate) async fn ask(&self, statement: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        let answer = timeout(ANSWER, self.client.query_typed(statement, parameters)).await;
        answer.map_err(|_| late())?.map_err(Failure::from)
    }
}

/// That no answer came in time.
fn late() -> Failure {
    Failure { error: TableError::Later(format!("no answer within {} s", ANSWER.as_secs())), is_lost: true }
}
