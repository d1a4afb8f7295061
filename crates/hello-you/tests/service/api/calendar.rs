//! Sentences and dates: zones, leap days, what "before today" means.

use std::time::Duration;

use hello_testkit::{Poll, wait_until};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::support::backend::{Backend, on_both_stores};
use crate::support::http::Reply;
use crate::support::service::Service;

on_both_stores![the_sentence_counts_the_days, the_extreme_years_are_kept];

/// The first and the last zone to see a new day: they never have the same date.
const EARLIEST: &str = "Pacific/Kiritimati";
const LATEST: &str = "Etc/GMT+12";

fn now(zone: &str) -> DateTime {
    TimeZone::get(zone).unwrap().to_datetime(Timestamp::now())
}

/// Runs a test that midnight must not interrupt: in the last minute of a day it waits for the next.
async fn within_one_day(zone: &str, test: impl AsyncFn(Date)) {
    wait_until("the last minute of the day is over", Duration::from_secs(90), async || {
        let time = now(zone).time();
        Poll::ready_if((time.hour(), time.minute()) != (23, 59), time)
    })
    .await;
    test(now(zone).date()).await;
}

async fn message(service: &Service, path: &str) -> String {
    let reply = service.get(path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.json()["message"].as_str().unwrap().to_owned()
}

async fn put(service: &Service, path: &str, date: &str) -> Reply {
    let body = format!("{{\"dateOfBirth\":\"{date}\"}}");
    service.send(Method::PUT, path, &[("content-type", "application/json")], &body).await
}

async fn the_sentence_counts_the_days(backend: Backend) {
    let service = backend.start().await;
    within_one_day("UTC", async |today| {
        // A leap year of birth has every day of the year.
        for ahead in [0_i64, 1, 5, 200] {
            let birthday = today.checked_add(jiff::Span::new().days(ahead)).unwrap();
            // 29 February has a test of its own.
            if (birthday.month(), birthday.day()) == (2, 29) {
                continue;
            }
            let born = format!("1988-{:02}-{:02}", birthday.month(), birthday.day());
            assert!(service.put("Ana", &born).await.status.is_success());
            let expected = match ahead {
                0 => "Hello, Ana! Happy birthday!".to_owned(),
                days => format!("Hello, Ana! Your birthday is in {days} day(s)"),
            };
            assert_eq!(message(&service, "/hello/Ana").await, expected, "{born}");
        }
    })
    .await;
}

async fn the_extreme_years_are_kept(backend: Backend) {
    let service = backend.start().await;
    for (name, date) in [("First", "0001-01-01"), ("Leap", "0004-02-29"), ("Century", "1900-02-28")] {
        assert_eq!(service.put(name, date).await.status, StatusCode::CREATED, "{date}");
    }
    let users = service.administer(Method::GET, "/users").await.json();
    let dates: Vec<&str> =
        users["users"].as_array().unwrap().iter().map(|user| user["dateOfBirth"].as_str().unwrap()).collect();
    assert_eq!(dates, ["1900-02-28", "0001-01-01", "0004-02-29"]);
    for date in ["0000-01-01", "10000-01-01", "-0001-01-01", "1900-02-29"] {
        assert_eq!(service.put("Bad", date).await.status, StatusCode::BAD_REQUEST, "{date}");
    }
}

#[tokio::test]
async fn the_zone_says_when_the_birthday_is() {
    let service = Backend::Sqlite.start().await;
    within_one_day(EARLIEST, async |today| {
        within_one_day(LATEST, async |_| {
            let born = format!("1988-{:02}-{:02}", today.month(), today.day());
            assert!(service.put("Ana", &born).await.status.is_success());
            let happy = "Hello, Ana! Happy birthday!";
            assert_eq!(message(&service, &format!("/hello/Ana?tz={EARLIEST}")).await, happy);
            // A plus sign in a query is a space unless it is escaped.
            assert_ne!(message(&service, "/hello/Ana?tz=Etc/GMT%2B12").await, happy);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_date_of_birth_is_before_today_in_the_asked_zone() {
    let service = Backend::Sqlite.start().await;
    within_one_day(LATEST, async |today| {
        let today = today.to_string();
        let refused = put(&service, "/hello/Ana?tz=Etc/GMT%2B12", &today).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (StatusCode::BAD_REQUEST, "date-not-in-the-past")
        );
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/dateOfBirth");
        let taken = put(&service, &format!("/hello/Ana?tz={EARLIEST}"), &today).await;
        assert_eq!(taken.status, StatusCode::CREATED);
        // Not yet born there: the days are counted by month and day alone.
        assert_eq!(message(&service, "/hello/Ana?tz=Etc/GMT%2B12").await, "Hello, Ana! Happy birthday!");
    })
    .await;
}

#[tokio::test]
async fn zones_are_names_of_the_iana_database_in_any_case() {
    let service = Backend::Sqlite.start().await;
    service.put("Ana", "1990-12-31").await;
    for good in ["Europe/Dublin", "europe/dublin", "EUROPE%2FDUBLIN", "UTC", "Asia/Kathmandu", "Pacific/Apia"]
    {
        message(&service, &format!("/hello/Ana?x=1&tz={good}&y")).await;
    }
    let long = "a".repeat(5000);
    for bad in ["", "Mars", "+01:00", "Europe", "UTC&tz=UTC", "%FF", "%00", "../../etc/passwd", &long] {
        let get = service.get(&format!("/hello/Ana?tz={bad}")).await;
        let put = put(&service, &format!("/hello/Ana?tz={bad}"), "1990-12-31").await;
        for reply in [get, put] {
            assert_eq!(
                (reply.status, reply.problem().as_str()),
                (StatusCode::BAD_REQUEST, "invalid-time-zone"),
                "{bad}"
            );
        }
    }
}

#[tokio::test]
async fn the_setting_decides_the_birthday_of_leap_day_children() {
    for (setting, month, day) in [("feb28", 2, 28), ("mar01", 3, 1)] {
        let service = Backend::Sqlite.start_with(&[("HELLO_LEAP_DAY", setting)]).await;
        assert_eq!(service.put("Ana", "1992-02-29").await.status, StatusCode::CREATED);
        within_one_day("UTC", async |today| {
            let birthday = (today.year()..=today.year() + 1)
                .map(|year| Date::new(year, 2, 29).unwrap_or_else(|_| Date::new(year, month, day).unwrap()))
                .find(|birthday| *birthday >= today)
                .unwrap();
            let expected = match (birthday - today).get_days() {
                0 => "Hello, Ana! Happy birthday!".to_owned(),
                days => format!("Hello, Ana! Your birthday is in {days} day(s)"),
            };
            assert_eq!(message(&service, "/hello/Ana").await, expected, "{setting}");
        })
        .await;
    }
}
