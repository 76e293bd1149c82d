//! TLS under a certificate of one's own, for tests of which clients trust it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{self, ServerConfig};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It could not be made.
    #[error("a certificate of one's own could not be made")]
    Made(#[from] rcgen::Error),
    /// Its key is none that TLS takes.
    #[error("the certificate's key cannot be used: {0}")]
    Key(&'static str),
    /// TLS does not take it.
    #[error("TLS does not take the certificate")]
    Taken(#[from] rustls::Error),
}

/// A certificate without a trusted signature, and the server's side of TLS under it.
pub struct OwnCertificate {
    /// Takes connections under it.
    pub acceptor: TlsAcceptor,
    /// It, as a file of authorities has it.
    pub pem: String,
}

impl OwnCertificate {
    /// Makes one for a host.
    ///
    /// # Errors
    /// When the name is none that a certificate can have.
    pub fn of(host: &str) -> Result<Self, CertificateError> {
        Self::signed(&CertificateParams::new(vec![host.to_owned()])?)
    }

    /// The same, of which the time is long over.
    ///
    /// # Errors
    /// When the name is none that a certificate can have.
    pub fn expired(host: &str) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        Self::signed(&params)
    }

    fn signed(params: &CertificateParams) -> Result<Self, CertificateError> {
        let signing_key = KeyPair::generate()?;
        let certificate = params.self_signed(&signing_key)?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(CertificateError::Key)?;
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        let base64 = STANDARD.encode(certificate.der());
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            pem: format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n"),
        })
    }
}
