//! Calls endpoints, over connections that are kept; and knows when a kept one was dead already.
//!
//! A function is frozen between its invocations. What became of its kept connections meanwhile, it learns only by using them: where the
//! other end, or something between, has forgotten one without a word, the request is reset. No answer then says nothing of the
//! endpoint, so the request is made again, at once and on a connection of its own: the same attempt, with the same `webhook-id`, within
//! the same time. Once: a fresh connection that breaks is the endpoint's own.
//!
//! Not guaranteed: that the endpoint did not get the first request. One that took it and broke the connection gets it twice, as after
//! every attempt that has no answer.

use std::cell::Cell;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use acequia_core::egress::{Authorities, Egress};
use acequia_core::outcome::Cause;
use reqwest::{Client, RequestBuilder, Response};
use tower_layer::layer_fn;
use tower_service::Service;

use crate::egress::{self, ClientError};

tokio::task_local! {
    /// Whether the request that is being made has asked for a connection of its own.
    static CONNECTS: Cell<bool>;
}

/// Makes connections as `S` does, and notes for which request.
#[derive(Debug, Clone)]
struct Noting<S>(S);

impl<S: Service<R>, R> Service<R> for Noting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        // Outside of a request (a connection that is finished for the next one) there is nobody to note it for.
        let _ = CONNECTS.try_with(|connects| connects.set(true));
        self.0.call(request)
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Failed {
    /// It was not made.
    Unmade(Cause),
    /// It was made, and not answered.
    Unanswered(reqwest::Error),
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
        let kept = egress::builder(egress, authorities)?.connector_layer(layer_fn(Noting)).build()?;
        Ok(Self { egress, authorities, kept, fresh: OnceLock::new() })
    }

    /// Sends a request; where a kept connection was dead, once more on a fresh one. `request` makes it for a client, in the time that is
    /// left.
    ///
    /// # Errors
    /// Why there is no answer, or no request.
    pub async fn send(&self, request: impl Fn(&Client) -> Result<RequestBuilder, Cause>) -> Result<Response, Failed> {
        let first = request(&self.kept).map_err(Failed::Unmade)?;
        let (answer, connected) =
            CONNECTS.scope(Cell::new(false), async { (first.send().await, CONNECTS.with(Cell::get)) }).await;
        let error = match answer {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        if connected || !broke(&error) {
            return Err(Failed::Unanswered(error));
        }
        let Some(fresh) = self.fresh() else { return Err(Failed::Unanswered(error)) };
        tracing::info!("a kept connection was dead: the request is made again on a fresh one");
        let second = request(fresh).map_err(Failed::Unmade)?;
        second.send().await.map_err(Failed::Unanswered)
    }

    fn fresh(&self) -> Option<&Client> {
        let make = || egress::builder(self.egress, self.authorities).ok()?.pool_max_idle_per_host(0).build().ok();
        self.fresh.get_or_init(make).as_ref()
    }
}

/// Whether the connection broke before there was an answer: nothing was refused, and no time ran out.
fn broke(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_timeout() && !error.is_connect() && egress::refusal_of(error).is_none()
}
