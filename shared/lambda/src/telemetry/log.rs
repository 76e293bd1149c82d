//! Logs: one JSON object per line, flat, in the form and at the level that the function's logging configuration asks
//! for.

use acequia_core::kind::functions;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::Environment;

/// Our own libraries, as their logs name them.
const LIBRARIES: [&str; 3] = ["acequia_core", "acequia_aws", "acequia_lambda"];

/// Our own crates: the libraries, and each function.
fn ours() -> impl Iterator<Item = &'static str> {
    LIBRARIES.into_iter().chain(functions())
}

/// Starts logging to standard output, and says which version starts. Lambda says the level and the format in
/// `AWS_LAMBDA_LOG_LEVEL` and `AWS_LAMBDA_LOG_FORMAT`.
///
/// A second call in one process changes nothing: tests share their process.
pub fn start_telemetry(environment: &Environment) {
    let _ = tracing::subscriber::set_global_default(subscriber(environment, std::io::stdout));
    crate::log_places_of_panics();
    tracing::info!(version = acequia_core::version::VERSION, "started");
}

/// What takes the logs of a function, writing to `writer`.
pub fn subscriber<W>(environment: &Environment, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level =
        environment.optional("AWS_LAMBDA_LOG_LEVEL").and_then(|text| text.parse().ok()).unwrap_or(LevelFilter::INFO);
    // Ours at the level asked for; of the libraries only what is wrong, because their lower levels may quote requests.
    let libraries = if level >= LevelFilter::DEBUG { LevelFilter::INFO } else { LevelFilter::ERROR };
    let filter = Targets::new().with_default(libraries).with_targets(ours().map(|target| (target, level)));
    let plain = environment.optional("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("text"));
    let layer = tracing_subscriber::fmt::layer().with_target(false).with_writer(writer);
    let registry = tracing_subscriber::registry().with(filter);
    if plain {
        Box::new(registry.with(layer.with_ansi(false)))
    } else {
        Box::new(registry.with(layer.json().flatten_event(true).with_current_span(false)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::ours;

    #[test]
    fn the_logs_of_every_function_are_ours() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions");
        let functions: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace('-', "_"))
            .collect();
        let ours: BTreeSet<String> = ours().filter(|name| !name.starts_with("acequia_")).map(str::to_owned).collect();
        assert_eq!(ours, functions);
    }
}
