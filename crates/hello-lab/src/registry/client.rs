//! A client of the registry's HTTP API (OCI distribution specification), as small as pushing and pulling allow.
//!
//! It trusts one CA, and it finds hosts as it is told: at a given address, or by asking a given resolver. It never reads
//! this machine's resolver configuration or CAs. Sockets belong to the network namespace of the thread that it runs on.

use crate::{registry::oci::Digest, secret::Secret, timeouts};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    client::conn::http1::SendRequest,
    header::{
        ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT,
        WWW_AUTHENTICATE,
    },
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    future::Future,
    io::{self, Write},
    net::Ipv4Addr,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// As many hops as a download may take from the registry to where the content lies.
const REDIRECTS: usize = 5;
/// The largest document that is kept in memory: registries limit a manifest to 4 MiB.
const DOCUMENT: usize = 4 << 20;

/// What goes wrong between us and a registry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The CA cannot be used.
    #[error("cannot read the registry's CA: {0}")]
    Authority(String),
    /// The name has no address.
    #[error("dial tcp: lookup {name} on {resolver}:53: {cause}")]
    Name {
        /// The host's name.
        name: String,
        /// Who was asked.
        resolver: Ipv4Addr,
        /// What came of it.
        cause: String,
    },
    /// Nobody answers there.
    #[error("dial tcp {address}:{port}: {cause}")]
    Connect {
        /// Where it was tried.
        address: Ipv4Addr,
        /// Its port.
        port: u16,
        /// What came of it.
        cause: io::Error,
    },
    /// The host cannot prove who it is.
    #[error("tls: failed to verify certificate of {host}: {cause}")]
    Tls {
        /// The host's name.
        host: String,
        /// What came of it.
        cause: io::Error,
    },
    /// The connection broke.
    #[error("the connection to {host} broke: {cause}")]
    Broken {
        /// The host's name.
        host: String,
        /// What came of it.
        cause: hyper::Error,
    },
    /// No answer in time.
    #[error("{host} has not answered within {} s", .after.as_secs())]
    Slow {
        /// The host's name.
        host: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// It answers, and refuses.
    #[error("{method} {uri}: unexpected status code {status}{detail}")]
    Refused {
        /// What was asked.
        method: Method,
        /// Of what.
        uri: String,
        /// The answer.
        status: StatusCode,
        /// The registry's own words, after a colon.
        detail: String,
    },
    /// It answers something that cannot be right.
    #[error("{0}")]
    Answer(String),
    /// What came is not what was asked for.
    #[error("failed precondition: content of digest {wanted} has digest {got}")]
    Content {
        /// The name asked for.
        wanted: Digest,
        /// The name of what came.
        got: Digest,
    },
    /// It cannot be kept on this machine.
    #[error("cannot write what was downloaded: {0}")]
    Keep(#[from] io::Error),
}

impl Error {
    /// Can the same request succeed a moment later?
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Name { .. } | Error::Connect { .. } | Error::Broken { .. } | Error::Slow { .. } => true,
            Error::Refused { status, .. } => status.is_server_error(),
            Error::Authority(_)
            | Error::Tls { .. }
            | Error::Answer(_)
            | Error::Content { .. }
            | Error::Keep(_) => false,
        }
    }
}

/// How the address of a host is found.
#[derive(Clone, Copy, Debug)]
pub enum Resolve {
    /// It is known.
    Given(Ipv4Addr),
    /// This server is asked.
    Through(Ipv4Addr),
}

/// User and password, or user and token.
pub type Credentials = (String, Secret);

/// A client of one registry.
pub struct Client {
    registry: String,
    resolve: Resolve,
    tls: Arc<ClientConfig>,
    credentials: Option<Credentials>,
    /// Once the registry has asked for it.
    authorization: Option<HeaderValue>,
    connections: HashMap<String, SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client of `registry`, whose certificate is checked against the CA in the PEM file `authority`.
    pub fn new(
        registry: &str,
        resolve: Resolve,
        authority: &Path,
        credentials: Option<Credentials>,
    ) -> Result<Client, Error> {
        let unusable =
            |error: &dyn std::fmt::Display| Error::Authority(format!("{}: {error}", authority.display()));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).map_err(|error| unusable(&error))? {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
        let mut tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Client {
            registry: registry.to_owned(),
            resolve,
            tls: Arc::new(tls),
            credentials,
            authorization: None,
            connections: HashMap::new(),
        })
    }

    /// Asks for `path` (from `/v2/` on) and expects one of `statuses`.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: Bytes,
        statuses: &[StatusCode],
    ) -> Result<Response<Incoming>, Error> {
        let uri = self.uri(path)?;
        let response = self.send(&method, &uri, headers, &body).await?;
        let response = match response.headers().get(WWW_AUTHENTICATE) {
            Some(challenge) if response.status() == StatusCode::UNAUTHORIZED => {
                let challenge = challenge.to_str().unwrap_or_default().to_owned();
                // A connection serves the next request only when the answer was read to its end.
                let refusal = refusal(&method, &uri, response).await;
                let Some(authorization) = self.authorize(&challenge).await? else { return Err(refusal) };
                self.authorization = Some(authorization);
                self.send(&method, &uri, headers, &body).await?
            }
            _ => response,
        };
        if statuses.contains(&response.status()) {
            return Ok(response);
        }
        Err(refusal(&method, &uri, response).await)
    }

    /// A document and its media type. It is checked against `digest`, where that is known.
    pub async fn document(
        &mut self,
        path: &str,
        accept: &str,
        digest: Option<&Digest>,
    ) -> Result<(Bytes, String), Error> {
        let response =
            self.ask(Method::GET, path, &[(ACCEPT, accept)], Bytes::new(), &[StatusCode::OK]).await?;
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type =
            media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
        let host = self.registry.clone();
        let content = in_time(&host, timeouts::REGISTRY_ANSWER, async {
            Limited::new(response.into_body(), DOCUMENT)
                .collect()
                .await
                .map_err(|error| Error::Answer(format!("{path} cannot be read: {error}")))
        })
        .await?
        .to_bytes();
        if let Some(wanted) = digest {
            let got = Digest::of(&content);
            if got != *wanted {
                return Err(Error::Content { wanted: wanted.clone(), got });
            }
        }
        Ok((content, media_type))
    }

    /// Downloads a blob of `size` bytes, following the registry to where the content lies, and checks its digest.
    pub async fn download(
        &mut self,
        path: &str,
        digest: &Digest,
        size: u64,
        into: &mut impl Write,
    ) -> Result<(), Error> {
        let found = [
            StatusCode::OK,
            StatusCode::MOVED_PERMANENTLY,
            StatusCode::FOUND,
            StatusCode::SEE_OTHER,
            StatusCode::TEMPORARY_REDIRECT,
            StatusCode::PERMANENT_REDIRECT,
        ];
        let mut response = self.ask(Method::GET, path, &[], Bytes::new(), &found).await?;
        let mut hops = 0;
        while response.status() != StatusCode::OK {
            hops += 1;
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let uri = location.and_then(|location| location.parse::<Uri>().ok());
            let Some(uri) = uri.filter(|uri| uri.scheme_str() == Some("https") && hops <= REDIRECTS) else {
                return Err(Error::Answer(format!("{path} leads to {}", location.unwrap_or("nowhere"))));
            };
            let _ = response.into_body().collect().await;
            response = self.send(&Method::GET, &uri, &[], &Bytes::new()).await?;
            if !found.contains(&response.status()) {
                return Err(refusal(&Method::GET, &uri, response).await);
            }
        }
        let mut hasher = Sha256::new();
        let mut left = size;
        let mut body = response.into_body();
        let host = self.registry.clone();
        while let Some(frame) = in_time(&host, timeouts::REGISTRY_ANSWER, async {
            body.frame().await.transpose().map_err(|cause| Error::Broken { host: host.clone(), cause })
        })
        .await?
        {
            let Some(data) = frame.data_ref() else { continue };
            left = left.checked_sub(data.len() as u64).ok_or_else(|| {
                Error::Answer(format!("{digest} is longer than the {size} bytes that its manifest says"))
            })?;
            hasher.update(data);
            into.write_all(data)?;
        }
        let got = Digest::finish(hasher);
        if got == *digest { Ok(()) } else { Err(Error::Content { wanted: digest.clone(), got }) }
    }

    fn uri(&self, path: &str) -> Result<Uri, Error> {
        let text =
            if path.starts_with('/') { format!("https://{}{path}", self.registry) } else { path.to_owned() };
        text.parse().map_err(|error| Error::Answer(format!("{text} is no address: {error}")))
    }

    async fn send(
        &mut self,
        method: &Method,
        uri: &Uri,
        headers: &[(HeaderName, &str)],
        body: &Bytes,
    ) -> Result<Response<Incoming>, Error> {
        let authority = uri.authority().map_or_else(|| self.registry.clone(), ToString::to_string);
        let mut request = Request::builder()
            .method(method)
            .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(HOST, &authority)
            .header(USER_AGENT, "hello-lab");
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        // Credentials are for the registry alone, not for where it sends us.
        if let Some(authorization) = self.authorization.as_ref().filter(|_| authority == self.registry) {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::new(body.clone()))
            .map_err(|error| Error::Answer(format!("{uri} cannot be asked for: {error}")))?;
        let sender = self.connection(&authority).await?;
        let host = authority.clone();
        in_time(&authority, timeouts::REGISTRY_ANSWER, async {
            sender.send_request(request).await.map_err(|cause| Error::Broken { host, cause })
        })
        .await
    }

    async fn connection(&mut self, authority: &str) -> Result<&mut SendRequest<Full<Bytes>>, Error> {
        let usable = match self.connections.get_mut(authority) {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let sender = connect(authority, self.resolve, Arc::clone(&self.tls)).await?;
            self.connections.insert(authority.to_owned(), sender);
        }
        Ok(self.connections.get_mut(authority).expect("it was just put there"))
    }

    /// What the registry wants to see, or `None` where we have nothing to show, or nothing better than before.
    async fn authorize(&mut self, challenge: &str) -> Result<Option<HeaderValue>, Error> {
        let before = self.authorization.take();
        let basic = self.credentials.as_ref().map(|(user, password)| {
            let mut value = HeaderValue::try_from(format!(
                "Basic {}",
                BASE64.encode(format!("{user}:{}", password.reveal()))
            ))
            .expect("base64 has only letters that fit a header");
            value.set_sensitive(true);
            value
        });
        match Challenge::parse(challenge) {
            Some(Challenge::Basic) => Ok(basic.filter(|value| before.as_ref() != Some(value))),
            Some(Challenge::Bearer { realm, query }) => {
                let separator = if realm.contains('?') { '&' } else { '?' };
                let uri = format!("{realm}{separator}{query}");
                let uri = uri.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("https"));
                let uri = uri.ok_or_else(|| {
                    Error::Answer(format!("tokens are given at {realm}, which is no https address"))
                })?;
                self.token(&uri, basic).await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn token(&mut self, uri: &Uri, basic: Option<HeaderValue>) -> Result<HeaderValue, Error> {
        #[derive(serde::Deserialize)]
        struct Token {
            #[serde(alias = "access_token")]
            token: Secret,
        }
        let basic = basic.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let headers = [(AUTHORIZATION, basic.as_str())];
        let headers = if basic.is_empty() { &headers[..0] } else { &headers[..] };
        let response = self.send(&Method::GET, uri, headers, &Bytes::new()).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(&Method::GET, uri, response).await);
        }
        let unreadable = || Error::Answer(format!("{uri} gives no token"));
        let body = Limited::new(response.into_body(), DOCUMENT).collect();
        let body = in_time(&self.registry, timeouts::REGISTRY_ANSWER, async {
            body.await.map_err(|_| unreadable())
        });
        let token: Token = serde_json::from_slice(&body.await?.to_bytes()).map_err(|_| unreadable())?;
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", token.token.reveal())).map_err(|_| unreadable())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// What a registry asks for when it says 401.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    /// User and password.
    Basic,
    /// A token that is given at `realm` when it is asked with `query`.
    Bearer { realm: String, query: String },
}

impl Challenge {
    fn parse(header: &str) -> Option<Challenge> {
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut realm = None;
        let mut query = Vec::new();
        let mut rest = rest.trim_start();
        // NAME="VALUE", with commas between, and commas inside the quotes too.
        while let Some((name, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"')?;
            match name.trim() {
                "realm" => realm = Some(value.to_owned()),
                name @ ("service" | "scope") => query.push(format!("{name}={}", percent_encoded(value))),
                _ => {}
            }
            rest = after.trim_start_matches([',', ' ']);
        }
        Some(Challenge::Bearer { realm: realm?, query: query.join("&") })
    }
}

fn percent_encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    encoded.collect()
}

async fn in_time<T>(
    host: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::Slow { host: host.to_owned(), after: limit }),
    }
}

async fn refusal(method: &Method, uri: &Uri, response: Response<Incoming>) -> Error {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<Said>,
    }
    #[derive(serde::Deserialize)]
    struct Said {
        message: String,
    }
    let status = response.status();
    let body = Limited::new(response.into_body(), DOCUMENT).collect();
    let body = tokio::time::timeout(timeouts::REGISTRY_ANSWER, body).await;
    let said = body
        .ok()
        .and_then(Result::ok)
        .and_then(|body| serde_json::from_slice::<Errors>(&body.to_bytes()).ok());
    let detail =
        said.and_then(|said| said.errors.into_iter().next()).map(|said| format!(": {}", said.message));
    Error::Refused {
        method: method.clone(),
        uri: uri.to_string(),
        status,
        detail: detail.unwrap_or_default(),
    }
}

async fn connect(
    authority: &str,
    resolve: Resolve,
    tls: Arc<ClientConfig>,
) -> Result<SendRequest<Full<Bytes>>, Error> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            Ok(port) => (host, port),
            Err(_) => return Err(Error::Answer(format!("{authority} has no valid port"))),
        },
        None => (authority, 443),
    };
    let address = match resolve {
        Resolve::Given(address) => address,
        Resolve::Through(resolver) => look_up(host, resolver).await?,
    };
    let refused = |cause| Error::Connect { address, port, cause };
    let stream =
        match tokio::time::timeout(timeouts::REGISTRY_CONNECT, TcpStream::connect((address, port))).await {
            Ok(stream) => stream.map_err(refused)?,
            Err(_) => return Err(refused(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout"))),
        };
    let unproven = |cause| Error::Tls { host: host.to_owned(), cause };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| unproven(io::Error::other(error)))?;
    let stream = in_time(host, timeouts::REGISTRY_ANSWER, async {
        TlsConnector::from(tls).connect(name, stream).await.map_err(unproven)
    })
    .await?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|cause| Error::Broken { host: host.to_owned(), cause })?;
    // It ends with the sender; what breaks is reported to the request that is under way.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

/// The address of a host, asked of this server and of no other.
async fn look_up(name: &str, resolver: Ipv4Addr) -> Result<Ipv4Addr, Error> {
    if let Ok(address) = name.parse() {
        return Ok(address);
    }
    let failed = |cause: String| Error::Name { name: name.to_owned(), resolver, cause };
    let servers = vec![NameServerConfig::udp_and_tcp(resolver.into())];
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4Only;
    options.timeout = timeouts::DNS_ANSWER;
    options.attempts = 2;
    let asked = builder.build().map_err(|error| failed(error.to_string()))?;
    // The dot at the end keeps a resolver from trying other names.
    let addresses = asked.lookup_ip(format!("{name}.")).await.map_err(|error| {
        failed(if error.is_no_records_found() || error.is_nx_domain() {
            "no such host".to_owned()
        } else {
            error.to_string()
        })
    })?;
    let address = addresses.iter().find_map(|address| match address {
        std::net::IpAddr::V4(address) => Some(address),
        std::net::IpAddr::V6(_) => None,
    });
    address.ok_or_else(|| failed("no such host".to_owned()))
}

#[cfg(test)]
mod tests;
