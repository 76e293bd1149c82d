//! What a token says: judged once its signature is known to be its issuer's.

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::issuer::{JwtIssuer, TenantProof};
use super::limit::Limits;
use super::principal::{Credential, Principal};
use super::refused::{Claim, Refused};
use super::scope::Scopes;
use crate::id::{TenantId, digest};

/// How far clocks may be apart, in seconds.
const LEEWAY: f64 = 60.0;
/// The claim that binds a token to types of events, as in a sink's `types`.
const TYPES: &str = "acequia_types";
/// The claim that binds a token to sources that begin so.
const SOURCE: &str = "acequia_source";
/// How many characters of a digest the audit log has of a subject.
const SUBJECT_CHARS: usize = 16;

/// The claims of a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims(Map<String, Json>);

impl Claims {
    pub(super) fn new(claims: Map<String, Json>) -> Self {
        Self(claims)
    }

    /// The name of the issuer.
    ///
    /// # Errors
    /// [`Refused::Claim`] where there is none.
    pub fn issuer(&self) -> Result<&str, Refused> {
        self.0.get("iss").and_then(Json::as_str).ok_or(Refused::Claim(Claim::Issuer))
    }

    /// When the token ends, in seconds since 1970.
    fn expiry(&self) -> Result<f64, Refused> {
        self.0.get("exp").and_then(Json::as_f64).ok_or(Refused::Claim(Claim::Expiry))
    }

    /// For how many more seconds the token can be used, without any leeway.
    pub fn seconds_left(&self, now: Timestamp) -> f64 {
        self.expiry().map_or(0.0, |expiry| expiry - seconds(now))
    }

    /// What the audit log calls the token.
    ///
    /// # Errors
    /// [`Refused::Claim`] where it names no issuer.
    pub fn credential(&self) -> Result<Credential, Refused> {
        let issuer = self.issuer()?;
        let subject = self.0.get("sub").and_then(Json::as_str);
        let subject = subject.map(|subject| digest(format!("{issuer}\n{subject}").as_bytes()));
        let subject = subject.map(|digest| digest.chars().take(SUBJECT_CHARS).collect());
        // It goes into a log.
        let issuer = issuer.chars().filter(char::is_ascii_graphic).take(super::issuer::MAX_NAME_BYTES).collect();
        Ok(Credential::Token { issuer, subject })
    }

    /// Judges what the token says. Its signature is that of a key of `issuer`.
    ///
    /// # Errors
    /// Why it is of no use here now.
    pub fn judge(&self, issuer: &JwtIssuer, tenant: &TenantId, now: Timestamp) -> Result<Principal, Refused> {
        if self.issuer()? != issuer.issuer {
            return Err(Refused::UnknownIssuer);
        }
        let audiences = texts(self.0.get("aud")).ok_or(Refused::Claim(Claim::Audience))?;
        if !audiences.contains(&issuer.audience.as_str()) {
            return Err(Refused::Audience);
        }
        self.judge_times(now)?;
        self.judge_tenant(issuer, tenant)?;
        Ok(Principal {
            tenant: tenant.clone(),
            scopes: self.scopes(&issuer.scope_claim),
            limits: self.limits()?,
            credential: self.credential()?,
        })
    }

    fn judge_times(&self, now: Timestamp) -> Result<(), Refused> {
        let now = seconds(now);
        // A number beyond all times is none that an issuer means.
        let expiry = self.expiry()?;
        if !(now - LEEWAY <= expiry && expiry.is_finite()) {
            return Err(Refused::TokenExpired);
        }
        match self.0.get("nbf") {
            None => Ok(()),
            Some(begin) => match begin.as_f64() {
                None => Err(Refused::Claim(Claim::NotBefore)),
                Some(begin) if begin > now + LEEWAY => Err(Refused::TokenNotYetValid),
                Some(_) => Ok(()),
            },
        }
    }

    fn judge_tenant(&self, issuer: &JwtIssuer, tenant: &TenantId) -> Result<(), Refused> {
        match (self.0.get(&issuer.tenant_claim), issuer.proof) {
            (Some(claim), _) => {
                let tenants = texts(Some(claim)).ok_or(Refused::Claim(Claim::Tenant))?;
                if tenants.contains(&tenant.as_str()) { Ok(()) } else { Err(Refused::OtherTenant) }
            }
            (None, TenantProof::ClaimOrAudience) if names(&issuer.audience, tenant) => Ok(()),
            (None, _) => Err(Refused::Claim(Claim::Tenant)),
        }
    }

    /// The scopes of the token that mean something here: a list of texts, or one text with spaces between them.
    fn scopes(&self, claim: &str) -> Scopes {
        let texts = texts(self.0.get(claim)).unwrap_or_default();
        texts.iter().flat_map(|text| text.split(' ')).filter_map(|word| word.parse().ok()).collect()
    }

    /// A limit that cannot be read would be none, so the token is refused.
    fn limits(&self) -> Result<Limits, Refused> {
        let malformed = Refused::Claim(Claim::Limits);
        let types = match self.0.get(TYPES) {
            None => Vec::new(),
            // An empty list would be no limit.
            Some(claim) => texts(Some(claim)).filter(|types| !types.is_empty()).ok_or(malformed)?,
        };
        let source = match self.0.get(SOURCE) {
            None => None,
            Some(claim) => Some(claim.as_str().ok_or(malformed)?),
        };
        Limits::read(types, source).map_err(|_| malformed)
    }
}

/// A text, or a list of texts.
fn texts(claim: Option<&Json>) -> Option<Vec<&str>> {
    match claim? {
        Json::String(text) => Some(vec![text]),
        Json::Array(list) => list.iter().map(Json::as_str).collect(),
        _ => None,
    }
}

/// Whether the last part of an audience is the tenant's id.
fn names(audience: &str, tenant: &TenantId) -> bool {
    audience.rsplit(['/', ':']).next() == Some(tenant.as_str())
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit an f64 for millions of years")]
fn seconds(time: Timestamp) -> f64 {
    time.as_second() as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::issuer::KeySource;
    use super::super::jwk::KeySet;
    use super::super::scope::Scope;
    use super::*;

    const NOW: i64 = 1_767_225_600;

    fn issuer(proof: TenantProof, audience: &str) -> JwtIssuer {
        JwtIssuer {
            issuer: "https://id.example".to_owned(),
            audience: audience.to_owned(),
            keys: KeySource::Set(Arc::new(KeySet::default())),
            tenant_claim: "tenant".to_owned(),
            scope_claim: "scope".to_owned(),
            proof,
        }
    }

    fn good() -> Json {
        json!({"iss": "https://id.example", "aud": "events", "exp": NOW + 300, "tenant": "acme", "scope": "openid events:write"})
    }

    fn judge_by(issuer: &JwtIssuer, claims: Json) -> Result<Principal, Refused> {
        let Json::Object(claims) = claims else { panic!("claims are an object") };
        Claims(claims).judge(issuer, &"acme".parse().unwrap(), Timestamp::from_second(NOW).unwrap())
    }

    fn with(claim: &str, value: Json) -> Result<Principal, Refused> {
        let mut claims = good();
        match value {
            Json::Null => _ = claims.as_object_mut().unwrap().remove(claim),
            value => claims[claim] = value,
        }
        judge_by(&issuer(TenantProof::Claim, "events"), claims)
    }

    #[test]
    fn a_token_that_keeps_all_rules_is_its_tenants_principal() {
        let principal = with("sub", json!("auth0|ana@example.org")).unwrap();
        assert_eq!((principal.tenant.as_str(), &principal.scopes), ("acme", &[Scope::EventsWrite].into()));
        assert_eq!(principal.limits, Limits::default());
        let told = principal.credential.to_string();
        assert!(told.starts_with("https://id.example sub:") && !told.contains("ana"), "{told}");
    }

    #[test]
    fn each_claim_is_refused_where_it_is_missing_of_another_form_or_of_another_value() {
        for (claim, value, refused) in [
            ("iss", Json::Null, Refused::Claim(Claim::Issuer)),
            ("iss", json!(["https://id.example"]), Refused::Claim(Claim::Issuer)),
            ("iss", json!("https://id.example/"), Refused::UnknownIssuer),
            ("aud", Json::Null, Refused::Claim(Claim::Audience)),
            ("aud", json!(7), Refused::Claim(Claim::Audience)),
            ("aud", json!(["events", 7]), Refused::Claim(Claim::Audience)),
            ("aud", json!("other"), Refused::Audience),
            ("aud", json!([]), Refused::Audience),
            ("exp", Json::Null, Refused::Claim(Claim::Expiry)),
            ("exp", json!("never"), Refused::Claim(Claim::Expiry)),
            ("exp", json!(NOW - 61), Refused::TokenExpired),
            ("exp", json!(-1e300), Refused::TokenExpired),
            ("nbf", json!(NOW + 61), Refused::TokenNotYetValid),
            ("nbf", json!("now"), Refused::Claim(Claim::NotBefore)),
            ("tenant", Json::Null, Refused::Claim(Claim::Tenant)),
            ("tenant", json!({"acme": true}), Refused::Claim(Claim::Tenant)),
            ("tenant", json!("bona"), Refused::OtherTenant),
            ("tenant", json!("*"), Refused::OtherTenant),
            ("tenant", json!("ACME"), Refused::OtherTenant),
            ("tenant", json!([]), Refused::OtherTenant),
            ("acequia_types", json!([]), Refused::Claim(Claim::Limits)),
            ("acequia_types", json!(["a*"]), Refused::Claim(Claim::Limits)),
            ("acequia_source", json!(["/a"]), Refused::Claim(Claim::Limits)),
            ("acequia_source", json!(""), Refused::Claim(Claim::Limits)),
        ] {
            assert_eq!(with(claim, value.clone()), Err(refused), "{claim} {value}");
        }
    }

    #[test]
    fn clocks_may_be_a_minute_apart_and_lists_count_as_texts_do() {
        for (claim, value) in [
            ("exp", json!(NOW - 60)),
            ("exp", json!(1_767_225_600.5)),
            ("nbf", json!(NOW + 60)),
            ("aud", json!(["other", "events"])),
            ("tenant", json!(["bona", "acme"])),
        ] {
            assert!(with(claim, value.clone()).is_ok(), "{claim} {value}");
        }
    }

    #[test]
    fn scopes_are_words_of_a_text_or_a_list_and_without_any_there_is_none() {
        let scopes = |value| with("scope", value).unwrap().scopes;
        assert_eq!(scopes(json!(["replay", "tenant:read"])), [Scope::Replay, Scope::TenantRead].into());
        assert_eq!(scopes(json!(["events:read replay"])), [Scope::EventsRead, Scope::Replay].into());
        for none in [Json::Null, json!(""), json!("events:*"), json!(7), json!(["replay", 7])] {
            assert_eq!(scopes(none.clone()), Scopes::new(), "{none}");
        }
    }

    #[test]
    fn a_token_may_be_bound_to_types_and_sources() {
        let bound = with("acequia_types", json!("action.*")).unwrap().limits;
        assert_eq!(bound, Limits::read(["action.*"], None).unwrap());
        assert!(with("acequia_source", json!("https://a.example")).unwrap().limits.source.is_some());
    }

    #[test]
    fn without_the_claim_a_tenants_own_issuer_proves_the_tenant_by_an_audience_that_ends_in_its_id() {
        let judged = |proof, audience: &str, tenant: Json| {
            let mut claims = good();
            claims["aud"] = json!(audience);
            claims["tenant"] = tenant;
            if claims["tenant"].is_null() {
                claims.as_object_mut().unwrap().remove("tenant");
            }
            judge_by(&issuer(proof, audience), claims).map(|_| ())
        };
        let own = TenantProof::ClaimOrAudience;
        for audience in ["acme", "urn:acequia:acme", "https://events.example/v1/tenants/acme"] {
            assert_eq!(judged(own, audience, Json::Null), Ok(()), "{audience}");
            assert_eq!(judged(own, audience, json!("bona")), Err(Refused::OtherTenant), "the claim counts first");
            assert_eq!(judged(TenantProof::Claim, audience, Json::Null), Err(Refused::Claim(Claim::Tenant)));
        }
        for audience in
            ["events", "https://events.example/acme/", "x-acme", "urn:acequia:acme2", "https://acme.example"]
        {
            assert_eq!(judged(own, audience, Json::Null), Err(Refused::Claim(Claim::Tenant)), "{audience}");
        }
        assert_eq!(judged(own, "events", json!("acme")), Ok(()));
    }
}
