//! List prices in US dollars, us-east-1, on demand, without free tiers.
//!
//! From the price pages of AWS: <https://aws.amazon.com/sqs/pricing/>,
//! <https://aws.amazon.com/dynamodb/pricing/on-demand/>, <https://aws.amazon.com/ses/pricing/>,
//! <https://aws.amazon.com/s3/pricing/>, <https://aws.amazon.com/eventbridge/pricing/>.

/// A million requests of SQS to a standard queue, each up to 64 KB.
pub const SQS_STANDARD: f64 = 0.40;
/// A million write units of `DynamoDB`.
pub const DYNAMODB_WRITES: f64 = 0.625;
/// A million read units of `DynamoDB`.
pub const DYNAMODB_READS: f64 = 0.125;
/// A million mails of SES.
pub const SES: f64 = 100.0;
/// A million PUT requests of S3.
pub const S3_PUTS: f64 = 5.0;
/// A million requests of S3 for the names of objects, up to a thousand each.
pub const S3_LISTS: f64 = 5.0;
/// A million GET requests of S3.
pub const S3_GETS: f64 = 0.40;
/// A million events put on a bus of `EventBridge`, each up to 64 KB.
pub const EVENTS: f64 = 1.00;
