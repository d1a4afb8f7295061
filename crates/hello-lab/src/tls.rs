//! The lab's certificate authority, and the certificates of its parts.
//!
//! The authority is made once for a lab and stays, so that a browser that trusts it need not be told again. Its key, and
//! every key it certifies, is readable by root alone; a part gets a copy of its own.
//!
//! Files, below the lab's `tls` directory: `ca.pem`, `ca.key`, and for each request `issued/NAME-HASH/` with `chain.pem`,
//! `key.pem`, `combined.pem` (both, as HAProxy reads them) and `until`.

use crate::{
    files::{DURABLE, gone, write_whole},
    lab::Lab,
};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    net::Ipv4Addr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The authority's life.
const AUTHORITY: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// A certificate's life. Browsers refuse one of more than 398 days (<https://support.apple.com/en-us/102028>).
const CERTIFICATE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A request is answered with a new certificate when the old one has less than this left.
const RENEWAL: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// What was issued shorter ago is not removed.
const SETTLING: Duration = Duration::from_secs(60 * 60);

/// The directory of what was issued.
const ISSUED: &str = "issued";

/// In a directory of what was issued: its end, in seconds since 1970.
const UNTIL: &str = "until";

/// The certificate authority of a lab.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    name: String,
    pem: String,
    /// Two requests for the same certificate get the same files.
    issuing: Mutex<()>,
}

/// What a certificate is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// Names of the server.
    pub names: BTreeSet<String>,
    /// Its addresses, where it is also asked by these.
    pub addresses: BTreeSet<Ipv4Addr>,
}

/// Files of a certificate, each in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, then the authority's.
    pub chain: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Both, as HAProxy reads them.
    pub combined: PathBuf,
}

impl Authority {
    /// The authority of the lab; made now if there is none.
    pub fn of(lab: &Lab) -> io::Result<Authority> {
        let directory = lab.data("tls");
        private_directory(&directory)?;
        let name = format!("hello-lab {}", lab.name());
        let certificate = directory.join("ca.pem");
        let key = directory.join("ca.key");
        // The certificate is written last: where it is, its key is.
        let pem = match fs::read_to_string(&certificate) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pair = KeyPair::generate().map_err(io::Error::other)?;
                let made = authority_params(&name).self_signed(&pair).map_err(io::Error::other)?;
                write_whole(&key, pair.serialize_pem().as_bytes(), DURABLE)?;
                write_whole(&certificate, made.pem().as_bytes(), DURABLE)?;
                made.pem()
            }
            Err(error) => return Err(error),
        };
        Ok(Authority { directory, name, pem, issuing: Mutex::new(()) })
    }

    /// Its certificate in PEM, for clients to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Where its certificate is.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// A certificate for a server. The same request gets the same files until they near their end.
    pub fn issue(&self, request: &Request) -> io::Result<Issued> {
        self.issue_at(request, SystemTime::now())
    }

    fn issue_at(&self, request: &Request, now: SystemTime) -> io::Result<Issued> {
        let _one_at_a_time = self.issuing.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = self.directory.join(ISSUED).join(slug(request));
        let issued = Issued {
            chain: directory.join("chain.pem"),
            key: directory.join("key.pem"),
            combined: directory.join("combined.pem"),
        };
        let until = fs::read_to_string(directory.join(UNTIL)).ok().and_then(|until| until.parse().ok());
        if until.is_some_and(|until| UNIX_EPOCH + Duration::from_secs(until) > now + RENEWAL) {
            return Ok(issued);
        }
        let pair = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = self.sign(&pair, request, now)?;
        let chain = format!("{}{}", certificate.pem(), self.pem);
        let key = pair.serialize_pem();
        private_directory(&directory)?;
        write_whole(&issued.chain, chain.as_bytes(), DURABLE)?;
        write_whole(&issued.key, key.as_bytes(), DURABLE)?;
        write_whole(&issued.combined, format!("{chain}{key}").as_bytes(), DURABLE)?;
        // Written last: without it the others count for nothing.
        let until = since_1970(now + CERTIFICATE).as_secs();
        write_whole(&directory.join(UNTIL), until.to_string().as_bytes(), DURABLE)?;
        Ok(issued)
    }

    /// Removes what was issued for others than these, but for what is younger than an hour: it may be for a part that
    /// has come up since they were asked for. Says how many there were.
    pub fn prune(&self, wanted: &BTreeSet<Request>, now: SystemTime) -> io::Result<usize> {
        let _one_at_a_time = self.issuing.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: BTreeSet<OsString> = wanted.iter().map(|request| slug(request).into()).collect();
        let entries = match fs::read_dir(self.directory.join(ISSUED)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut removed = 0;
        for entry in entries {
            let entry = entry?;
            let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
            if !wanted.contains(&entry.file_name()) && age > SETTLING {
                // First the file without which the others count for nothing: no half of it is taken for whole.
                gone(fs::remove_file(entry.path().join(UNTIL)))?;
                gone(fs::remove_dir_all(entry.path()))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn sign(&self, pair: &KeyPair, request: &Request, now: SystemTime) -> io::Result<Certificate> {
        let Request { names, addresses } = request;
        let own = KeyPair::from_pem(&fs::read_to_string(self.directory.join("ca.key"))?)
            .map_err(io::Error::other)?;
        let unfit = |name: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte);
            name.is_empty() || name.len() > 253 || !name.bytes().all(fits)
        };
        if let Some(name) = names.iter().find(|name| unfit(name)) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name:?} is no name that a certificate can be issued for"),
            ));
        }
        let mut params =
            CertificateParams::new(names.iter().cloned().collect::<Vec<_>>()).map_err(io::Error::other)?;
        params
            .subject_alt_names
            .extend(addresses.iter().map(|address| SanType::IpAddress((*address).into())));
        // The names that count are the alternative ones; a common name holds 64 characters at most.
        // It must not be the authority's own: OpenSSL takes such a certificate for one that has signed itself.
        let label =
            || names.iter().next().and_then(|name| name.split('.').next()).filter(|label| label.len() <= 64);
        let common = names.iter().map(String::as_str).find(|name| name.len() <= 64).or_else(label);
        params.distinguished_name = distinguished(common.unwrap_or("an address of the lab"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(now - DAY);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(now + CERTIFICATE);
        let authority = authority_params(&self.name);
        params.signed_by(pair, &Issuer::from_params(&authority, own)).map_err(io::Error::other)
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(now - DAY);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(now + AUTHORITY);
    params
}

fn distinguished(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A directory's name for a request: readable, and different for different requests.
fn slug(request: &Request) -> String {
    let Request { names, addresses } = request;
    let mut hasher = DefaultHasher::new();
    request.hash(&mut hasher);
    let first =
        names.first().cloned().or_else(|| addresses.first().map(ToString::to_string)).unwrap_or_default();
    let readable: String = first
        .chars()
        .take(60)
        .map(|character| if character.is_ascii_alphanumeric() || character == '.' { character } else { '-' })
        .collect();
    format!("{}-{:016x}", readable.trim_start_matches('.'), hasher.finish())
}

fn private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests;
