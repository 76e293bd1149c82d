//! What AWS says when it refuses, with what to do about it.

use std::error::Error as _;
use std::fmt::Write as _;

use acequia_core::port::{Refusal, Unavailable};

/// The error with all its causes, and what to do about it.
pub(crate) fn describe(error: &Unavailable) -> String {
    let text = with_causes(error);
    match error.refusal {
        Some(refusal) => format!("{text}\n  {}", advice(refusal)),
        None => text,
    }
}

fn with_causes(error: &Unavailable) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    text
}

fn advice(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Denied => {
            "the credentials in use do not allow this call: use those of an operator of this stage, a role with the policy OperatorPolicy of \
             the platform's stack (docs/CLI.md)"
        }
        Refusal::NoCredentials => {
            "no AWS credentials were found; with a profile of IAM Identity Center: \
             eval \"$(aws configure export-credentials --format env)\""
        }
        Refusal::InvalidCredentials => {
            "AWS does not accept the credentials: they may have expired, or belong to another account"
        }
        Refusal::NotFound => {
            "is the platform deployed in this stage, region and account? --stage and --region choose them"
        }
        Refusal::NoAnswer => "no answer from AWS: check the network, --region, and AWS_ENDPOINT_URL where it is set",
    }
}
