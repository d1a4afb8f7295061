//! A client of the registry's HTTP API (OCI distribution specification), as small as pushing and pulling allow.
//!
//! It trusts one CA, and it finds hosts as it is told: at a given address, or by asking a given resolver. It never reads
//! this machine's resolver configuration or CAs. Sockets belong to the network namespace of the thread that it runs on.
//!
//! - `challenge`: what a registry wants to see
//! - `connection`: names and connections
//! - `error`: what goes wrong

mod challenge;
mod connection;
mod error;

pub use self::{connection::Resolve, error::Error};

use self::{challenge::Challenge, connection::connect};
use crate::{registry::oci::Digest, secret::Secret, timeouts};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
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
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};
use std::{collections::HashMap, future::Future, io::Write, path::Path, sync::Arc, time::Duration};

/// As many hops as a download may take from the registry to where the content lies.
const REDIRECTS: usize = 5;
/// The largest document that is kept in memory: registries limit a manifest to 4 MiB.
const DOCUMENT: usize = 4 << 20;

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
