//! What the ingest function is told by its environment.

use acequia_core::access::{IssuerParts, JwtIssuer};
use acequia_core::egress::Egress;
use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment, egress};

/// The ingest function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// Where the keys of issuers may be fetched from.
    pub egress: Egress,
    /// The platform's own issuer of tokens, if it has one.
    pub issuer: Option<JwtIssuer>,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let egress = egress(&mut environment, "INGEST_EGRESS", installation.as_ref());
        let [issuer, audience, jwks_url, tenant_claim, scope_claim] =
            ["JWT_ISSUER", "JWT_AUDIENCE", "JWT_JWKS_URL", "JWT_TENANT_CLAIM", "JWT_SCOPE_CLAIM"]
                .map(|name| environment.optional(name).unwrap_or_default());
        let parts = IssuerParts {
            issuer: &issuer,
            audience: &audience,
            jwks_url: &jwks_url,
            tenant_claim: &tenant_claim,
            scope_claim: &scope_claim,
        };
        let issuer = parts.of_platform(egress.unwrap_or(Egress::Public)).unwrap_or_else(|problems| {
            for (field, problem) in problems {
                environment.report(format!("JWT_{}: {problem}", field.to_ascii_uppercase()));
            }
            None
        });
        environment.conclude(installation.zip(egress).map(|(installation, egress)| Self {
            installation,
            egress,
            issuer,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &[(&str, &str)]) -> Result<Config, InvalidEnvironment> {
        let variables = [
            ("AWS_REGION", "r"),
            ("ACEQUIA_STAGE", "prod"),
            ("TENANTS_TABLE", "t"),
            ("LEDGER_TABLE", "l"),
            ("DELAYED_TABLE", "p"),
            ("INGEST_EGRESS", "public"),
        ];
        Config::from_env(Environment::of(&[&variables, more].concat()))
    }

    #[test]
    fn the_platforms_issuer_is_whole_or_there_is_none() {
        assert_eq!(read(&[("JWT_ISSUER", "")]).unwrap().issuer, None);
        let whole = [
            ("JWT_ISSUER", "https://id.example/"),
            ("JWT_AUDIENCE", "acequia"),
            ("JWT_JWKS_URL", "https://id.example/keys"),
        ];
        assert_eq!(read(&whole).unwrap().issuer.unwrap().tenant_claim, "tenant");
        let error = read(&whole[..1]).unwrap_err().to_string();
        assert!(error.contains("JWT_AUDIENCE") && error.contains("JWT_JWKS_URL"), "{error}");
    }
}
