//! What AWS says when it refuses, with what to do about it.

use std::error::Error as _;
use std::fmt::Write as _;

use acequia_core::port::Unavailable;

/// Whether AWS says that it has no table, or no configuration set, of this name: every platform has them.
pub(super) fn is_of_no_platform(error: &Unavailable) -> bool {
    let text = with_causes(error);
    let has = |words: &str| text.contains(words);
    has("ResourceNotFoundException")
        || has("non-existent table")
        || (has("onfiguration set") && has("does not exist"))
        || has("ConfigurationSetDoesNotExist")
}

const DENIED: [&str; 2] = ["AccessDenied", "not authorized"];

/// The error with all its causes, and what to do about it.
pub(crate) fn describe(error: &Unavailable) -> String {
    let text = with_causes(error);
    let advice = advice(&text);
    if advice.is_empty() { text } else { format!("{text}\n  {advice}") }
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

fn advice(text: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&DENIED) {
        "the credentials in use do not allow this call: use those of an operator of this stage, a role with the policy OperatorPolicy of \
         the platform's stack (docs/CLI.md)"
    } else if has(&[
        "no providers in chain",
        "no credentials found in chain",
        "credentials provider",
        "CredentialsNotLoaded",
        "failed to load credentials",
    ]) {
        "no AWS credentials were found; with a profile of IAM Identity Center: \
         eval \"$(aws configure export-credentials --format env)\""
    } else if has(&["UnrecognizedClient", "InvalidClientTokenId", "ExpiredToken", "InvalidSignature"]) {
        "AWS does not accept the credentials: they may have expired, or belong to another account"
    } else if has(&["ResourceNotFoundException", "non-existent table"]) {
        "is the platform deployed in this stage, region and account? --stage and --region choose them"
    } else if has(&["dispatch failure", "timeout", "timed out", "(Connect)"]) {
        "no answer from AWS: check the network, --region, and AWS_ENDPOINT_URL where it is set"
    } else {
        ""
    }
}
