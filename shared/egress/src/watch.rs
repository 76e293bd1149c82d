//! The steps on the way to a connection, told while it is made: to who measures what a request waits for.

use std::fmt::Debug;
use std::sync::Arc;

use rustls::NamedGroup;
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// How many servers' sessions are kept, as rustls keeps them.
const SESSIONS: usize = 256;

/// Is told of the steps on the way to a connection, by the task that makes it.
pub trait Watch: Debug + Send + Sync {
    /// The host's name has its addresses.
    fn resolved(&self);
    /// The connection stands, and TLS begins on it. Only where this program's own authorities are trusted.
    fn reached(&self);
}

/// The memory of TLS sessions as rustls has it. It is asked for a server's session when TLS begins with that server, and
/// at no other time: nothing else of what can be seen from here says when a connection stands.
#[derive(Debug)]
pub(crate) struct WatchedSessions {
    sessions: ClientSessionMemoryCache,
    watch: Arc<dyn Watch>,
}

impl WatchedSessions {
    pub(crate) fn new(watch: Arc<dyn Watch>) -> Self {
        Self { sessions: ClientSessionMemoryCache::new(SESSIONS), watch }
    }
}

impl ClientSessionStore for WatchedSessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.sessions.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.watch.reached();
        self.sessions.kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.sessions.set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.sessions.tls12_session(server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.sessions.remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.sessions.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.sessions.take_tls13_ticket(server_name)
    }
}
