//! The HTTP side: connections in, answers out.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::control;
use crate::endpoint::Endpoints;

/// No event is larger than an SQS message.
const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// Listens on a port of loopback; port 0 takes a free one.
///
/// # Errors
/// When the port is in use.
pub async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await
}

/// Serves connections for ever.
pub async fn serve(listener: TcpListener, endpoints: Arc<Endpoints>) -> Infallible {
    loop {
        // A connection that broke before it was accepted is the sender's affair.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&endpoints)));
        }
    }
}

async fn connection(stream: TcpStream, endpoints: Arc<Endpoints>) {
    let service = service_fn(move |request| handle(request, Arc::clone(&endpoints)));
    // An error here is the end of this connection, wanted (mode `close`) or not.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// An error closes the connection without an answer.
async fn handle(request: Request<Incoming>, endpoints: Arc<Endpoints>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else { return respond(413, None, "") };
    let body = body.to_bytes();
    if let Some(path) = head.uri.path().strip_prefix("/_receiver/") {
        let query = head.uri.query().unwrap_or_default();
        let (status, json) = control::answer(&endpoints, &head.method, path, query, &body);
        return respond(status, Some(("content-type", "application/json".to_owned())), &json.to_string());
    }
    let name = head.uri.path().trim_start_matches('/');
    let taken = endpoints.lock().get_mut(name).map(|endpoint| endpoint.take(now_ms(), &head.headers, &body));
    let Some(answer) = taken else { return respond(404, None, "there is no such endpoint\n") };
    tokio::time::sleep(answer.wait).await;
    match answer.status {
        Some(status) => respond(status, answer.header, ""),
        None => Err(io::Error::other("closed as the mode says")),
    }
}

fn respond(status: u16, header: Option<(&str, String)>, body: &str) -> io::Result<Response<Full<Bytes>>> {
    let mut response = Response::builder().status(status);
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).map_err(io::Error::other)
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one place of the receiver that reads the clock")]
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
