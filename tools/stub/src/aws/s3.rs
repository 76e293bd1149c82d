//! S3: takes an object that is put on the condition that there is none of its name
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>).

use hyper::http::request::Parts;

use super::{Answer, JSON, refuse};
use crate::count::{Tally, count};
use crate::latency::Latencies;

/// What every object must be sent with.
const NEEDED: [&str; 3] = ["if-none-match", "x-amz-checksum-sha256", "x-amz-content-sha256"];

pub(super) fn answer(latencies: &Latencies, head: &Parts, key: &str, body: &[u8]) -> Answer {
    if head.method != "PUT" || key.is_empty() || body.is_empty() {
        return refuse(JSON, &format!("s3:{} {key:?}: an unknown operation, or no content", head.method));
    }
    if let Some(missing) = NEEDED.iter().find(|name| !head.headers.contains_key(**name)) {
        return refuse(JSON, &format!("s3:PutObject without {missing}"));
    }
    let tally = Tally { calls: 1, items: 1, units: 1, bytes: count(body.len()) };
    let counted = Some(("s3:PutObject".to_owned(), tally));
    // It takes as long as a batch of rows.
    let latency = latencies.dynamodb_batch;
    Answer { status: 200, content_type: "application/xml", body: String::new(), counted, latency, problem: None }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    #[test]
    fn an_object_is_taken_with_its_condition_and_digest_and_not_without() {
        let put = |without: &str| {
            let mut request = Request::put("http://stub/archive/k");
            for name in NEEDED.iter().filter(|name| **name != without) {
                request = request.header(*name, "x");
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            answer(&Latencies::NONE, &head, "k", b"content").status
        };
        assert_eq!(put(""), 200);
        for name in NEEDED {
            assert_eq!(put(name), 400, "{name}");
        }
    }
}
