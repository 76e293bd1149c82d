//! Calls endpoints, over connections that are kept; and knows when a kept one was dead already.
//!
//! A function is frozen between its invocations. What became of its kept connections meanwhile, it learns only by using
//! them: where the other end, or something between, has forgotten one without a word, the request is reset. No answer
//! then says nothing of the endpoint, so the request is made again, at once and on a connection of its own: the same
//! attempt, with the same `webhook-id`, within the same time. Once: a fresh connection that breaks is the endpoint's
//! own.
//!
//! Not guaranteed: that the endpoint did not get the first request. One that took it and broke the connection gets it
//! twice, as after every attempt that has no answer.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use acequia_core::delivery::ledger::Stages;
use acequia_core::egress::{Authorities, Egress};
use acequia_core::outcome::Cause;
use acequia_core::port::Clock;
use acequia_egress::{self as egress, ClientError, Watch};
use acequia_lambda::note_stages;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response};
use tower_layer::layer_fn;
use tower_service::Service;

/// When a request came how far with its connection.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    /// When it was made.
    began: Timestamp,
    /// When it asked for a connection of its own; without this it goes over a kept one.
    asked: Option<Timestamp>,
    /// When the host's name had its addresses.
    resolved: Option<Timestamp>,
    /// When TLS began on the connection.
    reached: Option<Timestamp>,
    /// When it had the connection.
    connected: Option<Timestamp>,
    /// When the head of the answer came.
    answered: Option<Timestamp>,
}

impl Way {
    /// What it spent its time on, in milliseconds.
    fn stages(&self) -> Stages {
        let between = |from: Option<Timestamp>, to: Option<Timestamp>| {
            let took = Duration::try_from(to?.duration_since(from?)).unwrap_or_default();
            Some(u32::try_from(took.as_millis()).unwrap_or(u32::MAX))
        };
        // An address in the URL needs no name.
        let addressed = self.resolved.or(self.asked);
        Stages {
            dns_ms: between(self.asked, self.resolved),
            connect_ms: between(addressed, self.reached.or(self.connected)),
            tls_ms: between(self.reached, self.connected),
            first_byte_ms: between(self.connected.or(Some(self.began)), self.answered),
        }
    }
}

tokio::task_local! {
    /// That of the request that is being made.
    static WAY: Cell<Way>;
}

/// Notes steps of the request that is being made.
#[derive(Clone)]
struct Stopwatch(Arc<dyn Clock>);

impl fmt::Debug for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopwatch").finish_non_exhaustive()
    }
}

impl Stopwatch {
    fn note(&self, step: impl FnOnce(&mut Way) -> &mut Option<Timestamp>) {
        // Outside of a request (a connection that is finished for the next one) there is no request to note it for.
        let _ = WAY.try_with(|of_request| {
            let mut way = of_request.get();
            *step(&mut way) = Some(self.0.now());
            of_request.set(way);
        });
    }
}

impl Watch for Stopwatch {
    fn resolved(&self) {
        self.note(|way| &mut way.resolved);
    }

    fn reached(&self) {
        self.note(|way| &mut way.reached);
    }
}

/// Makes connections as `S` does, and notes for which request.
#[derive(Debug, Clone)]
struct Noting<S> {
    connector: S,
    stopwatch: Stopwatch,
}

impl<S, R> Service<R> for Noting<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.stopwatch.note(|way| &mut way.asked);
        let connecting = self.connector.call(request);
        let stopwatch = self.stopwatch.clone();
        async move {
            let connected = connecting.await;
            if connected.is_ok() {
                stopwatch.note(|way| &mut way.connected);
            }
            connected
        }
        .boxed()
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Failed {
    /// It was not made.
    Unmade(Cause),
    /// It was made, and not answered.
    Unanswered {
        /// What the client says.
        error: reqwest::Error,
        /// Whether it had asked for a connection, and got none.
        connecting: bool,
    },
}

/// The clients of one process.
#[derive(Debug)]
pub struct Caller {
    egress: Egress,
    authorities: Authorities,
    stopwatch: Stopwatch,
    /// Keeps its connections.
    kept: Client,
    /// Keeps none; made when it is first needed.
    fresh: OnceLock<Option<Client>>,
}

impl Caller {
    /// Calls what `egress` allows, and trusts `authorities`; measures by `clock`.
    ///
    /// # Errors
    /// When TLS or the client cannot be set up.
    pub fn new(egress: Egress, authorities: Authorities, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        let stopwatch = Stopwatch(clock);
        let kept = noting(egress, authorities, &stopwatch)?.build()?;
        Ok(Self { egress, authorities, stopwatch, kept, fresh: OnceLock::new() })
    }

    /// Sends a request; where a kept connection was dead, once more on a fresh one. `request` makes it for a client, in
    /// the time that is left.
    ///
    /// # Errors
    /// Why there is no answer, or no request.
    pub async fn send(&self, request: impl Fn(&Client) -> Result<RequestBuilder, Cause>) -> Result<Response, Failed> {
        let (error, way) = match self.make(request(&self.kept).map_err(Failed::Unmade)?).await {
            (Ok(response), _) => return Ok(response),
            (Err(error), way) => (error, way),
        };
        let fresh = (way.asked.is_none() && broke(&error)).then(|| self.fresh()).flatten();
        let Some(fresh) = fresh else { return Err(unanswered(error, &way)) };
        tracing::info!("a kept connection was dead: the request is made again on a fresh one");
        let (answer, way) = self.make(request(fresh).map_err(Failed::Unmade)?).await;
        answer.map_err(|error| unanswered(error, &way))
    }

    fn fresh(&self) -> Option<&Client> {
        let watched = || noting(self.egress, self.authorities, &self.stopwatch);
        let make = || watched().ok()?.pool_max_idle_per_host(0).build().ok();
        self.fresh.get_or_init(make).as_ref()
    }

    /// Makes a request, and says besides how far it came with its connection, and when; the ledger hears of it too.
    async fn make(&self, request: RequestBuilder) -> (Result<Response, reqwest::Error>, Way) {
        let made = async {
            let answer = request.send().await;
            if answer.is_ok() {
                self.stopwatch.note(|way| &mut way.answered);
            }
            (answer, WAY.with(Cell::get))
        };
        let began = Way { began: self.stopwatch.0.now(), ..Way::default() };
        let (answer, way) = WAY.scope(Cell::new(began), made).await;
        note_stages(way.stages());
        (answer, way)
    }
}

fn noting(egress: Egress, authorities: Authorities, stopwatch: &Stopwatch) -> Result<ClientBuilder, ClientError> {
    let builder = egress::watched(egress, authorities, Arc::new(stopwatch.clone()))?;
    let stopwatch = stopwatch.clone();
    Ok(builder.connector_layer(layer_fn(move |connector| Noting { connector, stopwatch: stopwatch.clone() })))
}

fn unanswered(error: reqwest::Error, way: &Way) -> Failed {
    Failed::Unanswered { error, connecting: way.asked.is_some() && way.connected.is_none() }
}

/// Whether the connection broke before there was an answer: nothing was refused, and no time ran out.
fn broke(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_timeout() && !error.is_connect() && egress::refusal_of(error).is_none()
}
