//! The connection to the Lambda runtime: one handler, batch after batch, or call after call of a schedule.

use std::future::Future;
use std::time::Duration;

use acequia_core::event::trace::TraceContext;
use acequia_core::port::Clock;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value as Json;

use crate::http::{HttpRequest, HttpResponse};
use crate::{Deadline, SystemClock, UnusableBatch};

/// The deadline of an invocation whose runtime does not tell one (some local runtimes): Lambda's own default is 3 s,
/// ours 30 s.
const UNTOLD: Duration = Duration::from_secs(30);

/// Handles batches until Lambda ends the process.
///
/// # Errors
/// When the runtime's interface is gone.
pub async fn serve<F, R>(handle: F) -> Result<(), Error>
where
    F: Fn(SqsEvent, Deadline) -> R,
    R: Future<Output = Result<SqsBatchResponse, UnusableBatch>>,
{
    let handle = &handle;
    // What an invocation needs is large, and is kept off the stack: once for the process.
    Box::pin(lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let deadline = Deadline::of_invocation(event.context.deadline, SystemClock.now(), UNTOLD);
        handle(event.payload, deadline).await.map_err(|error| {
            tracing::error!(request.id = event.context.request_id, error = %error, "the batch comes back as a whole");
            Error::from(error)
        })
    })))
    .await
}

/// Answers the requests of an HTTP API until Lambda ends the process.
///
/// # Errors
/// When the runtime's interface is gone.
pub async fn serve_http<F, R>(answer: F) -> Result<(), Error>
where
    F: Fn(HttpRequest, Deadline) -> R,
    R: Future<Output = HttpResponse>,
{
    let answer = &answer;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Json>| async move {
        let deadline = Deadline::of_invocation(event.context.deadline, SystemClock.now(), UNTOLD);
        let mut request = HttpRequest::read(event.payload)?;
        let header = event.context.xray_trace_id.as_deref();
        request.trace = request.trace.or_else(|| header.and_then(TraceContext::read_aws));
        serde_json::to_value(Box::pin(answer(request, deadline)).await).map_err(Error::from)
    }))
    .await
}

/// Handles events of other kinds, as JSON, until Lambda ends the process.
///
/// # Errors
/// When the runtime's interface is gone.
pub async fn serve_json<F, R, E>(handle: F) -> Result<(), Error>
where
    F: Fn(Json, Deadline) -> R,
    R: Future<Output = Result<Json, E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Json>| async move {
        let deadline = Deadline::of_invocation(event.context.deadline, SystemClock.now(), UNTOLD);
        handle(event.payload, deadline).await.map_err(|error| {
            tracing::error!(request.id = event.context.request_id, error = %error, "the invocation failed as a whole");
            Error::from(error)
        })
    }))
    .await
}

/// Answers the calls of schedules, whose payload says which of them calls, until Lambda ends the process.
///
/// # Errors
/// When the runtime's interface is gone.
pub async fn serve_schedule<F, R, E>(handle: F) -> Result<(), Error>
where
    F: Fn(Json, Deadline) -> R,
    R: Future<Output = Result<(), E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Json>| async move {
        let deadline = Deadline::of_invocation(event.context.deadline, SystemClock.now(), UNTOLD);
        handle(event.payload, deadline).await.map_err(Error::from)
    }))
    .await
}
