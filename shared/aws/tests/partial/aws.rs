//! The stub as the tests see it: what it is to answer otherwise than when all goes well, and what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acequia_aws::Clients;
use acequia_aws::clients::function_config;
use acequia_core::egress::{Authorities, Reach};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use serde_json::{Value as Json, json};
use stub::{LEDGER_TABLE, Latencies, Stub, World};

/// How often left-overs are sent, in all.
pub(crate) const TRIES: usize = 5;

/// What one call answers: it changes the answer of when all goes well, and says which status it has.
pub(crate) type Turn = Box<dyn FnOnce(&Json, &mut Json) -> u16 + Send>;

/// AWS on loopback.
pub(crate) struct Aws {
    stub: Stub,
    script: Arc<Mutex<Script>>,
}

/// Entries are known by the number of their message or event: `m-1` is 1.
#[derive(Default)]
struct Script {
    turns: BTreeMap<&'static str, VecDeque<Turn>>,
    asked: Vec<(String, Vec<usize>)>,
    /// The rows that were written, to be read again.
    rows: Vec<Json>,
}

impl Aws {
    /// One in which all goes well.
    pub(crate) fn new() -> Self {
        let stub = Stub::start(|_| World::default(), Latencies::NONE).unwrap();
        let script: Arc<Mutex<Script>> = Arc::default();
        let told = Arc::clone(&script);
        stub.twist(move |operation, request, answer| lock(&told).answer(operation, request, answer));
        Self { stub, script }
    }

    /// The next call of this operation that has no turn yet gets this one.
    pub(crate) fn then(self, operation: &'static str, turn: Turn) -> Self {
        lock(&self.script).turns.entry(operation).or_default().push_back(turn);
        self
    }

    /// Every call of this operation leaves these entries unprocessed, however many there are.
    pub(crate) fn always_leaves(mut self, operation: &'static str, numbers: &'static [usize]) -> Self {
        for _ in 0..2 * TRIES {
            self = self.then(operation, leaves(numbers));
        }
        self
    }

    /// The clients of a function whose AWS this is.
    pub(crate) fn clients(&self) -> Clients {
        clients(format!("http://{}", self.stub.address()))
    }

    /// The entries of each call of an operation so far.
    pub(crate) fn asked(&self, operation: &str) -> Vec<Vec<usize>> {
        // What the stub refused was a call that AWS would have refused.
        self.stub.take_counts().unwrap();
        let asked = &lock(&self.script).asked;
        asked.iter().filter(|(name, _)| name == operation).map(|(_, numbers)| numbers.clone()).collect()
    }
}

/// The clients of a function in us-east-1 whose AWS is at a port of loopback.
pub(crate) fn clients_at(port: u16) -> Clients {
    clients(format!("http://127.0.0.1:{port}"))
}

fn clients(endpoint: String) -> Clients {
    let reach = Reach { region: "us-east-1".to_owned(), endpoint: Some(endpoint), authorities: Authorities::Built };
    let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"));
    Clients::new(&function_config(&reach).into_builder().credentials_provider(credentials).build())
}

impl Script {
    fn answer(&mut self, counted: &str, request: &Json, answer: &mut Json) -> u16 {
        // "dynamodb:BatchWriteItem(ledger)"
        let operation = counted.split([':', '(']).nth(1).unwrap_or_default().to_owned();
        if operation == "BatchGetItem" {
            let wanted =
                |row: &&Json| entries(request).iter().any(|key| key["pk"] == row["pk"] && key["sk"] == row["sk"]);
            answer["Responses"][LEDGER_TABLE] = self.rows.iter().filter(wanted).cloned().collect();
        }
        let turn = self.turns.get_mut(operation.as_str()).and_then(VecDeque::pop_front);
        let status = turn.map_or(200, |turn| turn(request, answer));
        if operation == "BatchWriteItem" && status == 200 {
            let left = answer["UnprocessedItems"][LEDGER_TABLE].as_array().cloned().unwrap_or_default();
            let written = entries(request).iter().filter(|entry| !left.contains(entry));
            self.rows.extend(written.filter_map(|entry| entry.pointer("/PutRequest/Item").cloned()));
        }
        self.asked.push((operation, entries(request).iter().map(number).collect()));
        status
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The entries of a batch, of whichever service.
fn entries(request: &Json) -> &[Json] {
    let keys = format!("/RequestItems/{LEDGER_TABLE}/Keys");
    let writes = format!("/RequestItems/{LEDGER_TABLE}");
    let found = ["/Entries", "/Statements", &keys, &writes].iter().find_map(|path| request.pointer(path)?.as_array());
    found.map(Vec::as_slice).unwrap_or_default()
}

/// The number of an entry's message or event.
fn number(entry: &Json) -> usize {
    let text = entry.to_string();
    let behind = text.split_once("m-").map(|(_, behind)| behind).unwrap_or_default();
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(usize::MAX)
}

/// `DynamoDB` leaves these entries unprocessed.
pub(crate) fn leaves(numbers: &'static [usize]) -> Turn {
    Box::new(|request, answer| {
        let left: Vec<&Json> = entries(request).iter().filter(|entry| numbers.contains(&number(entry))).collect();
        if answer.get("UnprocessedKeys").is_some() {
            if let Some(found) = answer["Responses"][LEDGER_TABLE].as_array_mut() {
                found.retain(|row| !numbers.contains(&number(row)));
            }
            if !left.is_empty() {
                answer["UnprocessedKeys"] = json!({LEDGER_TABLE: {"Keys": left}});
            }
        } else if !left.is_empty() {
            answer["UnprocessedItems"] = json!({LEDGER_TABLE: left});
        }
        200
    })
}

/// `DynamoDB` says this of these statements.
pub(crate) fn statements_fail(failures: &'static [(usize, &str)]) -> Turn {
    Box::new(|request, answer| {
        for (place, entry) in entries(request).iter().enumerate() {
            if let Some((_, code)) = failures.iter().find(|(failed, _)| *failed == number(entry)) {
                answer["Responses"][place] = json!({"Error": {"Code": code, "Message": "as the test wants it"}});
            }
        }
        200
    })
}

/// SQS says this of these entries: a code, and whether the sender is to blame.
pub(crate) fn fails(failures: &'static [(usize, &str, bool)]) -> Turn {
    Box::new(|request, answer| {
        for entry in entries(request) {
            if let Some((_, code, sender)) = failures.iter().find(|(failed, _, _)| *failed == number(entry)) {
                forget(answer, entry);
                let failed =
                    json!({"Id": entry["Id"], "Code": code, "SenderFault": sender, "Message": "as the test wants it"});
                answer["Failed"].as_array_mut().unwrap().push(failed);
            }
        }
        200
    })
}

/// SQS says nothing of these entries, and else the same.
pub(crate) fn omits(numbers: &'static [usize], turn: Turn) -> Turn {
    Box::new(|request, answer| {
        let status = turn(request, answer);
        entries(request)
            .iter()
            .filter(|entry| numbers.contains(&number(entry)))
            .for_each(|entry| forget(answer, entry));
        status
    })
}

fn forget(answer: &mut Json, entry: &Json) {
    answer["Successful"].as_array_mut().unwrap().retain(|one| one["Id"] != entry["Id"]);
}

/// The whole call fails.
pub(crate) fn error(status: u16, code: &'static str) -> Turn {
    Box::new(move |_, answer| {
        *answer = json!({"__type": format!("com.amazonaws#{code}"), "message": "as the test wants it"});
        status
    })
}

/// What an entry came to, in one word: `ok`, or the code that AWS gave.
pub(crate) fn word<T, E: std::error::Error>(answer: &Result<T, E>) -> String {
    let Err(error) = answer else { return "ok".to_owned() };
    let mut chain = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let said = chain.find(|error| error.to_string().contains(": "));
    said.map_or_else(|| error.to_string(), |said| said.to_string().split(": ").next().unwrap_or_default().to_owned())
}

/// What each entry came to.
pub(crate) fn words<T, E: std::error::Error>(answers: &[Result<T, E>]) -> Vec<String> {
    answers.iter().map(word).collect()
}
