//! The issuers of tokens that a tenant trusts: `[auth]` in its configuration.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

use super::issue::Findings;
#[cfg(feature = "schema")]
use super::text::{JwkTable, UrlText};
use crate::access::{IssuerParts, JwtIssuer, KeySet, MAX_KEYS, PublicKey, TenantProof};
#[cfg(feature = "schema")]
use crate::access::{MAX_NAME_BYTES, SCOPE_CLAIM, TENANT_CLAIM};
use crate::egress::Egress;
#[cfg(feature = "schema")]
use crate::egress::MAX_URL_BYTES;

/// The most issuers that one tenant trusts.
const MAX_ISSUERS: usize = 4;

/// Who may send events to the tenant over HTTPS, and read what became of them, beside those who have one of its API
/// keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawAuth {
    /// The issuers whose JSON Web Tokens are taken: one table, or a list of them (`[[auth.jwt]]`). Without it, only
    /// those of the platform.
    #[serde(default, skip_serializing_if = "RawIssuers::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            schema_with = "issuers_schema",
            extend(
                "x-bounds" = format!("at most {MAX_ISSUERS} issuers"),
                "examples" = [{
                    "issuer": "https://id.acme.example/",
                    "audience": "https://events.example.org/v1/tenants/acme",
                    "jwks_url": "https://id.acme.example/.well-known/jwks.json"
                }]
            )
        )
    )]
    pub jwt: RawIssuers,
}

/// An issuer of JSON Web Tokens (`RS256`, `PS256`, `ES256` or `EdDSA`). A token must have `iss`, `aud`, `exp` and,
/// where it has one, an `nbf` that is past; it is proven to be the tenant's by its claim of tenants, or where it has
/// none by an audience that ends in the tenant's id. The claims `acequia_types` and `acequia_source` bind it to types of
/// events and to sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawJwt {
    /// What `iss` must be, to the letter.
    #[cfg_attr(
        feature = "schema",
        schemars(
            extend(
                "x-bounds" = format!("1 to {MAX_NAME_BYTES} printable ASCII characters"),
                "examples" = ["https://id.acme.example/"]
            )
        )
    )]
    pub issuer: String,
    /// What must be among `aud`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            extend(
                "x-bounds" = format!("1 to {MAX_NAME_BYTES} printable ASCII characters"),
                "examples" = ["https://events.example.org/v1/tenants/acme"]
            )
        )
    )]
    pub audience: String,
    /// Where the issuer's keys are fetched from, `https`; needed unless `keys` has them. They are used for ten minutes,
    /// and for a day while the address does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "UrlText",
            length(max = MAX_URL_BYTES),
            extend("examples" = ["https://id.acme.example/.well-known/jwks.json"])
        )
    )]
    pub jwks_url: Option<String>,
    /// The issuer's public keys themselves, each a JWK (RFC 7517), in place of `jwks_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Vec<JwkTable>",
            extend(
                "minItems" = 1,
                "maxItems" = MAX_KEYS,
                "examples" = [[{
                    "kty": "OKP", "crv": "Ed25519", "kid": "2026", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
                }]]
            )
        )
    )]
    pub keys: Option<Vec<Json>>,
    /// The claim that names the tenant: a text, or a list of texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", extend("default" = TENANT_CLAIM, "examples" = ["https://acequia/tenant"]))
    )]
    pub tenant_claim: Option<String>,
    /// The claim that has the scopes (`events:write`, `events:read`, `replay`, `tenant:read`): a text with spaces between
    /// them, or a list of texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", extend("default" = SCOPE_CLAIM, "examples" = ["permissions"]))
    )]
    pub scope_claim: Option<String>,
}

/// The issuers as they are written: one table, or a list of tables.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RawIssuers {
    /// `[auth.jwt]`.
    One(Box<RawJwt>),
    /// `[[auth.jwt]]`.
    Several(Vec<RawJwt>),
}

impl Default for RawIssuers {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl RawIssuers {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Several(issuers) if issuers.is_empty())
    }

    /// Each issuer with its place.
    fn placed(&self) -> Vec<(String, &RawJwt)> {
        match self {
            Self::One(issuer) => vec![("auth.jwt".to_owned(), &**issuer)],
            Self::Several(issuers) => {
                issuers.iter().enumerate().map(|(index, issuer)| (format!("auth.jwt[{index}]"), issuer)).collect()
            }
        }
    }
}

/// By hand, so that what is wrong in a table is told with its own place.
impl<'de> Deserialize<'de> for RawIssuers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;
        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = RawIssuers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table with issuer, audience and jwks_url or keys, or a list of such tables")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawIssuers, A::Error> {
                RawJwt::deserialize(MapAccessDeserializer::new(map)).map(|issuer| RawIssuers::One(Box::new(issuer)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RawIssuers, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(RawIssuers::Several)
            }
        }
        deserializer.deserialize_any(OneOrSeveral)
    }
}

#[cfg(feature = "schema")]
fn issuers_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let one = generator.subschema_for::<RawJwt>();
    schemars::json_schema!({
        "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": MAX_ISSUERS }],
    })
}

/// Validates the issuers of a tenant.
pub(super) fn validate_auth(raw: Option<&RawAuth>, egress: Egress, findings: &mut Findings) -> Vec<JwtIssuer> {
    let placed = raw.map(|raw| raw.jwt.placed()).unwrap_or_default();
    if placed.len() > MAX_ISSUERS {
        findings.report("auth.jwt", format!("there are {} issuers; at most {MAX_ISSUERS} are taken", placed.len()));
    }
    placed.iter().filter_map(|(path, issuer)| issuer.validate(path, egress, findings)).collect()
}

impl RawJwt {
    fn validate(&self, path: &str, egress: Egress, findings: &mut Findings) -> Option<JwtIssuer> {
        if self.jwks_url.is_some() == self.keys.is_some() {
            findings.report(path, "it must have either jwks_url or keys: where the issuer's keys come from");
            return None;
        }
        for (field, claim) in [("tenant_claim", &self.tenant_claim), ("scope_claim", &self.scope_claim)] {
            // Empty would mean that it was left out.
            if claim.as_ref().is_some_and(String::is_empty) {
                findings.report(format!("{path}.{field}"), "it is empty: name a claim, or leave it out");
            }
        }
        let keys = self.keys.as_ref().map(|keys| validate_keys(keys, path, findings));
        let parts = IssuerParts {
            issuer: &self.issuer,
            audience: &self.audience,
            jwks_url: self.jwks_url.as_deref().unwrap_or_default(),
            tenant_claim: self.tenant_claim.as_deref().unwrap_or_default(),
            scope_claim: self.scope_claim.as_deref().unwrap_or_default(),
        };
        match parts.validate(keys, TenantProof::ClaimOrAudience, egress) {
            Ok(issuer) => Some(issuer),
            Err(problems) => {
                for (field, problem) in problems {
                    findings.report(format!("{path}.{field}"), problem);
                }
                None
            }
        }
    }
}

fn validate_keys(keys: &[Json], path: &str, findings: &mut Findings) -> KeySet {
    if !(1..=MAX_KEYS).contains(&keys.len()) {
        findings.report(format!("{path}.keys"), format!("it must have 1 to {MAX_KEYS} keys"));
    }
    let mut read = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        match PublicKey::read(key) {
            Ok(key) if keys.len() > 1 && key.kid.is_none() => findings
                .report(format!("{path}.keys[{index}]"), "it needs a kid: beside other keys, tokens name it by that"),
            Ok(key) => read.push(key),
            Err(flaw) if flaw.member.is_empty() => findings.report(format!("{path}.keys[{index}]"), flaw.problem),
            Err(flaw) => findings.report(format!("{path}.keys[{index}].{}", flaw.member), flaw.problem),
        }
    }
    read.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Issues, RawTenant, Tenant};
    use super::*;

    const SINK: &str = "\n[[sinks]]\nid = \"crm\"\nkind = \"forward\"\ntypes = [\"*\"]\nqueue = \"out\"\n";
    const ISSUER: &str = "issuer = \"https://id.example/\"\naudience = \"acme\"\n";
    const URL: &str = "jwks_url = \"https://id.example/keys\"\n";
    const KEY: &str = r#"{ kty = "OKP", crv = "Ed25519", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn issuers(auth: &str) -> Result<Vec<JwtIssuer>, Issues> {
        let document = toml::from_str(&format!("tenant = \"acme\"\nname = \"Acme\"\n{auth}{SINK}")).unwrap();
        let raw = RawTenant::from_value(document)?;
        assert_eq!(RawTenant::from_json(&raw.to_json()).unwrap(), raw, "it survives storing");
        Tenant::validate(&raw, Egress::Public).map(|tenant| tenant.issuers)
    }

    fn problems(auth: &str) -> Vec<String> {
        let issues = issuers(auth).unwrap_err();
        issues.0.into_iter().map(|issue| issue.path).collect()
    }

    #[test]
    fn an_issuer_is_one_table_or_several_and_its_keys_stand_there_or_behind_a_url() {
        assert!(issuers("").unwrap().is_empty() && issuers("[auth]\n").unwrap().is_empty());
        let one = issuers(&format!("[auth.jwt]\n{ISSUER}{URL}")).unwrap();
        assert_eq!(
            (one.len(), one[0].tenant_claim.as_str(), one[0].proof),
            (1, "tenant", TenantProof::ClaimOrAudience)
        );
        let two = issuers(&format!(
            "[[auth.jwt]]\n{ISSUER}{URL}[[auth.jwt]]\n{ISSUER}keys = [{KEY}]\nscope_claim = \"scp\"\n"
        ));
        let two = two.unwrap();
        assert_eq!((two.len(), two[1].scope_claim.as_str()), (2, "scp"));
    }

    #[test]
    fn each_mistake_is_told_with_its_place() {
        for (auth, path) in [
            (format!("[auth.jwt]\n{ISSUER}"), "auth.jwt"),
            (format!("[auth.jwt]\n{ISSUER}{URL}keys = [{KEY}]\n"), "auth.jwt"),
            (format!("[[auth.jwt]]\n{ISSUER}{URL}colour = 1\n"), "auth.jwt[0].colour"),
            (format!("[auth.jwt]\n{ISSUER}jwks_url = \"http://id.example/\"\n"), "auth.jwt.jwks_url"),
            (format!("[auth.jwt]\n{ISSUER}jwks_url = \"https://10.0.0.1/\"\n"), "auth.jwt.jwks_url"),
            (format!("[auth.jwt]\nissuer = \"\"\naudience = \"a\"\n{URL}"), "auth.jwt.issuer"),
            (format!("[auth.jwt]\n{ISSUER}{URL}tenant_claim = \"\"\n"), "auth.jwt.tenant_claim"),
            (format!("[auth.jwt]\n{ISSUER}keys = []\n"), "auth.jwt.keys"),
            (format!("[auth.jwt]\n{ISSUER}keys = [\"x\"]\n"), "auth.jwt.keys[0]"),
            (format!("[auth.jwt]\n{ISSUER}keys = [{}]\n", KEY.replace('}', ", d = \"x\" }")), "auth.jwt.keys[0].d"),
            (format!("[auth.jwt]\n{ISSUER}keys = [{}]\n", KEY.replace("OKP", "oct")), "auth.jwt.keys[0].kty"),
            (
                format!(
                    "[auth.jwt]\n{ISSUER}keys = [{{ kty = \"RSA\", n = \"{}\", e = \"AQAB\" }}]\n",
                    "_".repeat(171)
                ),
                "auth.jwt.keys[0].n",
            ),
            (format!("[[auth.jwt]]\n{ISSUER}{URL}").repeat(5), "auth.jwt"),
            ("[auth]\njwt = 7\n".to_owned(), "auth.jwt"),
            (format!("[auth.jwt]\n{ISSUER}keys = 7\n"), "auth.jwt.keys"),
        ] {
            assert_eq!(problems(&auth), [path], "{auth}");
        }
        let two_nameless = format!("[auth.jwt]\n{ISSUER}keys = [{KEY}, {KEY}]\n");
        assert_eq!(problems(&two_nameless), ["auth.jwt.keys[0]", "auth.jwt.keys[1]"]);
    }
}
