//! The greeting API as it is plainly written with axum and sqlx: a pool, one query per request.
//!
//! `LISTEN` and `DATABASE_URL` say where; `POOL_SIZE` how many connections.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, Month, OffsetDateTime};

const DATE: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");

#[derive(Serialize)]
struct Greeting {
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Birth {
    date_of_birth: String,
}

fn valid(username: &str) -> bool {
    !username.is_empty() && username.chars().count() <= 50 && username.chars().all(char::is_alphabetic)
}

/// The birthday in a year; 29 February counts as 28 February where there is none.
fn birthday(born: Date, year: i32) -> Date {
    born.replace_year(year)
        .unwrap_or_else(|_| Date::from_calendar_date(year, Month::February, 28).unwrap_or(born))
}

fn days_left(born: Date, today: Date) -> i64 {
    let this_year = birthday(born, today.year());
    let next = if this_year < today { birthday(born, today.year() + 1) } else { this_year };
    (next - today).whole_days()
}

// Takes the error by value because `map_err` hands it over so.
#[expect(clippy::needless_pass_by_value)]
fn unavailable(error: sqlx::Error) -> StatusCode {
    eprintln!("database: {error}");
    StatusCode::SERVICE_UNAVAILABLE
}

async fn greet(
    State(pool): State<PgPool>,
    Path(username): Path<String>,
) -> Result<Json<Greeting>, StatusCode> {
    if !valid(&username) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let born: Option<Date> = sqlx::query_scalar("select date_of_birth from users where username = $1")
        .bind(&username)
        .fetch_optional(&pool)
        .await
        .map_err(unavailable)?;
    let born = born.ok_or(StatusCode::NOT_FOUND)?;
    let message = match days_left(born, OffsetDateTime::now_utc().date()) {
        0 => format!("Hello, {username}! Happy birthday!"),
        days => format!("Hello, {username}! Your birthday is in {days} day(s)"),
    };
    Ok(Json(Greeting { message }))
}

async fn put(
    State(pool): State<PgPool>,
    Path(username): Path<String>,
    Json(birth): Json<Birth>,
) -> Result<StatusCode, StatusCode> {
    let born = Date::parse(&birth.date_of_birth, DATE).map_err(|_| StatusCode::BAD_REQUEST)?;
    if !valid(&username) || born >= OffsetDateTime::now_utc().date() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let created: bool = sqlx::query_scalar(
        "insert into users (username, date_of_birth) values ($1, $2)
         on conflict (username) do update set date_of_birth = excluded.date_of_birth
         returning xmax = 0",
    )
    .bind(&username)
    .bind(born)
    .fetch_one(&pool)
    .await
    .map_err(unavailable)?;
    Ok(if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let pool_size = std::env::var("POOL_SIZE").ok().and_then(|size| size.parse().ok()).unwrap_or(16);
    let pool = PgPoolOptions::new()
        .max_connections(pool_size)
        // sqlx pings a connection each time it is taken unless told not to: one more round trip per request.
        .test_before_acquire(false)
        .connect(&std::env::var("DATABASE_URL")?)
        .await?;
    let app = Router::new().route("/hello/{username}", get(greet).put(put)).with_state(pool);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
