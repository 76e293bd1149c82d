//! The platform's own issuer of tokens: the parameter `/acequia/<stage>/jwt-issuer` that its stack writes, remembered for
//! a minute.
//!
//! It is not in the functions' environment, since what is there has to stand in the description of each version, which
//! has no room for addresses (docs of Lambda's `PublishVersion`: 256 characters).

use acequia_core::access::{IssuerParts, JwtIssuer};
use acequia_core::egress::Egress;
use acequia_core::id::Stage;
use acequia_core::port::{Clock, Unavailable};
use serde::Deserialize;

use crate::memory::{Known, Memory};
use crate::{Lazy, ParameterStore, keys};

const READ: &str = "read the platform's issuer of tokens";

/// What the parameter holds; a text that is empty was left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    issuer: String,
    audience: String,
    jwks_url: String,
    tenant_claim: String,
    scope_claim: String,
}

/// The parameter's text is none that can be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(String);

/// The parameter store, with a memory.
pub struct SsmIssuer<C> {
    client: Lazy<ParameterStore>,
    stage: Stage,
    egress: Egress,
    clock: C,
    known: Memory<Option<JwtIssuer>>,
}

impl<C: Clock> SsmIssuer<C> {
    /// The issuer of this stage, whose keys may be fetched from where `egress` says.
    pub fn new(client: Lazy<ParameterStore>, stage: Stage, egress: Egress, clock: C) -> Self {
        Self { client, stage, egress, clock, known: Memory::new() }
    }

    /// The issuer, where the platform has one.
    ///
    /// # Errors
    /// When the parameter store does not answer, or holds what cannot be used.
    pub async fn issuer(&self) -> Result<Option<JwtIssuer>, Unavailable> {
        let path = keys::issuer(&self.stage);
        match self.known.recall(&path, self.clock.now()) {
            Some(Known::Value(issuer)) => return Ok(issuer),
            Some(Known::Absent) => return Ok(None),
            None => {}
        }
        let value = self.client.get(&path).await.map_err(|error| error.unavailable(READ))?;
        let issuer = value.map(|text| read(&text, self.egress)).transpose();
        let issuer = issuer.map_err(|error| Unavailable::new(READ, error))?.flatten();
        self.known.remember(path, Some(issuer.clone()), self.clock.now());
        Ok(issuer)
    }
}

fn read(text: &str, egress: Egress) -> Result<Option<JwtIssuer>, Unusable> {
    let written: Written = serde_json::from_str(text).map_err(|error| Unusable(error.to_string()))?;
    let parts = IssuerParts {
        issuer: &written.issuer,
        audience: &written.audience,
        jwks_url: &written.jwks_url,
        tenant_claim: &written.tenant_claim,
        scope_claim: &written.scope_claim,
    };
    parts.of_platform(egress).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
        Unusable(all.join("; "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(issuer: &str, audience: &str, keys: &str) -> String {
        format!(
            r#"{{"issuer":"{issuer}","audience":"{audience}","jwks_url":"{keys}","tenant_claim":"","scope_claim":""}}"#
        )
    }

    #[test]
    fn the_platforms_issuer_is_whole_or_there_is_none() {
        assert_eq!(read(&parameter("", "", ""), Egress::Public).unwrap(), None);
        let whole = read(&parameter("https://id.example/", "acequia", "https://id.example/keys"), Egress::Public);
        assert_eq!(whole.unwrap().unwrap().tenant_claim, "tenant");
        let error = read(&parameter("https://id.example/", "", ""), Egress::Public).unwrap_err().to_string();
        assert!(error.contains("audience: ") && error.contains("jwks_url: "), "{error}");
        assert!(read("{}", Egress::Public).is_err());
    }
}
