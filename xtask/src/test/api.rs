//! The HTTP API against its own description: schemathesis sends what docs/openapi.json allows, and what it does not,
//! and compares each answer with it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value as Json;

use crate::local::Local;
use crate::setup::{self, Tools};
use crate::{host, process, stack};

/// How many requests are made up for each operation, beside those that cover its description.
const EXAMPLES: &str = "40";
/// The tenant that they are sent to.
const TENANT: &str = "alder";
/// What refuses a bad request: the tool's own list, 413, which a list of too many events gets, and 207, which says that
/// a part of the events is refused.
const REFUSALS: &str = "[207, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, \"5xx\"]";

/// What a replay is answered that is as described: 422 too, because no schema says that it ends after it begins, or which
/// sinks the tenant has.
const ASKED: &str = "[\"2xx\", 401, 403, 404, 409, 422, 429, \"5xx\"]";

/// Runs it; answers what is wrong.
pub(super) fn check(local: &Local) -> Result<Option<String>> {
    setup::ensure_one(Tools::Api)?;
    let scopes = ["--scope", "events:write", "--scope", "events:read", "--scope", "replay"];
    let arguments = [&["key", "create", TENANT, "--name", "api"][..], &scopes].concat();
    let key = local.acequia.run(&arguments, "")?.trim().to_owned();
    let base = stack::api_base(&local.aws.address);
    let folder = host::scratch("api");
    fs::create_dir_all(&folder).context("cannot make .local/api")?;
    let file = folder.join("schemathesis.toml");
    // A tenant that the key is not for would be answered 403 alone.
    let settings = format!(
        "[parameters]\n\"path.tenant\" = \"{TENANT}\"\n\n[checks]\nnegative_data_rejection.expected-statuses = {REFUSALS}\n\n\
         [[operations]]\ninclude-operation-id = \"beginReplay\"\nchecks.positive_data_acceptance.expected-statuses = {ASKED}\n"
    );
    fs::write(&file, settings).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = process::command(Tools::Api.program("st"));
    command.current_dir(&folder).arg("--config-file").arg(&file).arg("run").arg(described(&base)?);
    command.args(["--url", &base, "--header", &format!("Authorization: Bearer {key}"), "--phases", "coverage,fuzzing"]);
    command.args(["--seed", "1", "--max-examples", EXAMPLES, "--workers", "1", "--no-color"]);
    let holds = process::run_watched(&mut command, |line| println!("{line}"))?;
    Ok((!holds).then(|| "the API answers what docs/openapi.json does not say; the lines above say where".to_owned()))
}

/// The description as it is served, in a file, without the one header that makes a request depend on earlier ones: the
/// same `Idempotency-Key` with another body is refused, though both are as described.
fn described(base: &str) -> Result<PathBuf> {
    let address = format!("{base}/v1/openapi.json");
    let mut answer = ureq::get(&address).call().with_context(|| format!("{address} does not answer"))?;
    let mut document: Json = answer.body_mut().read_json()?;
    for path in ["events", "replays"] {
        let parameters = document.pointer_mut(&format!("/paths/~1v1~1tenants~1{{tenant}}~1{path}/post/parameters"));
        let parameters = parameters.and_then(Json::as_array_mut).context("the description has no parameters")?;
        parameters.retain(|parameter| parameter.get("name").and_then(Json::as_str) != Some("Idempotency-Key"));
    }
    let file = host::scratch("api/openapi.json");
    fs::write(&file, document.to_string()).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
