//! The tokens by which IAM's users enter databases of RDS and Aurora: a signed request that is never sent
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html>).

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use acequia_core::port::{Clock, DatabaseTokens, Unavailable};
use acequia_core::secret::Secret;
use acequia_core::table::DatabaseAddress;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use jiff::Timestamp;

const MAKE: &str = "make a token for a database";
/// How long a token opens connections: what RDS makes of it, too.
const LIFE: Duration = Duration::from_mins(15);

/// Makes tokens by the credentials of the function's role.
#[derive(Debug, Clone)]
pub struct RdsTokens<C> {
    credentials: Option<SharedCredentialsProvider>,
    region: String,
    clock: C,
}

impl<C: Clock> RdsTokens<C> {
    /// By the credentials and in the region of this configuration.
    pub fn new(config: &SdkConfig, clock: C) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        Self { credentials: config.credentials_provider(), region, clock }
    }
}

impl<C: Clock> DatabaseTokens for RdsTokens<C> {
    async fn token(&self, address: &DatabaseAddress) -> Result<Secret, Unavailable> {
        let provider = self.credentials.as_ref().ok_or_else(|| Unavailable::new(MAKE, "there are no credentials"))?;
        let credentials = provider.provide_credentials().await.map_err(|error| Unavailable::new(MAKE, error))?;
        token(address, credentials, &self.region, self.clock.now())
    }
}

/// The token of a user at a time. It holds nothing that is secret by itself but for 15 minutes it is a password.
fn token(
    address: &DatabaseAddress,
    credentials: Credentials,
    region: &str,
    now: Timestamp,
) -> Result<Secret, Unavailable> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Unavailable::new(MAKE, error);
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFE);
    let identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(SystemTime::from(now))
        .settings(settings)
        .build()
        .map_err(|error| failed(error.into()))?
        .into();
    let mut token = format!("{}:{}/?Action=connect&DBUser={}", address.host, address.port, address.user);
    let url = format!("https://{token}");
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]))
        .map_err(|error| failed(error.into()))?;
    let (instructions, _) = sign(request, &params).map_err(|error| failed(error.into()))?.into_parts();
    for (name, value) in instructions.params() {
        let _ = write!(token, "&{name}=");
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                token.push(char::from(byte));
            } else {
                let _ = write!(token, "%{byte:02X}");
            }
        }
    }
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What botocore 1.44 makes of the same: `session.create_client("rds").generate_db_auth_token(...)` at this time.
    const OF_BOTOCORE: &str = "db.abc123.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=acequia_acme&X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIDEXAMPLE%2F20261129%2Feu-west-1%2Frds-db%2Faws4_request&X-Amz-Date=20261129T120000Z&X-Amz-Expires=900\
        &X-Amz-SignedHeaders=host&X-Amz-Security-Token=a%2Btoken%2Fof%3Da%20session\
        &X-Amz-Signature=a9b322e94788e4519ca8d69de411b4e4673ec305fac89516cc634702bcbcf514";

    #[test]
    fn a_token_has_what_botocore_signs_and_its_signature() {
        let address = "postgresql://acequia_acme@db.abc123.eu-west-1.rds.amazonaws.com/crm".parse().unwrap();
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            Some("a+token/of=a session".to_owned()),
            None,
            "test",
        );
        let at = "2026-11-29T12:00:00Z".parse().unwrap();
        let made = token(&address, credentials, "eu-west-1", at).unwrap();
        let parts = |text: &str| -> BTreeSet<String> {
            text.split_once('?').unwrap().1.split('&').map(str::to_owned).collect()
        };
        assert_eq!(parts(made.expose()), parts(OF_BOTOCORE));
        assert!(made.expose().starts_with("db.abc123.eu-west-1.rds.amazonaws.com:5432/?"));
    }
}
