//! TLS of a connection: whose signature the server's certificate must have.

use std::sync::Arc;

use acequia_core::port::TableError;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use webpki_roots::TLS_SERVER_ROOTS;

/// TLS that believes these authorities, given as PEM; the public web's where none are given.
///
/// # Errors
/// [`TableError::Unready`] where the text holds no certificates that can be used.
pub(crate) fn client(authorities: Option<&str>) -> Result<ClientConfig, TableError> {
    let roots = match authorities {
        None => RootCertStore { roots: TLS_SERVER_ROOTS.to_vec() },
        Some(pem) => of_pem(pem)?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TableError::Unready(format!("TLS cannot be set up: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn of_pem(pem: &str) -> Result<RootCertStore, TableError> {
    let unusable = || TableError::Unready("`authorities` holds no certificates that can be used".to_owned());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|_| unusable())?).map_err(|_| unusable())?;
    }
    if roots.is_empty() { Err(unusable()) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorities_of_a_sink_are_believed_and_a_text_without_any_is_told() {
        let certificates = database::certificates("localhost").unwrap();
        let both = format!("# two\n{}\n{}", certificates.authority, certificates.authority);
        assert!(client(Some(&both)).is_ok() && client(None).is_ok());
        for none in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(client(Some(none)), Err(TableError::Unready(_))), "{none}");
        }
    }
}
