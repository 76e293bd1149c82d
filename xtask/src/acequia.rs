//! The operator's command, as the demo uses it: every reading by `--output json`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value as Json;

use crate::{emulator, process, stack};

/// The command, set up for one local AWS.
#[derive(Debug, Clone)]
pub(crate) struct Acequia {
    program: PathBuf,
    endpoint: String,
}

impl Acequia {
    /// The program for the local AWS at `endpoint`.
    pub(crate) fn new(program: PathBuf, endpoint: &str) -> Self {
        Self { program, endpoint: endpoint.to_owned() }
    }

    /// Runs it and gives its output.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = process::command(&self.program);
        command.args(arguments).env_clear().envs(emulator::variables(&self.endpoint));
        process::output(&mut command, &format!("acequia {}", arguments.join(" ")), input)
    }

    /// Runs it with `--output json` and reads the output.
    pub(crate) fn read(&self, arguments: &[&str]) -> Result<Json> {
        let text = self.run(&[&["--output", "json"], arguments].concat(), "")?;
        serde_json::from_str(&text).with_context(|| format!("acequia {} did not print JSON", arguments.join(" ")))
    }

    /// Applies a tenant's file.
    pub(crate) fn apply(&self, file: &Path) -> Result<()> {
        self.run(&["tenant", "apply", &file.to_string_lossy(), "--yes"], "").map(drop)
    }

    /// Writes a tenant's secret for a purpose.
    pub(crate) fn put_secret(&self, tenant: &str, purpose: &str, name: &str, value: &str) -> Result<()> {
        self.run(&["secret", "put", tenant, name, "--for", purpose, "--value-stdin"], value).map(drop)
    }

    /// Sends lines at a steady pace, also lines that are no events.
    pub(crate) fn send(&self, tenant: &str, lines: &[String], per_second: u32) -> Result<()> {
        let rate = format!("{per_second}/s");
        let input = lines.join("\n") + "\n";
        self.run(&["send", tenant, "--file", "-", "--no-validate", "--rate", &rate], &input).map(drop)
    }

    /// Makes an API key of a tenant.
    pub(crate) fn make_key(&self, tenant: &str) -> Result<String> {
        Ok(self.run(&["key", "create", tenant, "--name", "demo"], "")?.trim().to_owned())
    }

    /// Sends lines at a steady pace over the HTTP API, by a key or a token; answers how many were refused.
    pub(crate) fn send_http(&self, tenant: &str, lines: &[String], per_second: u32, key: &str) -> Result<u64> {
        let mut command = process::command(&self.program);
        let (base, rate) = (stack::api_base(&self.endpoint), format!("{per_second}/s"));
        command.args([
            "--output",
            "json",
            "send",
            tenant,
            "--http",
            &base,
            "--file",
            "-",
            "--no-validate",
            "--rate",
            &rate,
        ]);
        command.env_clear().env("ACEQUIA_KEY", key);
        let what = format!("acequia send {tenant} --http {base}");
        // Lines that are no events make it end with 1.
        let said = process::output_ending(&mut command, &what, &(lines.join("\n") + "\n"), &[0, 1])?;
        let sums: Json = serde_json::from_str(&said).with_context(|| format!("{what} did not print JSON: {said}"))?;
        sums.get("failed").and_then(Json::as_u64).with_context(|| format!("{what} printed no sums: {said}"))
    }

    /// What a tenant's file would do with lines of input, one answer each. Lines that are no events are among them.
    pub(crate) fn try_out(&self, file: &Path, lines: &[String]) -> Result<Vec<Json>> {
        let mut command = process::command(&self.program);
        let arguments = ["--output", "json", "tenant", "try", &file.to_string_lossy(), "-"].map(str::to_owned);
        command.args(&arguments).env_clear().envs(emulator::variables(&self.endpoint));
        let what = format!("acequia {}", arguments.join(" "));
        let text = process::output_ending(&mut command, &what, &lines.join("\n"), &[0, 3])?;
        text.lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("{what} did not print JSON")))
            .collect()
    }
}
