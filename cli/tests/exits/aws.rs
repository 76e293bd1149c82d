//! As much of AWS as tells a platform from none: a server on loopback that answers by the operation's name.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};

/// Nothing takes as long.
const DEADLINE: Duration = Duration::from_mins(1);

const OF_OLD: &str = "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n";

/// What it has.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Has {
    Nothing,
    Intake,
    /// Nothing that these credentials may see.
    Hidden,
}

/// What it was asked for.
#[derive(Default)]
struct Seen {
    sent: Mutex<usize>,
    more: Condvar,
    receives: AtomicUsize,
    waited: AtomicBool,
}

pub(crate) struct Aws {
    address: SocketAddr,
    seen: Arc<Seen>,
    ended: Arc<AtomicBool>,
}

/// It has no table, no queue and no configuration set.
pub(crate) fn without_a_platform() -> Aws {
    Aws::serve(Has::Nothing)
}

/// It has the intake of the tenant `acme` and an empty dead-letter queue behind it.
pub(crate) fn with_an_intake() -> Aws {
    Aws::serve(Has::Intake)
}

/// It has a platform of another stage, whose operators may not look into this one.
pub(crate) fn of_another_stage() -> Aws {
    Aws::serve(Has::Hidden)
}

impl Aws {
    fn serve(has: Has) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (seen, ended) = (Arc::<Seen>::default(), Arc::<AtomicBool>::default());
        let (kept, ends) = (Arc::clone(&seen), Arc::clone(&ended));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                let seen = Arc::clone(&kept);
                std::thread::spawn(move || converse(&stream, has, &seen));
            }
        });
        Self { address, seen, ended }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many messages were sent.
    pub(crate) fn sent(&self) -> usize {
        *self.seen.sent.lock().expect("nobody panicked")
    }

    /// Waits until so many messages were sent.
    pub(crate) fn wait_until_sent(&self, count: usize) {
        let sent = self.seen.sent.lock().expect("nobody panicked");
        let (sent, late) =
            self.seen.more.wait_timeout_while(sent, DEADLINE, |sent| *sent < count).expect("nobody panicked");
        assert!(!late.timed_out(), "{} of {count} were sent", *sent);
    }

    /// How often messages were asked for.
    pub(crate) fn receives(&self) -> usize {
        self.seen.receives.load(Ordering::SeqCst)
    }

    /// Returns whether a request for messages waited for a message to come.
    pub(crate) fn has_waited(&self) -> bool {
        self.seen.waited.load(Ordering::SeqCst)
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // The listener looks at that when a connection comes.
        drop(TcpStream::connect(self.address));
    }
}

/// Answers one request after the other until the client closes.
fn converse(stream: &TcpStream, has: Has, seen: &Seen) {
    let mut reader = BufReader::new(stream);
    while let Some((target, body)) = request(&mut reader) {
        let (status, answer) = answer(&target, &body, has, seen);
        let text = answer.to_string();
        // SQS tells its errors by their names of old, too, and the SDK goes by these.
        let of_old = if text.contains("QueueDoesNotExist") { OF_OLD } else { "" };
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.0\r\n{of_old}content-length: {}\r\n\r\n{text}",
            text.len()
        );
        let mut writer = stream;
        if writer.write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

/// The operation that is asked for (where none is named, the path), and the body.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Json)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => value.clone_into(&mut target),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((target, serde_json::from_slice(&body).unwrap_or_default()))
}

fn answer(target: &str, body: &Json, has: Has, seen: &Seen) -> (u16, Json) {
    let refused = |kind: &str, message: &str| (400, json!({ "__type": kind, "message": message }));
    let url = |name: &str| format!("http://127.0.0.1/000000000000/{name}");
    let queue =
        body["QueueName"].as_str().or_else(|| body["QueueUrl"].as_str()?.rsplit('/').next()).unwrap_or_default();
    let queues = ["acequia_dev_acme_intake", "acequia_dev_acme_intake-dlq"];
    let is_there = has == Has::Intake && queues.contains(&queue);
    match target {
        "AmazonSQS.ListQueues" if has == Has::Intake => (200, json!({ "QueueUrls": queues.map(url) })),
        "AmazonSQS.ListQueues" => (200, json!({})),
        "AmazonSQS.GetQueueUrl" if is_there => (200, json!({ "QueueUrl": url(queue) })),
        "AmazonSQS.GetQueueAttributes" if is_there => {
            let arn = format!("arn:aws:sqs:eu-west-1:000000000000:{queue}");
            (
                200,
                json!({ "Attributes": {
                "QueueArn": arn, "ApproximateNumberOfMessages": "0",
                "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
            } }),
            )
        }
        "AmazonSQS.ReceiveMessage" if is_there => {
            seen.receives.fetch_add(1, Ordering::SeqCst);
            if body["WaitTimeSeconds"].as_u64().unwrap_or_default() > 0 {
                seen.waited.store(true, Ordering::SeqCst);
            }
            (200, json!({}))
        }
        "AmazonSQS.SendMessageBatch" if is_there => {
            let entries = body["Entries"].as_array().cloned().unwrap_or_default();
            *seen.sent.lock().expect("nobody panicked") += entries.len();
            seen.more.notify_all();
            let sent = |entry: &Json| json!({ "Id": entry["Id"], "MessageId": entry["Id"], "MD5OfMessageBody": "" });
            (200, json!({ "Successful": entries.iter().map(sent).collect::<Vec<_>>(), "Failed": [] }))
        }
        target if target.starts_with("AmazonSQS.") => {
            refused("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
        }
        target if target.starts_with("DynamoDB_20120810.") && has == Has::Hidden => {
            refused("com.amazon.coral.service#AccessDeniedException", "not authorized to perform this")
        }
        target if target.starts_with("DynamoDB_20120810.") => {
            refused("com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "Requested resource not found")
        }
        // Parameters can be written into any account.
        "AmazonSSM.PutParameter" => (200, json!({ "Version": 1 })),
        "/v2/email/outbound-emails" => (
            404,
            json!({ "__type": "NotFoundException", "message": "Configuration set <acequia-nosuch> does not exist." }),
        ),
        _ => refused("AccessDeniedException", "not authorized to perform this"),
    }
}
