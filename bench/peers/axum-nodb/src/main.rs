//! The greeting API's routes with no database behind them: the ceiling that the framework sets.
//!
//! Every name gets the same greeting, computed from the path; a PUT is parsed and forgotten.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Greeting {
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Birth {
    date_of_birth: String,
}

async fn greet(Path(username): Path<String>) -> Result<Json<Greeting>, StatusCode> {
    if !username.chars().all(char::is_alphabetic) {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(Json(Greeting { message: format!("Hello, {username}! Your birthday is in 5 day(s)") }))
}

async fn put(Path(username): Path<String>, Json(birth): Json<Birth>) -> StatusCode {
    if !username.chars().all(char::is_alphabetic) || birth.date_of_birth.len() != 10 {
        return StatusCode::BAD_REQUEST;
    }
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let app = Router::new().route("/hello/{username}", get(greet).put(put));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
