//! The ports on AWS: tenants and the ledger in `DynamoDB`, delayed messages likewise, queues in SQS, secrets and grants
//! in the Systems Manager's parameter store.
//!
//! An adapter carries out and decides nothing: what a claim comes to is judged in `acequia-core`. All names and keys of
//! a tenant are built in `keys` from a `TenantId`. An error names the operation that failed and keeps its source; it
//! holds no payload and no secret.

pub mod account;
mod ages;
mod alerts;
mod api_keys;
mod archive;
mod archive_reader;
mod archive_upkeep;
mod audit_copies;
pub mod clients;
mod columns;
mod consents;
mod contest;
mod dead_letters;
mod delays;
mod elsewhere;
mod endpoints;
mod error;
mod findings;
mod grants;
mod intake;
mod issuer;
mod journal;
pub mod json_client;
mod keys;
mod lazy;
mod ledger;
mod mail_store;
mod memory;
pub mod operator;
mod parameter_store;
mod ports;
mod queues;
mod rates;
mod rds_tokens;
pub mod refusal;
mod replays;
mod secrets;
pub mod service;
mod table;
mod tenants;
mod topics;
mod trust;
mod watched;
mod xml;

pub use ages::CloudWatchAges;
pub use alerts::SnsAlerts;
pub use api_keys::DynamoApiKeys;
pub use archive::{S3Archive, S3ArchiveEraser};
pub use archive_reader::S3ArchiveReader;
pub use archive_upkeep::S3ArchiveUpkeep;
pub use audit_copies::{AuditImageError, S3AuditCopies, audit_image};
pub use aws_config::SdkConfig;
pub use clients::Clients;
pub use consents::{DynamoConsents, outbox_row};
pub use delays::DynamoDelays;
pub use endpoints::DynamoEndpoints;
pub use findings::DynamoFindings;
pub use grants::SsmGrants;
pub use intake::DynamoIntake;
pub use issuer::SsmIssuer;
pub use journal::DynamoJournal;
pub use lazy::Lazy;
pub use ledger::{ClaimWrite, ClaimWriter, DynamoLedger, PartiqlClaims, PutClaims};
pub use mail_store::DynamoMailStore;
pub use parameter_store::{Kind as ParameterKind, ParameterStore};
pub use ports::Ports;
pub use queues::SqsQueues;
pub use rates::DynamoRates;
pub use rds_tokens::RdsTokens;
pub use replays::DynamoReplays;
pub use secrets::SsmSecrets;
pub use tenants::DynamoTenants;
pub use topics::SsmTopics;
