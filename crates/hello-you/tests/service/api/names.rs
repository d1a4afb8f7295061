//! Usernames: letters of any script, after percent-decoding and NFC.

use hyper::StatusCode;

use crate::support::backend::{Backend, on_both_stores};
use crate::support::http::percent_encode;

on_both_stores![names_of_every_script_are_kept, a_name_is_the_same_however_it_is_written];

async fn names_of_every_script_are_kept(backend: Backend) {
    let service = backend.start().await;
    // Zoe with diaeresis, Anil (Hindi), Somchai with vowel and tone marks (Thai), Aysha (Arabic), Ming (Chinese), a letter
    // outside the basic plane (Gothic).
    for name in [
        "Zo\u{eb}",
        "\u{905}\u{928}\u{93f}\u{932}",
        "\u{e19}\u{e49}\u{e33}\u{e1d}\u{e19}",
        "\u{639}\u{627}\u{626}\u{634}\u{629}",
        "\u{660e}",
        "\u{10330}",
    ] {
        let encoded = percent_encode(name);
        let created = service.put(&encoded, "1990-12-31").await;
        assert_eq!(created.status, StatusCode::CREATED, "{name}");
        let location = created.header("location");
        assert!(location.is_ascii(), "{location}");
        let greeting = service.get(location).await;
        assert_eq!(greeting.status, StatusCode::OK, "{name}");
        let message = greeting.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(&format!("Hello, {name}! ")), "{message}");
    }
}

async fn a_name_is_the_same_however_it_is_written(backend: Backend) {
    let service = backend.start().await;
    assert_eq!(service.put("Zoe%CC%88", "1990-12-31").await.status, StatusCode::CREATED);
    for same in ["Zo%C3%AB", "Zo%c3%ab", "%5a%6F%C3%AB", "Zoe%CC%88"] {
        assert_eq!(service.put(same, "1990-12-31").await.status, StatusCode::NO_CONTENT, "{same}");
        assert_eq!(service.get(&format!("/hello/{same}")).await.status, StatusCode::OK, "{same}");
    }
    assert_eq!(service.get("/hello/Zoe").await.status, StatusCode::NOT_FOUND);
    // Escaped twice is another text, and none of letters.
    assert_eq!(service.get("/hello/Zo%25C3%25AB").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_name_has_one_to_fifty_characters() {
    let service = Backend::Sqlite.start().await;
    let longest = "a".repeat(50);
    assert_eq!(service.put(&longest, "1990-12-31").await.status, StatusCode::CREATED);
    // Fifty characters after NFC, a hundred before it, three hundred bytes on the wire.
    let composed = "e%CC%88".repeat(50);
    assert_eq!(service.put(&composed, "1990-12-31").await.status, StatusCode::CREATED);
    for too_long in ["a".repeat(51), "e%CC%88".repeat(51), "a".repeat(8000)] {
        let reply = service.put(&too_long, "1990-12-31").await;
        assert_eq!((reply.status, reply.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid-username"));
    }
}

#[tokio::test]
async fn what_is_no_name_is_400_for_get_and_put() {
    let service = Backend::Sqlite.start().await;
    for bad in [
        "1",
        "Ana1",
        "Ana%20B",
        "Ana+B",
        "Ana-B",
        "Ana.",
        ".",
        "..",
        "_",
        "%00",
        "A%00",
        "%2F",
        "A%2FB",
        "%zz",
        "%",
        "A%4",
        "%FF",
        "%C3",
        "%ED%A0%80",
        "%CC%88",
        "%E2%80%8D",
        "%F0%9F%98%80",
        "Ana;x=1",
        "Ana%0D%0AX:1",
        "'or'1'='1",
        "%3Cscript%3E",
        "A%E2%80%AEB",
        "A%C2%AD",
    ] {
        for reply in [service.get(&format!("/hello/{bad}")).await, service.put(bad, "1990-12-31").await] {
            assert_eq!(
                (reply.status, reply.problem().as_str()),
                (StatusCode::BAD_REQUEST, "invalid-username"),
                "{bad}"
            );
        }
    }
}
