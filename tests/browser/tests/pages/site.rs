//! All the internet that the browser has: the function's pages behind what stands for an HTTP API, the tenant's logo
//! and its own site.
//!
//! Every host name leads here, over TLS, on one free port of loopback: also those of the browser's maker, so nothing
//! leaves the machine. A request for a page is put into the payload that an HTTP API hands to its function (format
//! 2.0), and the function's JSON is what is answered, so the parsing of both is under test as well.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use acequia_testkit::{InMemoryConsents, InMemoryMailStore, InMemorySecrets, InMemoryTenants};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confirm::{Confirm, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Response};
use hyper_util::rt::TokioIo;
use receiver::certificate::OwnCertificate;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

/// Where the pages are.
pub(crate) const PAGES: &str = "confirm.example.org";
/// Where the tenant's logo is.
pub(crate) const LOGO: &str = "cdn.acme.example";

const PICTURE: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="280" height="64" viewBox="0 0 280 64"><circle cx="32" cy="32" r="28" fill="#7a1f5c"/><path d="M20 38l12-18 12 18z" fill="#fff"/><text x="72" y="43" font-family="Arial, sans-serif" font-size="30" font-weight="700" fill="#1f2328">Acme Action</text></svg>"##;

/// The function, over the in-memory ports.
pub(crate) type Pages = Confirm<InMemoryTenants, InMemoryConsents, InMemoryMailStore, InMemorySecrets>;

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// What was answered.
    pub(crate) status: u16,
    pub(crate) answer: HeaderMap,
}

/// The site while it runs: it ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct Site {
    /// Its port.
    pub(crate) port: u16,
    visits: Arc<Mutex<Vec<Visit>>>,
}

impl Site {
    /// Opens it.
    pub(crate) async fn open(pages: Pages) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let site = Self { port: listener.local_addr().unwrap().port(), visits: Arc::default() };
        // A certificate of this run alone; the browser of the tests believes any.
        let OwnCertificate { acceptor, .. } = OwnCertificate::of(PAGES).unwrap();
        let (pages, visits) = (Arc::new(pages), Arc::clone(&site.visits));
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (acceptor, pages, visits) = (acceptor.clone(), Arc::clone(&pages), Arc::clone(&visits));
                tokio::spawn(async move {
                    // Browsers open connections that they do not use, and close them as they like.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(|request| answer(request, &pages, &visits));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        site
    }

    /// The requests that came to a host, in order.
    pub(crate) fn visits(&self, host: &str) -> Vec<Visit> {
        self.visits.lock().unwrap().iter().filter(|visit| visit.host == host).cloned().collect()
    }

    /// The last answer of the pages.
    pub(crate) fn last_page(&self) -> Visit {
        self.visits(PAGES).into_iter().rfind(|visit| visit.path.starts_with("/c/")).expect("a page was asked for")
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    pages: &Pages,
    visits: &Mutex<Vec<Visit>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let host = head.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let response = match host.as_str() {
        PAGES => {
            let event = payload(&head, &body);
            let page = pages.answer(&Request::read(event).unwrap()).await;
            from_json(&serde_json::to_value(page).unwrap())
        }
        LOGO => plain("image/svg+xml", PICTURE),
        _ => plain("text/html", &format!("<!doctype html><html lang=en><title>{host}</title><h1>This is {host}</h1>")),
    };
    visits.lock().unwrap().push(Visit {
        method: head.method.to_string(),
        host,
        path: head.uri.path().to_owned(),
        headers: head.headers,
        status: response.status().as_u16(),
        answer: response.headers().clone(),
    });
    Ok(response)
}

/// What an HTTP API makes of a request. Bodies of forms are no text to it, so they come in base64.
fn payload(head: &hyper::http::request::Parts, body: &[u8]) -> Json {
    let headers: serde_json::Map<String, Json> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let (path, method) = (head.uri.path(), head.method.as_str());
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": head.uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000", "apiId": "pages", "domainName": PAGES, "requestId": "request", "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "browser"},
        },
        "body": (!body.is_empty()).then(|| STANDARD.encode(body)), "isBase64Encoded": !body.is_empty(),
    })
}

fn from_json(answer: &Json) -> Response<Full<Bytes>> {
    let status = u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap();
    let mut response = Response::builder().status(status);
    for (name, value) in answer["headers"].as_object().unwrap() {
        response = response.header(name, value.as_str().unwrap());
    }
    response.body(Full::from(answer["body"].as_str().unwrap().to_owned())).unwrap()
}

fn plain(kind: &str, text: &str) -> Response<Full<Bytes>> {
    Response::builder().header("content-type", kind).body(Full::from(text.to_owned())).unwrap()
}
