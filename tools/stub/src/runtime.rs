//! The Lambda runtime's interface: hands out the batches of the bench one by one, and takes the answers.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, PoisonError, mpsc as std_mpsc};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response};
use tokio::sync::mpsc;

use crate::clock;

/// Where the interface begins.
pub(crate) const PREFIX: &str = "/2018-06-01/runtime/";
/// How long an invocation may take: what template.yaml gives the functions.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// What a function made of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// Its answer, as JSON.
    Response(String),
    /// It failed as a whole; the error as JSON.
    Error(String),
}

struct Invocation {
    id: String,
    event: String,
}

/// The interface's state.
pub(crate) struct Runtime {
    sender: mpsc::UnboundedSender<Invocation>,
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    open: Mutex<HashMap<String, std_mpsc::Sender<Answered>>>,
    issued: Mutex<u64>,
    polled: (Mutex<Option<Instant>>, Condvar),
    /// How long an invocation may take, as the function is told.
    lasts: Duration,
}

impl Runtime {
    pub(crate) fn new(lasts: Duration) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            sender,
            waiting: tokio::sync::Mutex::new(receiver),
            open: Mutex::default(),
            issued: Mutex::default(),
            polled: (Mutex::new(None), Condvar::new()),
            lasts,
        }
    }

    /// Gives a batch to the next process that asks; its answer comes through the channel.
    pub(crate) fn invoke(&self, event: String) -> std_mpsc::Receiver<Answered> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        *issued += 1;
        let id = format!("8476a536-e9f4-11e8-9739-{:012}", *issued);
        let (answer, answered) = std_mpsc::channel();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), answer);
        // The receiver lives as long as this.
        let _ = self.sender.send(Invocation { id, event });
        answered
    }

    /// When the function asked for its first batch; `None` where it does not within `time`.
    pub(crate) fn first_poll(&self, time: Duration) -> Option<Instant> {
        let (polled, changed) = &self.polled;
        let guard = polled.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(guard, time, |polled| polled.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn note_poll(&self) {
        let (polled, changed) = &self.polled;
        polled.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(clock::now);
        changed.notify_all();
    }

    /// Answers a request below [`PREFIX`]; what is wrong with it where it is none of the interface's.
    pub(crate) async fn answer(
        &self,
        method: &Method,
        path: &str,
        body: &[u8],
    ) -> Result<Response<Full<Bytes>>, String> {
        let text = || String::from_utf8_lossy(body).into_owned();
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["invocation", "next"] if method == Method::GET => {
                self.note_poll();
                let invocation = self.waiting.lock().await.recv().await;
                invocation
                    .ok_or_else(|| "the stub ends".to_owned())
                    .and_then(|invocation| handed_out(&invocation, self.lasts))
            }
            ["invocation", id, "response"] if method == Method::POST => self.settle(id, Answered::Response(text())),
            ["invocation", id, "error"] if method == Method::POST => self.settle(id, Answered::Error(text())),
            ["init", "error"] if method == Method::POST => Err(format!("the function could not be set up: {}", text())),
            _ => Err(format!("{method} {PREFIX}{path}: no part of the runtime's interface")),
        }
    }

    fn settle(&self, id: &str, answered: Answered) -> Result<Response<Full<Bytes>>, String> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        let open = open.ok_or_else(|| format!("the invocation {id} is not under way"))?;
        // The process that asked may have given up.
        let _ = open.send(answered);
        let accepted = Response::builder().status(202).header("content-type", "application/json");
        accepted.body(Full::from(r#"{"status":"OK"}"#)).map_err(|error| error.to_string())
    }
}

fn handed_out(invocation: &Invocation, lasts: Duration) -> Result<Response<Full<Bytes>>, String> {
    let deadline = clock::since_epoch().saturating_add(lasts).as_millis();
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", &invocation.id)
        .header("lambda-runtime-deadline-ms", deadline.to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:bench:live")
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0")
        .body(Full::from(invocation.event.clone()))
        .map_err(|error| error.to_string())
}
