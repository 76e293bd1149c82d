//! The issuers of tokens that are trusted: the platform's own, and a tenant's.

use std::sync::Arc;

use url::Url;

use super::jwk::KeySet;
use crate::egress::Egress;

/// The claim that names the tenant, unless the settings say otherwise.
pub(crate) const TENANT_CLAIM: &str = "tenant";
/// The claim that has the scopes, unless the settings say otherwise.
pub(crate) const SCOPE_CLAIM: &str = "scope";
/// The longest name of an issuer, an audience or a claim, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 512;

/// Where the keys of an issuer come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// They are fetched from there.
    Url(Url),
    /// They stand in the configuration.
    Set(Arc<KeySet>),
}

/// What proves which tenant a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantProof {
    /// The claim that names the tenant: the issuer speaks for several.
    Claim,
    /// That claim, or where the token has none an audience whose last part is the tenant's id: a token of an issuer
    /// that two tenants trust is then of use at one of them alone.
    ClaimOrAudience,
}

/// An issuer of tokens that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtIssuer {
    /// Its name: what `iss` must be, to the letter.
    pub issuer: String,
    /// What must be among `aud`.
    pub audience: String,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The claim that names the tenant.
    pub tenant_claim: String,
    /// The claim that has the scopes.
    pub scope_claim: String,
    /// What proves the tenant.
    pub proof: TenantProof,
}

/// The settings of an issuer as they are written; a text that is empty was left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct IssuerParts<'a> {
    /// What `iss` must be.
    pub issuer: &'a str,
    /// What must be among `aud`.
    pub audience: &'a str,
    /// Where its keys are fetched from.
    pub jwks_url: &'a str,
    /// The claim that names the tenant, in place of `tenant`.
    pub tenant_claim: &'a str,
    /// The claim that has the scopes, in place of `scope`.
    pub scope_claim: &'a str,
}

impl IssuerParts<'_> {
    /// The platform's issuer out of the settings of a function; `None` where all of them were left out. Its tokens must
    /// name their tenant.
    ///
    /// # Errors
    /// Each setting that is wrong, with what is wanted.
    pub fn of_platform(self, egress: Egress) -> Result<Option<JwtIssuer>, Vec<(&'static str, String)>> {
        let all = [self.issuer, self.audience, self.jwks_url, self.tenant_claim, self.scope_claim];
        if all.iter().all(|text| text.is_empty()) {
            return Ok(None);
        }
        self.validate(None, TenantProof::Claim, egress).map(Some)
    }

    /// The issuer, with the keys that are given or else those of `jwks_url`.
    pub(crate) fn validate(
        self,
        keys: Option<KeySet>,
        proof: TenantProof,
        egress: Egress,
    ) -> Result<JwtIssuer, Vec<(&'static str, String)>> {
        let mut problems = Vec::new();
        for (field, text) in [("issuer", self.issuer), ("audience", self.audience)] {
            if !is_name(text) {
                problems.push((
                    field,
                    format!("it must have 1 to {MAX_NAME_BYTES} printable ASCII characters, and no space"),
                ));
            }
        }
        let claim = |field: &'static str, text: &str, default: &str, problems: &mut Vec<_>| {
            if !text.is_empty() && !is_name(text) {
                problems.push((
                    field,
                    format!("it must be the name of a claim: 1 to {MAX_NAME_BYTES} printable ASCII characters"),
                ));
            }
            if text.is_empty() { default.to_owned() } else { text.to_owned() }
        };
        let tenant_claim = claim("tenant_claim", self.tenant_claim, TENANT_CLAIM, &mut problems);
        let scope_claim = claim("scope_claim", self.scope_claim, SCOPE_CLAIM, &mut problems);
        let source = match keys {
            Some(keys) => Some(KeySource::Set(Arc::new(keys))),
            None => match egress.url(self.jwks_url) {
                Ok(url) => Some(KeySource::Url(url)),
                Err(problem) => {
                    problems.push(("jwks_url", problem.to_string()));
                    None
                }
            },
        };
        match source {
            Some(keys) if problems.is_empty() => Ok(JwtIssuer {
                issuer: self.issuer.to_owned(),
                audience: self.audience.to_owned(),
                keys,
                tenant_claim,
                scope_claim,
                proof,
            }),
            _ => Err(problems),
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: IssuerParts<'_> = IssuerParts {
        issuer: "https://id.example/",
        audience: "https://events.example",
        jwks_url: "https://id.example/keys",
        tenant_claim: "",
        scope_claim: "",
    };

    #[test]
    fn the_platforms_issuer_is_made_of_its_settings_and_of_none_there_is_none() {
        let issuer = PARTS.of_platform(Egress::Public).unwrap().unwrap();
        assert_eq!((issuer.tenant_claim.as_str(), issuer.scope_claim.as_str()), ("tenant", "scope"));
        assert_eq!(issuer.proof, TenantProof::Claim);
        assert_eq!(IssuerParts::default().of_platform(Egress::Public), Ok(None));
        let named = IssuerParts { tenant_claim: "https://acequia/tenant", scope_claim: "scp", ..PARTS };
        assert_eq!(named.of_platform(Egress::Public).unwrap().unwrap().scope_claim, "scp");
    }

    #[test]
    fn each_setting_that_is_wrong_is_named() {
        let fields = |parts: IssuerParts<'_>| {
            let problems = parts.of_platform(Egress::Public).unwrap_err();
            problems.into_iter().map(|(field, _)| field).collect::<Vec<_>>()
        };
        assert_eq!(fields(IssuerParts { issuer: "", ..PARTS }), ["issuer"]);
        assert_eq!(
            fields(IssuerParts { audience: "a b", jwks_url: "http://id.example/", ..PARTS }),
            ["audience", "jwks_url"]
        );
        assert_eq!(
            fields(IssuerParts { jwks_url: "https://169.254.169.254/", tenant_claim: "\u{e4}", ..PARTS }),
            ["tenant_claim", "jwks_url"]
        );
        assert_eq!(fields(IssuerParts { jwks_url: "", scope_claim: "s", ..PARTS }), ["jwks_url"]);
    }
}
