use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn parts(text: &str) -> (String, String, String) {
    let reference: Reference = text.parse().unwrap();
    (reference.registry, reference.repository, reference.version)
}

#[test]
fn a_digest_counts_before_a_tag() {
    let expected = ("ghcr.io".to_owned(), "owner/name".to_owned(), DIGEST.to_owned());
    assert_eq!(parts(&format!("ghcr.io/owner/name:1.2@{DIGEST}")), expected);
    assert_eq!(parts(&format!("ghcr.io/owner/name@{DIGEST}")), expected);
}

#[test]
fn a_port_is_no_tag_and_no_tag_is_latest() {
    let expected = ("registry.internal:5000".to_owned(), "name".to_owned(), "latest".to_owned());
    assert_eq!(parts("registry.internal:5000/name"), expected);
    assert_eq!(parts("ghcr.io/owner/name:v1").2, "v1");
}

#[test]
fn a_name_without_a_host_is_docker_hubs() {
    assert_eq!(
        parts("nginx:1"),
        ("registry-1.docker.io".to_owned(), "library/nginx".to_owned(), "1".to_owned())
    );
    assert_eq!(parts("owner/name").1, "owner/name");
}

#[test]
fn what_is_no_name_of_an_image_is_refused() {
    for text in [
        "ghcr.io/Owner/name",
        "ghcr.io/owner/../name",
        "ghcr.io/",
        "ghcr.io/a@sha256:12",
        "ghcr.io/a:b c",
        "",
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text}");
    }
}

#[test]
fn the_digest_of_nothing_is_the_known_one() {
    assert_eq!(Digest::of(b"").to_string(), DIGEST);
    assert_eq!(Digest::of(b"").hex().len(), 64);
}

#[test]
fn the_chain_of_one_layer_is_the_layer_and_of_two_the_hash_of_both() {
    let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
    assert_eq!(RootFs { diff_ids: vec![one.clone()] }.chain().unwrap(), one);
    let both = RootFs { diff_ids: vec![one.clone(), two.clone()] }.chain().unwrap();
    assert_eq!(both, Digest::of(format!("{one} {two}").as_bytes()));
    assert!(RootFs::default().chain().is_none());
}
