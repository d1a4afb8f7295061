//! Content that is compiled in: served with an `ETag`, compressed where the client takes it, and not at all where the
//! client has it.

use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH, VARY,
};

use super::accept::accepts;
use super::{Body, Response};

/// How many bytes of a hash tell one version of a file from the next.
const TAG_BYTES: usize = 16;

/// A file, plain and compressed.
pub(super) struct Embedded {
    content_type: &'static str,
    plain: Representation,
    gzip: Representation,
}

/// The bytes as they are sent. RFC 9110, section 8.8.3.3: each encoding has a tag of its own.
struct Representation {
    content: Bytes,
    etag: HeaderValue,
}

impl Embedded {
    /// Compresses and hashes, so it is done once per file.
    pub(super) fn new(content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let compressed = encoder.write_all(&content).and_then(|()| encoder.finish());
        let compressed = compressed.expect("writing to memory cannot fail");
        Self {
            content_type,
            plain: Representation::new(content),
            gzip: Representation::new(compressed.into()),
        }
    }

    /// The answer to a request with these headers.
    ///
    /// `no-cache` lets a cache keep the file and ask each time whether it is still the same: the names of the files stay
    /// when their content changes, and a new page must never run an old script.
    pub(super) fn respond(&self, request: &HeaderMap) -> Response {
        let compressed = accepts(request, &ACCEPT_ENCODING, "gzip");
        let representation = if compressed { &self.gzip } else { &self.plain };
        let mut response = Response::default();
        let headers = response.headers_mut();
        headers.insert(ETAG, representation.etag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if representation.is_known_to(request) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        *response.body_mut() = Body::from(representation.content.clone());
        response
    }
}

impl Representation {
    fn new(content: Bytes) -> Self {
        let hash = ring::digest::digest(&ring::digest::SHA256, &content);
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..TAG_BYTES]));
        let etag = HeaderValue::try_from(tag).expect("base64url in quotes may stand in a header");
        Self { content, etag }
    }

    /// Whether the client has it already. The comparison is weak (RFC 9110, section 13.1.2).
    fn is_known_to(&self, request: &HeaderMap) -> bool {
        let lists = request.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
        lists.flat_map(|list| list.split(',')).map(str::trim).any(|tag| {
            let strong = tag.strip_prefix("W/").unwrap_or(tag);
            tag == "*" || strong.as_bytes() == self.etag.as_bytes()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use http_body_util::BodyExt as _;
    use hyper::header::HeaderName;

    use super::*;

    const TEXT: &str = "hello, hello, hello, hello, hello, hello, hello, hello, hello, hello, hello";

    fn embedded() -> Embedded {
        Embedded::new("text/plain", TEXT)
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::try_from(*value).unwrap())).collect()
    }

    async fn body(response: Response) -> Vec<u8> {
        response.into_body().collect().await.unwrap().to_bytes().to_vec()
    }

    #[tokio::test]
    async fn a_client_that_takes_gzip_gets_the_same_content_in_fewer_bytes() {
        let response = embedded().respond(&headers(&[(ACCEPT_ENCODING, "br, gzip")]));
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(response.headers()[VARY], "Accept-Encoding");
        let compressed = body(response).await;
        assert!(compressed.len() < TEXT.len());
        let mut text = String::new();
        GzDecoder::new(compressed.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(text, TEXT);
    }

    #[tokio::test]
    async fn a_client_that_does_not_gets_it_as_it_is() {
        for accepted in [None, Some("br"), Some("gzip;q=0"), Some("identity")] {
            let request = accepted.map_or_else(HeaderMap::new, |value| headers(&[(ACCEPT_ENCODING, value)]));
            let response = embedded().respond(&request);
            assert!(!response.headers().contains_key(CONTENT_ENCODING), "{accepted:?}");
            assert_eq!(response.headers()[VARY], "Accept-Encoding", "{accepted:?}");
            assert_eq!(body(response).await, TEXT.as_bytes(), "{accepted:?}");
        }
    }

    #[tokio::test]
    async fn a_client_that_has_it_gets_304_with_the_tag_and_nothing_else() {
        let tag = embedded().respond(&HeaderMap::new()).headers()[ETAG].to_str().unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"old\", {tag}"), "*".to_owned()] {
            let response = embedded().respond(&headers(&[(IF_NONE_MATCH, &known)]));
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(response.headers()[ETAG], tag.as_str(), "{known}");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-cache", "{known}");
            assert_eq!(response.headers()[VARY], "Accept-Encoding", "{known}");
            assert!(!response.headers().contains_key(CONTENT_TYPE), "{known}");
            assert_eq!(body(response).await, b"", "{known}");
        }
        for unknown in ["\"old\"", "", "old", tag.trim_matches('"')] {
            let response = embedded().respond(&headers(&[(IF_NONE_MATCH, unknown)]));
            assert_eq!(response.status(), StatusCode::OK, "{unknown}");
        }
    }

    #[test]
    fn each_content_and_each_encoding_has_a_tag_of_its_own() {
        let gzip = headers(&[(ACCEPT_ENCODING, "gzip")]);
        let other = Embedded::new("text/plain", "other");
        let tags: std::collections::HashSet<_> = [embedded(), other]
            .iter()
            .flat_map(|file| [file.respond(&gzip), file.respond(&HeaderMap::new())])
            .map(|response| response.headers()[ETAG].clone())
            .collect();
        assert_eq!(tags.len(), 4);
    }
}
