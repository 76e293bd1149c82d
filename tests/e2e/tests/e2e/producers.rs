//! The producers of examples/producers, run by the lines of their README: what they send arrives, what is refused they
//! say, and what was not taken they send again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use e2e::world::event;
use e2e::{eventually, world};
use serde_json::json;

use crate::door::{address, key};

const PAGE: &str = "examples/producers/README.md";
/// The one that needs no HTTP API.
const OVER_SQS: &str = "python_sqs.py";

/// The lines of the README that run a producer each.
fn lines() -> Vec<String> {
    let page = std::fs::read_to_string(world().environment.root.join(PAGE)).unwrap();
    let (_, block) = page.split_once("```sh\n").unwrap();
    let lines: Vec<String> = block.split_once("```").unwrap().0.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 5, "{PAGE}: {lines:?}");
    lines
}

/// Runs a line of the README in a shell, with Node and boto3 of the pinned versions, against an API.
fn run(line: &str, api: &str, key: &str, events: &[String]) -> Output {
    let world = world();
    let environment = &world.environment;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), events.join("\n")).unwrap();
    let line = line.replace("events.ndjson", file.path().to_str().unwrap());
    let folders = [environment.root.join(".venv/kafka/bin"), environment.node.parent().unwrap().to_owned()];
    let path = std::env::join_paths(folders.into_iter().chain(path())).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(&environment.root).env("PATH", path).env("NO_PROXY", "127.0.0.1");
    shell.env("ACEQUIA_API", api).env("ACEQUIA_KEY", key).env("ACEQUIA_TENANT", "alder");
    shell.env("ACEQUIA_STAGE", &environment.stage).env("AWS_ENDPOINT_URL", &environment.endpoint);
    shell.env("AWS_DEFAULT_REGION", &environment.region).envs(world.producer.variables());
    shell.output().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the programs that the machine has")]
fn path() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

#[test]
fn each_producer_of_the_examples_sends_its_events_and_says_which_are_refused() {
    let (world, key, api) = (world(), key("alder", &[]), address(""));
    for (number, line) in lines().iter().enumerate() {
        let id = |part: &str| format!("producer-{number}-{part}");
        let good = [event("out", &id("a"), &json!({"name": "Zoë"})), event("out", &id("b"), &json!({}))];
        let done = run(line, &api, &key, &good);
        assert!(done.status.success() && said(&done).is_empty(), "{line}: {}", said(&done));
        for id in [id("a"), id("b")] {
            let wanted = format!("\"id\":\"{id}\"");
            let arrived = || {
                let bodies = world.peek("alder", "out").into_iter();
                bodies.map(|message| message["Body"].as_str().unwrap().to_owned()).find(|body| body.contains(&wanted))
            };
            let body = eventually(&id, arrived);
            assert!(good.contains(&body), "{line}: to the byte: {body}");
        }
        if line.contains(OVER_SQS) {
            continue;
        }
        let mixed = [event("none", &id("c"), &json!({})), r#"{"specversion":"1.0","id":"x"}"#.to_owned()];
        for (events, wanted) in [(&mixed[..], "event 2"), (&mixed[1..], "event 1")] {
            let refused = run(line, &api, &key, events);
            let said = said(&refused);
            assert_eq!(refused.status.code(), Some(1), "{line}: {said}");
            assert!(said.contains(wanted) && said.contains("missing-attribute"), "{line}: {said}");
            assert!(!said.contains("event 3") && !said.contains("Traceback"), "{line}: {said}");
        }
        let unknown = run(line, &api, "acq_nonsense", &mixed);
        assert_eq!(unknown.status.code(), Some(1));
        assert!(said(&unknown).contains("401") && !said(&unknown).contains("acq_nonsense"), "{line}: {unknown:?}");
    }
}

/// Answers so many requests with these statuses, each with `Retry-After`; tells the keys and bodies that came.
fn answering(statuses: Vec<(u16, u32)>) -> (String, std::thread::JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let answer = |(status, after): (u16, u32)| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut key, mut length) = (String::new(), 0);
            for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
                let Some((name, value)) = line.split_once(": ") else { continue };
                match name.to_ascii_lowercase().as_str() {
                    "idempotency-key" => value.clone_into(&mut key),
                    "content-length" => length = value.parse().unwrap(),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let said = r#"{"title":"T","results":[{"status":"accepted"}]}"#;
            let said = if status == 202 { said.to_owned() } else { said.replace("accepted", "not-taken") };
            write!(
                stream,
                "HTTP/1.1 {status} S\r\nretry-after: {after}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
                said.len()
            )
            .unwrap();
            (key, String::from_utf8(body).unwrap())
        };
        statuses.into_iter().map(answer).collect()
    });
    (api, serving)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long a program waits is real time")]
fn each_producer_over_http_sends_again_what_was_not_taken_as_the_api_asks_and_under_the_same_key() {
    let event = event("none", "again", &json!({}));
    let mut keys = std::collections::BTreeSet::new();
    for line in lines().iter().filter(|line| !line.contains(OVER_SQS)) {
        let (api, serving) = answering(vec![(429, 0), (503, 2), (202, 0)]);
        let begun = Instant::now();
        let done = run(line, &api, "acq_key", std::slice::from_ref(&event));
        assert!(done.status.success(), "{line}: {}", said(&done));
        assert!(begun.elapsed() >= Duration::from_secs(2), "{line}: Retry-After is kept");
        let came = serving.join().unwrap();
        assert!(came.iter().all(|one| *one == came[0] && one.1.trim() == event), "{line}: {came:?}");
        assert!(keys.insert(came[0].0.clone()) && came[0].0.len() >= 32, "{line}: a request has a name of its own");

        let (api, serving) = answering(vec![(503, 0); 6]);
        let given_up = run(line, &api, "acq_key", std::slice::from_ref(&event));
        assert_eq!(given_up.status.code(), Some(1), "{line}");
        assert!(said(&given_up).contains("503") && said(&given_up).contains("not-taken"), "{line}: {given_up:?}");
        assert_eq!(serving.join().unwrap().len(), 6, "{line}");
    }
}
