//! A certificate authority for one test.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority with a fresh key.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for TestCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestCa").finish_non_exhaustive()
    }
}

/// A server certificate with its private key.
pub struct ServerCert {
    cert_pem: String,
    key_pem: String,
}

impl std::fmt::Debug for ServerCert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCert").finish_non_exhaustive()
    }
}

impl ServerCert {
    /// The certificate.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// Its private key (PKCS #8).
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }
}

impl TestCa {
    /// Makes a key and a root certificate.
    ///
    /// # Panics
    /// When the system has no randomness.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "hello-you test CA");
        let key = KeyPair::generate().expect("a key can be generated from system randomness");
        let issuer =
            CertifiedIssuer::self_signed(params, key).expect("constant parameters make a certificate");
        Self { issuer }
    }

    /// The root certificate, to trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a server certificate for DNS names and IP addresses (as text).
    ///
    /// # Panics
    /// When a name is not ASCII, or the system has no randomness.
    pub fn issue(&self, names: &[&str]) -> ServerCert {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names of a server are ASCII");
        params.distinguished_name.push(DnType::CommonName, "hello-you test server");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("a key can be generated from system randomness");
        let cert = params.signed_by(&key, &self.issuer).expect("valid parameters make a certificate");
        ServerCert { cert_pem: cert.pem(), key_pem: key.serialize_pem() }
    }
}

impl Default for TestCa {
    fn default() -> Self {
        Self::new()
    }
}
