//! An authority, and a certificate for `localhost` that it signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// What a server and its clients need, as PEM.
#[derive(Debug)]
pub struct Certificates {
    /// The authority's certificate.
    pub authority: String,
    /// The server's.
    pub server: String,
    /// The server's key.
    pub key: String,
}

/// Makes them for a host.
///
/// # Errors
/// When the name is none that a certificate can have.
pub fn certificates(host: &str) -> Result<Certificates, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(rcgen::DnType::CommonName, "an authority of a test");
    let key_of_authority = KeyPair::generate()?;
    let authority = params.self_signed(&key_of_authority)?.der().to_vec();
    let issuer = Issuer::new(params, key_of_authority);
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec![host.to_owned()])?.signed_by(&key, &issuer)?.der().to_vec();
    Ok(Certificates {
        authority: pem("CERTIFICATE", &authority),
        server: pem("CERTIFICATE", &server),
        key: pem("PRIVATE KEY", &key.serialize_der()),
    })
}

/// Bytes as PEM, in lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (place, letter) in STANDARD.encode(der).chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text + &format!("\n-----END {label}-----\n")
}
