//! The HTTP client for addresses that somebody else chose (endpoints of webhooks, key sets of issuers), and the check of
//! these addresses when it connects.
//!
//! Invariants:
//! - A connection is made only to an address that [`Egress`] allows. A name is resolved here, and the client connects
//!   to the very addresses that passed; it does not resolve again (no DNS rebinding).
//! - An address written into the URL never meets the resolver, so [`check_literal`] looks at it before each request.
//! - No proxy is taken from the environment, and no redirect is followed: either would connect somewhere unchecked.

mod watch;

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use acequia_core::egress::{Authorities, Egress};
use acequia_core::outcome::Cause;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use webpki_roots::TLS_SERVER_ROOTS;

pub use watch::Watch;
use watch::WatchedSessions;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A frozen function's idle connections may be dead when it thaws: they are not kept for long. What calls again and
/// again over kept ones must reckon with dead ones all the same.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a name's addresses may not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}")]
pub struct Refused {
    /// Which kind of address it is.
    pub refusal: &'static str,
}

/// That a name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the host name does not resolve to an address")]
pub struct Unresolved {
    /// What the resolver of the machine says, where it says something.
    #[source]
    source: Option<io::Error>,
}

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up for calls to the outside")]
    Tls(#[from] rustls::Error),
    /// The client refuses its settings.
    #[error("the HTTP client for calls to the outside cannot be made")]
    Client(#[from] reqwest::Error),
}

/// Resolves names, and lets through only the addresses that may be called.
#[derive(Debug, Clone)]
struct CheckedResolver {
    egress: Egress,
    watch: Option<Arc<dyn Watch>>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { egress, watch } = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            if let Some(watch) = watch {
                watch.resolved();
            }
            let found: Vec<SocketAddr> = found.map_err(|error| Unresolved { source: Some(error) })?.collect();
            if found.is_empty() {
                return Err(Unresolved { source: None }.into());
            }
            Ok(Box::new(allowed(egress, found)?.into_iter()) as Addrs)
        })
    }
}

/// The addresses that may be called.
fn allowed(egress: Egress, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
    let refusal = found.iter().find_map(|address| egress.refusal(address.ip()));
    let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| egress.refusal(address.ip()).is_none()).collect();
    match refusal {
        Some(refusal) if allowed.is_empty() => Err(Refused { refusal }),
        _ => Ok(allowed),
    }
}

/// TLS as the client would set it up, with Mozilla's authorities as they were when this was built: nothing is read at
/// the start.
fn public_authorities(watch: Option<&Arc<dyn Watch>>) -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore { roots: TLS_SERVER_ROOTS.to_vec() };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let mut config = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
    if let Some(watch) = watch {
        config.resumption = Resumption::store(Arc::new(WatchedSessions::new(Arc::clone(watch))));
    }
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// What builds a client.
///
/// # Errors
/// When the TLS library cannot be set up.
pub fn builder(egress: Egress, authorities: Authorities) -> Result<ClientBuilder, ClientError> {
    build(egress, authorities, None)
}

/// The same for a client whose connections are watched while they are made.
///
/// # Errors
/// When the TLS library cannot be set up.
pub fn watched(egress: Egress, authorities: Authorities, watch: Arc<dyn Watch>) -> Result<ClientBuilder, ClientError> {
    build(egress, authorities, Some(watch))
}

fn build(
    egress: Egress,
    authorities: Authorities,
    watch: Option<Arc<dyn Watch>>,
) -> Result<ClientBuilder, ClientError> {
    let mut builder = Client::builder();
    if authorities == Authorities::Built {
        builder = builder.tls_backend_preconfigured(public_authorities(watch.as_ref())?);
    }
    Ok(builder
        .https_only(egress == Egress::Public)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .dns_resolver(CheckedResolver { egress, watch })
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("Acequia/", env!("CARGO_PKG_VERSION"))))
}

/// Checks a URL as far as it can be checked without resolving: its scheme, and an address written into it.
///
/// # Errors
/// [`Cause::EgressRefused`].
pub fn check_literal(egress: Egress, url: &Url) -> Result<(), Cause> {
    if egress == Egress::Public && url.scheme() != "https" {
        return Err(Cause::EgressRefused("it is not https"));
    }
    let host = url.host_str().unwrap_or("").trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>().ok().and_then(|address| egress.refusal(address)) {
        Some(refusal) => Err(Cause::EgressRefused(refusal)),
        None => Ok(()),
    }
}

/// The refusal behind a client's error, where there is one.
pub fn refusal_of(error: &reqwest::Error) -> Option<Refused> {
    causes(error).find_map(|error| error.downcast_ref::<Refused>()).cloned()
}

/// What is behind a client's error, from the outside in.
pub fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |error| (**error).source())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 443)).collect()
    }

    #[test]
    fn a_name_that_resolves_to_private_addresses_alone_is_refused() {
        assert!(allowed(Egress::Public, addresses(&["10.0.0.1", "::1"])).is_err());
    }

    #[test]
    fn of_a_name_with_both_only_the_public_addresses_are_called() {
        let public = addresses(&["8.8.8.8"]);
        assert_eq!(allowed(Egress::Public, addresses(&["127.0.0.1", "8.8.8.8"])).unwrap(), public);
    }

    #[test]
    fn an_address_in_the_url_is_checked_though_it_is_never_resolved() {
        for url in [
            "https://169.254.169.254/latest",
            "https://[::ffff:10.0.0.1]/",
            "https://2130706433/",
            "http://example.org/",
        ] {
            assert!(check_literal(Egress::Public, &url.parse().unwrap()).is_err(), "{url}");
        }
        assert!(check_literal(Egress::Public, &"https://example.org/".parse().unwrap()).is_ok());
    }

    #[derive(Debug, Default)]
    struct Steps(Mutex<Vec<&'static str>>);

    impl Watch for Steps {
        fn resolved(&self) {
            self.0.lock().unwrap().push("resolved");
        }

        fn reached(&self) {
            self.0.lock().unwrap().push("reached");
        }
    }

    #[tokio::test]
    async fn who_watches_is_told_when_the_name_is_resolved_and_when_tls_begins() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // It takes the connection, and ends it.
        let ends = tokio::spawn(async move { drop(listener.accept().await.unwrap()) });
        let steps = Arc::new(Steps::default());
        let client = watched(Egress::Local, Authorities::Built, steps.clone()).unwrap().build().unwrap();
        client.get(format!("https://localhost:{port}/")).send().await.unwrap_err();
        ends.await.unwrap();
        assert_eq!(*steps.0.lock().unwrap(), ["resolved", "reached"]);
    }

    #[tokio::test]
    async fn a_name_that_means_this_machine_is_refused_when_the_connection_is_made() {
        let client = builder(Egress::Public, Authorities::Built).unwrap().build().unwrap();
        let error = client.get("https://localhost:1/").send().await.unwrap_err();
        assert_eq!(refusal_of(&error), Some(Refused { refusal: "loopback" }));
    }
}
