//! `acequia send --http`: the same events over the HTTP API, by a key or a token.
//!
//! Each step is one request with an `Idempotency-Key` of its own, so that a request whose answer was lost is made again
//! and takes nothing twice.

use std::time::Duration;

use acequia_core::id::TenantId;
use indicatif::ProgressBar;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use serde::Deserialize;

use super::{Line, Sums};
use crate::command::pace::Pace;
use crate::failure::Failure;

/// How long one request may take: the API waits for 30 s.
const TIMEOUT: Duration = Duration::from_secs(40);
/// How often a request is made that something stands in the way of.
const TRIES: u32 = 6;
/// The longest time that is waited between two.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The API, and who asks.
pub(super) struct Api {
    client: Client,
    url: Url,
    key: String,
}

/// What the API says of a request's events.
#[derive(Deserialize)]
struct Answer {
    results: Vec<EventAnswer>,
}

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
enum EventAnswer {
    Accepted,
    Duplicate,
    Refused {
        reason: String,
        #[serde(default)]
        pointer: Option<String>,
        #[serde(default)]
        detail: String,
    },
    NotTaken,
}

/// What the API says of a request that is not done.
#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: String,
}

/// What came of one request.
enum Came {
    /// An answer to each event.
    Results(Vec<EventAnswer>),
    /// It may be made again after this time; until then, this is why not.
    Later(Option<Duration>, String, Option<Vec<EventAnswer>>),
}

impl Api {
    /// The API at this address.
    ///
    /// # Errors
    /// Where the address is none, or there is no key.
    pub(super) fn new(base: &str, tenant: &TenantId, key: Option<&str>) -> Result<Self, Failure> {
        let Some(key) = key.map(str::trim).filter(|key| !key.is_empty()) else {
            let problem = "there is no key: put one of `acequia key create` into ACEQUIA_KEY";
            return Err(Failure::Usage(problem.to_owned()));
        };
        let text = format!("{}/v1/tenants/{tenant}/events", base.trim_end_matches('/'));
        let url: Url = text.parse().map_err(|_| Failure::Usage(format!("--http {base:?} is no URL")))?;
        let is_safe = url.scheme() == "https"
            || url.host_str().is_some_and(|host| ["127.0.0.1", "[::1]", "localhost"].contains(&host));
        if !is_safe {
            return Err(Failure::Usage(format!("--http {base:?} is not https: the key would be for all to read")));
        }
        let client = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| Failure::Failed(format!("there is no HTTP client: {error}")))?;
        Ok(Self { client, url, key: key.to_owned() })
    }

    /// Sends lines, a step at a time, as long as `goes_on`; answers the sums, and what is wrong with which line.
    pub(super) async fn send_all(
        &self,
        lines: &[Line<'_>],
        pace: Pace,
        bar: &ProgressBar,
        goes_on: impl Fn() -> bool,
    ) -> Result<(Sums, Vec<String>), Failure> {
        let (mut sums, mut problems, run) = (Sums::default(), Vec::new(), format!("{:032x}", rand::random::<u128>()));
        for (step, lines_of_step) in lines.chunks(pace.step).enumerate() {
            if step > 0 {
                pace.wait(pace.step).await;
            }
            if !goes_on() {
                break;
            }
            let answers = self.send(lines_of_step, &format!("{run}-{step}")).await?;
            for (line, answer) in lines_of_step.iter().zip(answers) {
                bar.inc(1);
                match answer {
                    EventAnswer::Accepted | EventAnswer::Duplicate => sums.sent += 1,
                    EventAnswer::Refused { reason, pointer, detail } => {
                        sums.failed += 1;
                        let at = pointer.map(|pointer| format!(" at {pointer}")).unwrap_or_default();
                        problems.push(format!("line {}: {reason}{at}: {detail}", line.number));
                    }
                    EventAnswer::NotTaken => {
                        sums.failed += 1;
                        problems.push(format!("line {}: it was not taken; send it again", line.number));
                    }
                }
            }
        }
        sums.unsent = lines.len() - sums.sent - sums.failed;
        Ok((sums, problems))
    }

    /// Makes one request, again and again while that helps.
    async fn send(&self, lines: &[Line<'_>], key: &str) -> Result<Vec<EventAnswer>, Failure> {
        let body = lines.iter().map(|line| line.body).collect::<Vec<_>>().join("\n");
        let mut wait = Duration::from_secs(1);
        for attempt in 1.. {
            let request = self.client.post(self.url.clone()).bearer_auth(&self.key);
            let request = request.header(CONTENT_TYPE, "application/x-ndjson").header("idempotency-key", key);
            let answered = match request.body(body.clone()).send().await {
                Ok(response) => came(response, lines.len()).await?,
                Err(error) => Came::Later(None, format!("{} does not answer: {}", self.url, because(&error)), None),
            };
            match answered {
                Came::Results(results) => return Ok(results),
                Came::Later(_, _, Some(results)) if attempt >= TRIES => return Ok(results),
                Came::Later(_, why, None) if attempt >= TRIES => {
                    return Err(Failure::Failed(format!(
                        "{why} ({TRIES} times); nothing of these lines is known to be sent"
                    )));
                }
                Came::Later(asked, ..) => {
                    tokio::time::sleep(asked.unwrap_or(wait).min(LONGEST_WAIT)).await;
                    wait = wait.saturating_mul(2);
                }
            }
        }
        Ok(Vec::new())
    }
}

/// What an answer comes to.
async fn came(response: Response, events: usize) -> Result<Came, Failure> {
    let status = response.status().as_u16();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let after = seconds.map(Duration::from_secs);
    let body = response.bytes().await.unwrap_or_default();
    let results = serde_json::from_slice(&body).ok().map(|answer: Answer| answer.results);
    let results = results.filter(|results| results.len() == events);
    let why = match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => format!("the API answers {status}: {}. {}", problem.title, problem.detail),
        Err(_) => format!("the API answers {status}"),
    };
    match (status, results) {
        (202 | 207 | 422, Some(results)) => Ok(Came::Results(results)),
        (409 | 429 | 500..=599, results) => Ok(Came::Later(after, why, results)),
        _ => Err(Failure::Failed(why)),
    }
}

fn because(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_over_https_or_to_this_machine_alone() {
        let tenant: TenantId = "acme".parse().unwrap();
        let api = |base: &str, key| {
            Api::new(base, &tenant, key).map(|api| api.url.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(api("https://events.example/", Some("k")).unwrap(), "https://events.example/v1/tenants/acme/events");
        assert_eq!(
            api("http://127.0.0.1:4566/_domain/x", Some("k")).unwrap(),
            "http://127.0.0.1:4566/_domain/x/v1/tenants/acme/events"
        );
        assert!(api("http://events.example", Some("k")).unwrap_err().contains("not https"));
        assert!(api("https://events.example", None).unwrap_err().contains("ACEQUIA_KEY"));
        assert!(api("events.example", Some("k")).unwrap_err().contains("is no URL"));
    }
}
