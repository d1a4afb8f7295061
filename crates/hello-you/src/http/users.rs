//! `GET /users`: all users, a page at a time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, LINK};
use serde::Serialize;

use super::openapi::components;
use super::problem::{Kind, Problem};
use super::query::{self, Twice};
use super::{App, Body, Response};
use crate::domain::Username;
use crate::store::Store;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// A page of users.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Page {
    users: Vec<Entry>,
    /// What to send as `after` for the next page; null on the last one.
    next: Option<String>,
}

/// A user in a page.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    username: String,
    /// `YYYY-MM-DD`.
    #[schema(format = Date)]
    date_of_birth: String,
}

/// Lists users in the order of their names' bytes. Administrators only, on the private listener.
///
/// Pages stay stable while others write: a page begins behind a name, not at a number.
#[utoipa::path(
    get, path = "/users", tag = "administration", operation_id = "listUsers",
    params(components::PageParams),
    security(("admin_token" = [])),
    responses(
        (status = 200, description = "A page", body = Page, content_type = "application/json", headers(
            ("Link" = String, description = "The next page, as rel=\"next\""),
        )),
        (status = 400, response = components::InvalidPage),
        (status = 401, response = components::Unauthorized),
        (status = 404, response = components::CallNotFound),
        (status = 500, response = components::Defect),
        (status = 503, response = components::ReadUnavailable),
    )
)]
pub(super) async fn list(app: &App, request: &Request<Incoming>) -> Result<Response, Problem> {
    let query = request.uri().query();
    let after = after(query)?;
    let limit = limit(query)?;
    // One more than asked for tells whether there is a next page.
    let mut users = app.store.page(after.as_ref(), limit + 1).await?;
    let more = users.len() > limit;
    users.truncate(limit);
    let next = users.last().filter(|_| more).map(|user| cursor(&user.username));
    let link = next.as_ref().map(|next| format!("</users?after={next}&limit={limit}>; rel=\"next\""));
    let users = users
        .into_iter()
        .map(|user| Entry {
            username: user.username.as_str().to_owned(),
            date_of_birth: user.date_of_birth.to_string(),
        })
        .collect();
    let json = serde_json::to_vec(&Page { users, next }).expect("strings always become JSON");
    let mut response = Response::new(Body::from(json));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(link) = link {
        let link = HeaderValue::try_from(link).expect("base64url and digits may stand in a header");
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// The cursor of the page behind a name: opaque to clients, so that its form can change.
fn cursor(username: &Username) -> String {
    URL_SAFE_NO_PAD.encode(username.as_str())
}

/// The name behind which the page begins.
pub(super) fn after(query: Option<&str>) -> Result<Option<Username>, Problem> {
    let invalid =
        || Problem::new(Kind::InvalidCursor, "The parameter after must be a cursor from an earlier page.");
    let Some(cursor) = query::single(query, "after").map_err(|Twice| invalid())? else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD.decode(cursor.as_bytes()).map_err(|_| invalid())?;
    let name = String::from_utf8(bytes).map_err(|_| invalid())?;
    // A cursor is exactly what we gave out: a name in its normal form.
    Username::parse(&name).ok().filter(|username| username.as_str() == name).map(Some).ok_or_else(invalid)
}

/// The most users on the page.
pub(super) fn limit(query: Option<&str>) -> Result<usize, Problem> {
    let invalid = || Problem::new(Kind::InvalidLimit, "The parameter limit must be a number from 1 to 1000.");
    match query::single(query, "limit").map_err(|Twice| invalid())? {
        None => Ok(DEFAULT_LIMIT),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(invalid)
        }
        Some(_) => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_name() {
        for name in ["Ana", "Zo\u{eb}", "\u{905}\u{928}\u{93f}\u{932}"] {
            let username = Username::parse(name).unwrap();
            let query = format!("after={}", cursor(&username));
            assert_eq!(after(Some(&query)).unwrap(), Some(username));
        }
        assert_eq!(after(None).unwrap(), None);
    }

    #[test]
    fn a_damaged_cursor_is_refused() {
        let decomposed = URL_SAFE_NO_PAD.encode("Zoe\u{308}");
        for bad in ["", "*", "QW5h=", "_w", "MQ", "QW5h&after=QW5h", &decomposed] {
            assert_eq!(
                after(Some(&format!("after={bad}"))).unwrap_err().kind(),
                Kind::InvalidCursor,
                "{bad}"
            );
        }
    }

    #[test]
    fn the_limit_is_a_number_from_1_to_1000() {
        assert_eq!(limit(None).unwrap(), 100);
        assert_eq!(limit(Some("limit=1")).unwrap(), 1);
        assert_eq!(limit(Some("limit=1000")).unwrap(), 1000);
        for bad in ["0", "1001", "-1", "+5", "1e2", "", "ten", "99999999999999999999999", "5&limit=5"] {
            assert_eq!(limit(Some(&format!("limit={bad}"))).unwrap_err().kind(), Kind::InvalidLimit, "{bad}");
        }
    }
}
