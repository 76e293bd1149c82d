//! List prices in US dollars, us-east-1, on demand, without free tiers: those that only the bench needs, beside
//! [`acequia_core::price`].
//!
//! From the price pages of AWS: <https://aws.amazon.com/sqs/pricing/>,
//! <https://aws.amazon.com/dynamodb/pricing/on-demand/>, <https://aws.amazon.com/lambda/pricing/>,
//! <https://aws.amazon.com/ses/pricing/>, <https://aws.amazon.com/s3/pricing/>,
//! <https://aws.amazon.com/cloudwatch/pricing/>, <https://aws.amazon.com/eventbridge/pricing/>,
//! <https://aws.amazon.com/api-gateway/pricing/>.

pub use acequia_core::price::{DYNAMODB_READS, DYNAMODB_WRITES, EVENTS, S3_PUTS, SES, SQS_STANDARD};

/// A million requests of SQS to a FIFO queue, each up to 64 KB.
pub const SQS_FIFO: f64 = 0.50;
/// A million requests of an HTTP API, each up to 512 KB: the first 300 million of a month.
pub const HTTP_API_REQUESTS: f64 = 1.00;
/// A million invocations of Lambda.
pub const LAMBDA_REQUESTS: f64 = 0.20;
/// A gigabyte-second of Lambda on arm64.
pub const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;
/// What template.yaml gives each function, in gigabytes.
pub const LAMBDA_GB: f64 = 0.25;
/// Lambda's poller receives and deletes ten messages per call.
pub const POLLED_PER_CALL: f64 = 10.0;

/// How often Lambda's five pollers ask an idle queue: each waits 20 s for an answer. AWS documents the pollers and the
/// wait, and not the calls.
pub const POLLS_A_MINUTE: f64 = 15.0;
/// An alarm of `CloudWatch`, a month.
pub const ALARM: f64 = 0.10;

/// What a million units of an operation cost; `None` for one without a known price.
pub fn per_million(operation: &str) -> Option<f64> {
    let (service, call) = operation.split_once(':')?;
    let reads = ["GetItem", "BatchGetItem", "Query", "Scan"];
    Some(match service {
        "sqs" if call.ends_with("(fifo)") => SQS_FIFO,
        "sqs" => SQS_STANDARD,
        "dynamodb" if reads.iter().any(|read| call.split('(').next() == Some(read)) => DYNAMODB_READS,
        "dynamodb" => DYNAMODB_WRITES,
        "ses" => SES,
        "events" if call == "PutEvents" => EVENTS,
        "s3" if call.starts_with("PutObject") => S3_PUTS,
        // Standard parameters are free, and what an endpoint does is not AWS's.
        "ssm" | "webhook" => 0.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_and_kinds_of_queues_have_their_own_prices() {
        assert_eq!(per_million("dynamodb:BatchGetItem(ledger)"), Some(DYNAMODB_READS));
        assert_eq!(per_million("dynamodb:BatchWriteItem(ledger)"), Some(DYNAMODB_WRITES));
        assert_eq!(per_million("sqs:SendMessageBatch(fifo)"), Some(SQS_FIFO));
        assert_eq!(per_million("kms:Decrypt"), None);
    }
}
