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
use std::sync::OnceLock;
use std::task::{Context, Poll};

use acequia_core::egress::{Authorities, Egress};
use acequia_core::outcome::Cause;
use acequia_egress::{self as egress, ClientError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response};
use tower_layer::layer_fn;
use tower_service::Service;

/// How far a request has come with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It has asked for none of its own: it goes over a kept one.
    Kept,
    /// It has asked for one of its own: the name, the address and TLS are under way.
    Connecting,
    /// It has one of its own.
    Connected,
}

tokio::task_local! {
    /// That of the request that is being made.
    static PROGRESS: Cell<Progress>;
}

fn note(progress: Progress) {
    // Outside of a request (a connection that is finished for the next one) there is no request to note it for.
    let _ = PROGRESS.try_with(|of_request| of_request.set(progress));
}

/// Makes connections as `S` does, and notes for which request.
#[derive(Debug, Clone)]
struct Noting<S>(S);

impl<S, R> Service<R> for Noting<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        note(Progress::Connecting);
        let connecting = self.0.call(request);
        async move {
            let connected = connecting.await;
            if connected.is_ok() {
                note(Progress::Connected);
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
    /// Keeps its connections.
    kept: Client,
    /// Keeps none; made when it is first needed.
    fresh: OnceLock<Option<Client>>,
}

impl Caller {
    /// Calls what `egress` allows, and trusts `authorities`.
    ///
    /// # Errors
    /// When TLS or the client cannot be set up.
    pub fn new(egress: Egress, authorities: Authorities) -> Result<Self, ClientError> {
        let kept = noting(egress, authorities)?.build()?;
        Ok(Self { egress, authorities, kept, fresh: OnceLock::new() })
    }

    /// Sends a request; where a kept connection was dead, once more on a fresh one. `request` makes it for a client, in
    /// the time that is left.
    ///
    /// # Errors
    /// Why there is no answer, or no request.
    pub async fn send(&self, request: impl Fn(&Client) -> Result<RequestBuilder, Cause>) -> Result<Response, Failed> {
        let (error, progress) = match make(request(&self.kept).map_err(Failed::Unmade)?).await {
            (Ok(response), _) => return Ok(response),
            (Err(error), progress) => (error, progress),
        };
        let fresh = (progress == Progress::Kept && broke(&error)).then(|| self.fresh()).flatten();
        let Some(fresh) = fresh else { return Err(unanswered(error, progress)) };
        tracing::info!("a kept connection was dead: the request is made again on a fresh one");
        let (answer, progress) = make(request(fresh).map_err(Failed::Unmade)?).await;
        answer.map_err(|error| unanswered(error, progress))
    }

    fn fresh(&self) -> Option<&Client> {
        let make = || noting(self.egress, self.authorities).ok()?.pool_max_idle_per_host(0).build().ok();
        self.fresh.get_or_init(make).as_ref()
    }
}

fn noting(egress: Egress, authorities: Authorities) -> Result<ClientBuilder, ClientError> {
    Ok(egress::builder(egress, authorities)?.connector_layer(layer_fn(Noting)))
}

/// Makes a request, and says besides how far it came with its connection.
async fn make(request: RequestBuilder) -> (Result<Response, reqwest::Error>, Progress) {
    let made = async { (request.send().await, PROGRESS.with(Cell::get)) };
    PROGRESS.scope(Cell::new(Progress::Kept), made).await
}

fn unanswered(error: reqwest::Error, progress: Progress) -> Failed {
    Failed::Unanswered { error, connecting: progress == Progress::Connecting }
}

/// Whether the connection broke before there was an answer: nothing was refused, and no time ran out.
fn broke(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_timeout() && !error.is_connect() && egress::refusal_of(error).is_none()
}
