//! Logs: one JSON object per line, flat, in the form and at the level that the function's logging configuration asks for.

use crate::Environment;

/// Starts logging. Lambda says the level and the format in `AWS_LAMBDA_LOG_LEVEL` and `AWS_LAMBDA_LOG_FORMAT`.
///
/// A second call in one process changes nothing: tests share their process.
pub fn start_telemetry(environment: &Environment) {
    let level = environment.optional("AWS_LAMBDA_LOG_LEVEL").unwrap_or_else(|| "info".to_owned()).to_lowercase();
    // Ours at the level asked for; of the libraries only what is wrong, because their lower levels may quote requests.
    let libraries = if level == "trace" || level == "debug" { "info" } else { "error" };
    let ours = ["acequia_core", "acequia_aws", "acequia_lambda", "router", "webhook", "forward", "email"];
    let filter = ours.iter().fold(libraries.to_owned(), |filter, name| format!("{filter},{name}={level}"));
    let filter =
        tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let plain = environment.optional("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("text"));
    let _ = if plain {
        tracing::subscriber::set_global_default(subscriber.with_ansi(false).finish())
    } else {
        tracing::subscriber::set_global_default(subscriber.json().flatten_event(true).with_current_span(false).finish())
    };
}
