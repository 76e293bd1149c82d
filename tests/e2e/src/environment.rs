//! Where the running environment is.

use std::path::PathBuf;

use serde::Deserialize;

/// What `cargo xtask test` writes into the file that `ACEQUIA_TEST_ENVIRONMENT` names.
#[derive(Debug, Clone, Deserialize)]
pub struct Environment {
    /// The local AWS, `http://127.0.0.1:<port>`.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// The platform's stage.
    pub stage: String,
    /// The receiver of webhooks, `http://127.0.0.1:<port>`.
    pub receiver: String,
    /// The operator's command.
    pub acequia: PathBuf,
    /// The project's own tasks.
    pub xtask: PathBuf,
    /// Node, of the pinned version.
    pub node: PathBuf,
    /// The working tree.
    pub root: PathBuf,
}

impl Environment {
    /// Reads it.
    #[expect(clippy::disallowed_methods, reason = "the one variable that the tests are told")]
    pub fn read() -> Self {
        let file = std::env::var("ACEQUIA_TEST_ENVIRONMENT")
            .expect("these tests need a running environment: start them by `cargo xtask test`");
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    }
}
