//! A client for tests: one connection per request, nothing hidden.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer may take, on a busy machine too.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// An answer whose body need not be text.
#[derive(Debug)]
pub(crate) struct BytesReply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The end of a problem's type.
    pub(crate) fn problem(&self) -> String {
        let document = self.json();
        let kind = document["type"].as_str().unwrap_or_else(|| panic!("no problem: {self:?}"));
        kind.rsplit('#').next().unwrap().to_owned()
    }

    /// A header as text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Sends a request and reads the whole answer; an error if the connection fails.
pub(crate) async fn try_send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
    try_send_within(LIMIT, address, method, path, headers, body).await
}

/// The same with another limit.
pub(crate) async fn try_send_within(
    limit: Duration,
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
    let reply = try_send_bytes_within(limit, address, method, path, headers, body).await?;
    Ok(Reply { status: reply.status, headers: reply.headers, body: String::from_utf8(reply.body)? })
}

/// The same for an answer that need not be text.
pub(crate) async fn try_send_bytes_within(
    limit: Duration,
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<BytesReply, Box<dyn std::error::Error + Send + Sync>> {
    timeout(limit, async {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let mut request = Request::new(Full::new(Bytes::from(body.to_owned())));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse()?;
        request.headers_mut().insert("host", HeaderValue::try_from(address.to_string())?);
        for (name, value) in headers {
            request
                .headers_mut()
                .append(name.parse::<HeaderName>()?, HeaderValue::from_bytes(value.as_bytes())?);
        }
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        driver.abort();
        Ok(BytesReply { status: head.status, headers: head.headers, body: body.to_vec() })
    })
    .await?
}

/// The same, for a service that must answer.
pub(crate) async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let sent = try_send(address, method.clone(), path, headers, body).await;
    sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// Each byte of a name as an escape, also those that need none.
pub(crate) fn percent_encode(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
