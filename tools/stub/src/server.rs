//! The HTTP side: one thread, a free port of loopback, requests in, counts kept, answers out.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::aws::{self, Twist};
use crate::count::Counts;
use crate::endpoint::{Endpoints, Traffic};
use crate::fixture::World;
use crate::latency::Latencies;
use crate::runtime::{Answered, PREFIX, Runtime, TIMEOUT};
use crate::{StubError, clock};

/// A running stub; it ends when it is dropped.
pub struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    world: World,
    latencies: Latencies,
    runtime: Runtime,
    endpoints: Endpoints,
    counts: Mutex<Counts>,
    problems: Mutex<Vec<String>>,
    twist: Mutex<Option<Box<Twist>>>,
    spans: Mutex<Option<Vec<Span>>>,
}

/// A call of AWS: from when the stub had it to when it answered.
#[derive(Debug, Clone)]
pub struct Span {
    /// The operation, as it is counted.
    pub operation: String,
    /// When the request was there.
    pub begun: Instant,
    /// When its answer was made.
    pub ended: Instant,
}

impl Stub {
    /// Starts one on a free port of loopback. `world` gets the address of the endpoint of webhooks.
    ///
    /// # Errors
    /// When there is no free port or no thread.
    pub fn start(world: impl FnOnce(&str) -> World, latencies: Latencies) -> Result<Self, StubError> {
        Self::start_for(world, latencies, TIMEOUT)
    }

    /// The same with another time for each invocation than what template.yaml gives the functions.
    ///
    /// # Errors
    /// As [`Stub::start`].
    pub(crate) fn start_for(
        world: impl FnOnce(&str) -> World,
        latencies: Latencies,
        lasts: Duration,
    ) -> Result<Self, StubError> {
        let failed = |source: io::Error| StubError::Start { what: "the stub".to_owned(), source };
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            world: world(&format!("http://{address}")),
            latencies,
            runtime: Runtime::new(lasts),
            endpoints: Endpoints::new()?,
            counts: Mutex::default(),
            problems: Mutex::default(),
            twist: Mutex::default(),
            spans: Mutex::default(),
        });
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let work = move || {
            executor.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = serve(listener, served) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("stub".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens: host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What was called since this was last asked.
    ///
    /// # Errors
    /// [`StubError::Problems`] where a call was refused.
    pub fn take_counts(&self) -> Result<Counts, StubError> {
        let problems = std::mem::take(&mut *lock(&self.shared.problems));
        if problems.is_empty() {
            Ok(std::mem::take(&mut *lock(&self.shared.counts)))
        } else {
            Err(StubError::Problems(problems))
        }
    }

    /// The calls of AWS since this was last asked, each with its time; none before it was asked once.
    pub fn take_spans(&self) -> Vec<Span> {
        lock(&self.shared.spans).replace(Vec::new()).unwrap_or_default()
    }

    /// What came to the endpoints of webhooks since this was last asked.
    pub fn take_traffic(&self) -> Traffic {
        self.shared.endpoints.take_traffic()
    }

    /// From now on AWS may answer otherwise than when all goes well: `twist` gets the operation as it is counted, the
    /// request, and the answer to change, and says which status it has.
    pub fn twist(&self, twist: impl FnMut(&str, &Json, &mut Json) -> u16 + Send + 'static) {
        *lock(&self.shared.twist) = Some(Box::new(twist));
    }

    /// When a function asked for its first batch; `None` where none does within `time`.
    pub fn first_poll(&self, time: Duration) -> Option<Instant> {
        self.shared.runtime.first_poll(time)
    }

    /// Gives an invocation to the next process that asks for one; its answer comes through the channel.
    pub fn invoke(&self, event: String) -> std::sync::mpsc::Receiver<Answered> {
        self.shared.runtime.invoke(event)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    loop {
        // A connection that broke before it was accepted is the sender's affair.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&shared)));
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Small answers must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| handle(request, Arc::clone(&shared)));
    // An error here is the end of this connection: the function was ended.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn handle(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if let Some(path) = head.uri.path().strip_prefix(PREFIX) {
        return match shared.runtime.answer(&head.method, path, &body).await {
            Ok(response) => Ok(response),
            Err(problem) => {
                let response = Response::builder().status(400).body(Full::from(problem.clone()));
                lock(&shared.problems).push(problem);
                response.map_err(io::Error::other)
            }
        };
    }
    let begun = clock::now();
    let taken = shared.endpoints.take(&head, &body);
    let answer = aws::answer(&shared.world, &shared.latencies, lock(&shared.twist).as_deref_mut(), &head, &body);
    let operation = answer.counted.map(|(operation, tally)| {
        lock(&shared.counts).add(&operation, tally);
        operation
    });
    lock(&shared.problems).extend(answer.problem);
    let latency = taken.as_ref().and_then(|taken| taken.latency).unwrap_or(answer.latency);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if let Some(taken) = taken {
        lock(&shared.problems).extend(taken.problem);
        shared.endpoints.answer(taken.id);
    }
    if let (Some(spans), Some(operation)) = (lock(&shared.spans).as_mut(), operation) {
        spans.push(Span { operation, begun, ended: clock::now() });
    }
    let response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type)
        .header("x-amzn-requestid", "00000000-0000-4000-8000-000000000000");
    response.body(Full::from(answer.body)).map_err(io::Error::other)
}
