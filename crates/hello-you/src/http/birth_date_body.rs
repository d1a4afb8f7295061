//! The body of `PUT /hello/{username}`: read within limits, and each mistake named.

use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::problem::{Kind, Problem};
use crate::domain::{BirthDate, BirthDateError};

/// The most bytes a body may have; exactly as many are accepted.
const MAX_BODY_BYTES: usize = 4096;
/// A body of 4 KiB that takes longer comes from a client that is broken, or means ill.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The one field.
const FIELD: &str = "dateOfBirth";

/// Reads the body of a request.
pub(super) async fn read(headers: &HeaderMap, body: Incoming) -> Result<BirthDate, Problem> {
    check_headers(headers)?;
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await;
    match collected {
        Ok(Ok(body)) => parse(&body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(incomplete()),
        Err(_) => Err(too_slow()),
    }
}

/// There are fewer bytes than were announced.
pub(super) fn incomplete() -> Problem {
    Problem::new(Kind::IncompleteBody, "The body ended early or is badly chunked.")
}

/// The bytes do not come.
pub(super) fn too_slow() -> Problem {
    Problem::new(Kind::RequestTimeout, "The body did not arrive within 10 seconds.")
}

/// There are more bytes than a body may have.
pub(super) fn too_large() -> Problem {
    Problem::new(Kind::BodyTooLarge, "The body has more than 4096 bytes.")
}

/// Whether the headers announce a body that can be read.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(CONTENT_ENCODING) {
        let detail = "The body must not be encoded; leave Content-Encoding out.";
        return Err(Problem::new(Kind::UnsupportedContentEncoding, detail));
    }
    let unsupported = || {
        let detail = "The body must be JSON, with Content-Type: application/json.";
        Problem::new(Kind::UnsupportedMediaType, detail)
    };
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return Err(unsupported());
    };
    let mut parts = content_type.to_str().map_err(|_| unsupported())?.split(';').map(str::trim);
    if !parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json")) {
        return Err(unsupported());
    }
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        if is_charset && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8") {
            return Err(Problem::new(Kind::UnsupportedCharset, "The body must be in UTF-8."));
        }
    }
    Ok(())
}

/// What the body says, or what is wrong with it.
pub(super) fn parse(body: &[u8]) -> Result<BirthDate, Problem> {
    if body.starts_with(b"\xef\xbb\xbf") {
        return Err(Problem::new(Kind::ByteOrderMark, "The body must not begin with a byte order mark."));
    }
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::new(Kind::InvalidUtf8, "The body is not valid UTF-8."))?;
    if text.trim_ascii().is_empty() {
        return Err(Problem::new(
            Kind::EmptyBody,
            "The body is empty; send {\"dateOfBirth\":\"YYYY-MM-DD\"}.",
        ));
    }
    let Fields(fields) = match serde_json::from_str(text) {
        Ok(fields) => fields,
        Err(error) if error.is_data() => {
            let detail = "The body must be a JSON object with the one field dateOfBirth.";
            return Err(Problem::in_field(Kind::NotAnObject, "", detail));
        }
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let detail = format!("The body is not valid JSON: line {line}, column {column}.");
            return Err(Problem::in_field(Kind::InvalidJson, "", detail));
        }
    };
    if let Some((name, _)) = fields.iter().find(|(name, _)| name != FIELD) {
        let detail = "This field is not known; the only one is dateOfBirth.";
        return Err(Problem::in_field(Kind::UnknownField, name, detail));
    }
    match fields.as_slice() {
        [] => Err(Problem::in_field(Kind::MissingField, FIELD, "The field dateOfBirth is missing.")),
        [(_, Value::String(date))] => BirthDate::parse(date).map_err(|error| {
            let kind = match error {
                BirthDateError::Format => Kind::InvalidDateFormat,
                BirthDateError::NoSuchDay => Kind::NoSuchDay,
            };
            Problem::in_field(kind, FIELD, error.to_string())
        }),
        [_] => Err(Problem::in_field(Kind::WrongType, FIELD, "The date of birth must be a string.")),
        [_, ..] => {
            Err(Problem::in_field(Kind::DuplicateField, FIELD, "The field dateOfBirth is given twice."))
        }
    }
}

/// The fields of an object in their order, the same one as often as it is there.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_of_birth_is_read() {
        for body in [r#"{"dateOfBirth":"1990-12-31"}"#, " { \"dateOfBirth\" : \"1990-12-31\" } \r\n\t"] {
            assert_eq!(parse(body.as_bytes()).unwrap().to_string(), "1990-12-31");
        }
        assert_eq!(parse(br#"{"dateOfB\u0069rth":"1990-12-31"}"#).unwrap().to_string(), "1990-12-31");
    }

    #[test]
    fn each_mistake_in_the_body_has_its_own_kind() {
        let cases: &[(&[u8], Kind)] = &[
            (b"", Kind::EmptyBody),
            (b"  \n", Kind::EmptyBody),
            (b"\xef\xbb\xbf{\"dateOfBirth\":\"1990-12-31\"}", Kind::ByteOrderMark),
            (b"{\"dateOfBirth\":\"\xff\"}", Kind::InvalidUtf8),
            (b"{", Kind::InvalidJson),
            (b"{\"dateOfBirth\":\"1990-12-31\"}x", Kind::InvalidJson),
            (b"{\"dateOfBirth\":\"1990-12-31\",}", Kind::InvalidJson),
            (b"{\"dateOfBirth\":\"1990\0-12-31\"}", Kind::InvalidJson),
            (b"{'dateOfBirth':'1990-12-31'}", Kind::InvalidJson),
            (b"[]", Kind::NotAnObject),
            (b"null", Kind::NotAnObject),
            (b"\"1990-12-31\"", Kind::NotAnObject),
            (b"{}", Kind::MissingField),
            (b"{\"dateofbirth\":\"1990-12-31\"}", Kind::UnknownField),
            (b"{\"dateOfBirth\":\"1990-12-31\",\"name\":\"Ana\"}", Kind::UnknownField),
            (b"{\"dateOfBirth\":\"1990-12-31\",\"dateOfBirth\":\"1990-12-31\"}", Kind::DuplicateField),
            (b"{\"dateOfBirth\":null}", Kind::WrongType),
            (b"{\"dateOfBirth\":19901231}", Kind::WrongType),
            (b"{\"dateOfBirth\":[\"1990-12-31\"]}", Kind::WrongType),
            (b"{\"dateOfBirth\":\"20240230\"}", Kind::InvalidDateFormat),
            (b"{\"dateOfBirth\":\"1990-12-31T00:00:00Z\"}", Kind::InvalidDateFormat),
            (b"{\"dateOfBirth\":\"1990\\u0000-12-31\"}", Kind::InvalidDateFormat),
            (b"{\"dateOfBirth\":\"2024-02-30\"}", Kind::NoSuchDay),
        ];
        for (body, kind) in cases {
            assert_eq!(parse(body).unwrap_err().kind(), *kind, "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn deeply_nested_json_is_refused_without_a_stack_overflow() {
        let body = format!("{{\"dateOfBirth\":{}", "[".repeat(4000));
        assert_eq!(parse(body.as_bytes()).unwrap_err().kind(), Kind::InvalidJson);
    }

    #[test]
    fn content_type_charset_and_encoding_are_checked() {
        let check = |pairs: &[(hyper::header::HeaderName, &'static str)]| {
            let headers: HeaderMap =
                pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            check_headers(&headers).map_err(|problem| problem.kind())
        };
        for good in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert_eq!(check(&[(CONTENT_TYPE, good)]), Ok(()), "{good}");
        }
        assert_eq!(check(&[]), Err(Kind::UnsupportedMediaType));
        for bad in ["text/plain", "application/jsonp", "", "application/problem+json"] {
            assert_eq!(check(&[(CONTENT_TYPE, bad)]), Err(Kind::UnsupportedMediaType), "{bad}");
        }
        assert_eq!(
            check(&[(CONTENT_TYPE, "application/json; charset=latin1")]),
            Err(Kind::UnsupportedCharset)
        );
        for encoding in ["gzip", "identity"] {
            let headers = [(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, encoding)];
            assert_eq!(check(&headers), Err(Kind::UnsupportedContentEncoding));
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>) {
            let _ = parse(&body);
        }

        #[test]
        fn no_json_makes_it_panic(field in "\\PC*", value in "\\PC*") {
            let _ = parse(serde_json::json!({ field: value }).to_string().as_bytes());
        }
    }
}
