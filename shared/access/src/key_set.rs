//! The key sets of issuers, remembered by their URLs.
//!
//! A set is fresh for ten minutes, and is used for a day where its URL does not answer. A token that names a key which
//! the set does not have has it fetched again, at most once a minute. One fetch of a URL is under way at a time: where
//! an older set is there, others go on with it, else they wait.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::access::{KeySet, Refused};
use acequia_core::egress::{Authorities, Egress};
use jiff::Timestamp;
use url::Url;

use crate::api_key::lock;
use crate::fetch::Fetcher;

/// How long a set is used without another look.
const FRESH: Duration = Duration::from_mins(10);
/// How long it is used while its URL does not answer.
const STALE: Duration = Duration::from_hours(24);
/// How long a URL is let alone after a fetch that was for an id that the set does not have, or that failed.
const PAUSE: Duration = Duration::from_mins(1);
/// The same where there is no set to go on with: a start of the issuer is noticed soon, and it is not flooded.
const SHORT_PAUSE: Duration = Duration::from_secs(5);
/// The most URLs that are remembered.
const MOST: usize = 256;

#[derive(Default)]
struct State {
    set: Option<Arc<KeySet>>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

/// The set behind one URL.
#[derive(Default)]
struct Source {
    state: Mutex<State>,
    fetching: tokio::sync::Mutex<()>,
}

/// The key sets of issuers.
pub(crate) struct KeySets {
    fetcher: Fetcher,
    sources: Mutex<BTreeMap<Url, Arc<Source>>>,
}

/// Why a set is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// For a token.
    Any,
    /// For a token that names a key which the set did not have.
    Newer,
}

impl KeySets {
    pub(crate) fn new(egress: Egress, authorities: Authorities) -> Self {
        Self { fetcher: Fetcher::new(egress, authorities), sources: Mutex::default() }
    }

    /// The set behind a URL.
    pub(crate) async fn get(&self, url: &Url, wanted: Wanted, now: Timestamp) -> Result<Arc<KeySet>, Refused> {
        let source = self.source(url);
        if let Some(set) = lock(&source.state).settled(wanted, now) {
            return set;
        }
        let old = lock(&source.state).usable(now);
        let _fetching = match (source.fetching.try_lock(), old) {
            (Ok(guard), _) => guard,
            // Somebody else fetches it.
            (Err(_), Some(old)) => return Ok(old),
            (Err(_), None) => source.fetching.lock().await,
        };
        // It may have come while this waited.
        if let Some(set) = lock(&source.state).settled(wanted, now) {
            return set;
        }
        let fetched = self.fetcher.fetch(url).await;
        let mut state = lock(&source.state);
        state.tried_at = Some(now);
        match fetched {
            Ok(set) => {
                let set = Arc::new(set);
                (state.set, state.fetched_at) = (Some(Arc::clone(&set)), Some(now));
                Ok(set)
            }
            Err(error) => {
                let cause = error.source().map(ToString::to_string);
                tracing::warn!(
                    issuer.host = url.host_str(),
                    error = %error,
                    cause,
                    "the keys of an issuer cannot be fetched"
                );
                state.usable(now).ok_or(Refused::IssuerUnreachable)
            }
        }
    }

    fn source(&self, url: &Url) -> Arc<Source> {
        let mut sources = lock(&self.sources);
        if let Some(source) = sources.get(url) {
            return Arc::clone(source);
        }
        if sources.len() >= MOST {
            // The one that was not fetched for the longest time.
            let oldest =
                sources.iter().min_by_key(|(_, source)| lock(&source.state).tried_at).map(|(url, _)| url.clone());
            oldest.map(|url| sources.remove(&url));
        }
        Arc::clone(sources.entry(url.clone()).or_default())
    }
}

impl State {
    /// The set, where it is young enough to be used.
    fn usable(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        self.set.clone().filter(|_| age(self.fetched_at, now) < STALE)
    }

    /// The answer that needs no fetch; `None` where one is needed.
    fn settled(&self, wanted: Wanted, now: Timestamp) -> Option<Result<Arc<KeySet>, Refused>> {
        let tried = age(self.tried_at, now);
        match self.usable(now) {
            Some(set) if wanted == Wanted::Any && age(self.fetched_at, now) < FRESH => Some(Ok(set)),
            Some(set) if tried < PAUSE => Some(Ok(set)),
            Some(_) => None,
            None if tried < SHORT_PAUSE => Some(Err(Refused::IssuerUnreachable)),
            None => None,
        }
    }
}

/// How long ago a time is; very long where there is none, or where the clock was set back.
fn age(time: Option<Timestamp>, now: Timestamp) -> Duration {
    time.and_then(|time| Duration::try_from(now.duration_since(time)).ok()).unwrap_or(Duration::MAX)
}
