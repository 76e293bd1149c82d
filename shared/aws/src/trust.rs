//! The certificate authorities that a function's connections trust, known when it is built: reading the machine's
//! hundred and more certificate authorities made up nearly all of a function's start.
//!
//! AWS's own endpoints are reached by Amazon's authorities alone (<https://www.amazontrust.com/repository/>, and
//! <https://aws.amazon.com/blogs/security/how-to-prepare-for-aws-move-to-its-own-certificate-authority/>), in the
//! partition `aws`; elsewhere, at an endpoint of one's own, and where the environment says so, by the machine's.

use std::time::Duration;

use acequia_core::egress::{Authorities, Reach};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Amazon Root CA 1 to 4 and Starfield Services Root CA - G2.
const AMAZON: &str = include_str!("amazon-trust-services.pem");
/// What the regions of other partitions begin with: their endpoints have other authorities.
const OTHER_PARTITIONS: [&str; 5] = ["cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-"];

/// How long an idle connection is kept: half of what a load balancer of AWS keeps one by default
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html>). A function
/// is frozen between its invocations, and learns that a connection was given up only by using it. Most calls are then
/// made again by the SDK; a mail's is not.
const IDLE: Duration = Duration::from_secs(30);

/// The HTTP client of a function's calls of AWS.
pub(crate) fn http_client(reach: &Reach) -> SharedHttpClient {
    let mut context = TlsContext::builder();
    if by_amazon(reach) {
        context = context.with_trust_store(TrustStore::empty().with_pem_certificate(AMAZON));
    }
    let context = context.build().unwrap_or_default();
    let client = Builder::new()
        .pool_idle_timeout(IDLE)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https();
    if by_amazon(reach) { SharedHttpClient::new(Untried(client)) } else { client }
}

/// The SDK's HTTP client without its trial connector: each new client of a service makes a connector, to read the
/// machine's authorities early, and throws it away. Built-in authorities need no trial, and the connector in
/// use is made once.
#[derive(Debug)]
struct Untried(SharedHttpClient);

impl HttpClient for Untried {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

/// Whether Amazon's authorities are all that is needed.
fn by_amazon(reach: &Reach) -> bool {
    let encrypted_elsewhere = reach.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("https:"));
    let is_elsewhere = OTHER_PARTITIONS.iter().any(|partition| reach.region.starts_with(partition));
    reach.authorities == Authorities::Built && !encrypted_elsewhere && !is_elsewhere
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn reach(region: &str, endpoint: Option<&str>, authorities: Authorities) -> Reach {
        Reach { region: region.to_owned(), endpoint: endpoint.map(str::to_owned), authorities }
    }

    #[test]
    fn amazons_authorities_do_for_the_regions_of_aws() {
        for region in ["us-east-1", "eu-central-1", "ap-southeast-2", "me-south-1"] {
            assert!(by_amazon(&reach(region, None, Authorities::Built)), "{region}");
        }
        assert!(by_amazon(&reach("us-east-1", Some("http://127.0.0.1:4566"), Authorities::Built)));
    }

    #[test]
    fn the_machines_authorities_are_read_elsewhere_and_where_somebody_names_them() {
        for region in
            ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "eusc-de-east-1"]
        {
            assert!(!by_amazon(&reach(region, None, Authorities::Built)), "{region}");
        }
        assert!(!by_amazon(&reach("us-east-1", Some("https://aws.intranet.example"), Authorities::Built)));
        assert!(!by_amazon(&reach("us-east-1", None, Authorities::Machine)));
    }

    #[test]
    fn what_is_trusted_is_five_authorities_that_mozilla_trusts_too() {
        let ours: Vec<String> = AMAZON
            .split("-----BEGIN CERTIFICATE-----")
            .skip(1)
            .filter_map(|rest| rest.split("-----END CERTIFICATE-----").next())
            .map(|base64| base64.split_whitespace().collect())
            .collect();
        assert_eq!(ours.len(), 5);
        let all: Vec<String> =
            webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|certificate| STANDARD.encode(certificate)).collect();
        assert!(ours.iter().all(|certificate| all.contains(certificate)));
    }

    #[test]
    fn a_client_can_be_made_of_either() {
        let _ = http_client(&reach("us-east-1", None, Authorities::Built));
        let _ = http_client(&reach("us-east-1", None, Authorities::Machine));
    }
}
