//! The security policies of a TLS listener, in HAProxy's words.
//!
//! Protocols and ciphers are those of
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html>, in its order, which is
//! the order of preference. The lab's certificates have elliptic keys, so of the pairs only the ECDSA one is ever chosen.

/// What `CreateListener` takes where no policy is named.
pub(super) const DEFAULT: &str = "ELBSecurityPolicy-2016-08";

/// A policy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// Lowest version of TLS, as HAProxy writes it.
    pub(super) lowest: &'static str,
    /// Highest version.
    pub(super) highest: &'static str,
    /// Ciphers up to TLS 1.2; empty where it starts with TLS 1.3.
    pub(super) ciphers: String,
}

/// Cipher suites of TLS 1.3; every policy with TLS 1.3 has all of them.
pub(super) const SUITES: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

const FORWARD_GCM_128: &[&str] = &["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"];
const FORWARD_SHA256: &[&str] = &["ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256"];
const FORWARD_SHA_128: &[&str] = &["ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA"];
const FORWARD_GCM_256: &[&str] = &["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"];
const FORWARD_SHA384: &[&str] = &["ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384"];
const FORWARD_SHA_256: &[&str] = &["ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA"];
const PLAIN_128: &[&str] = &["AES128-GCM-SHA256", "AES128-SHA256"];
const PLAIN_SHA_128: &[&str] = &["AES128-SHA"];
const PLAIN_256: &[&str] = &["AES256-GCM-SHA384", "AES256-SHA256"];
const PLAIN_SHA_256: &[&str] = &["AES256-SHA"];
const TRIPLE_DES: &[&str] = &["DES-CBC3-SHA"];

const RESTRICTED: &[&[&str]] = &[FORWARD_GCM_128, FORWARD_GCM_256];
const FORWARD: &[&[&str]] = &[FORWARD_GCM_128, FORWARD_SHA256, FORWARD_GCM_256, FORWARD_SHA384];
const FORWARD_AND_PLAIN: &[&[&str]] =
    &[FORWARD_GCM_128, FORWARD_SHA256, FORWARD_GCM_256, FORWARD_SHA384, PLAIN_128, PLAIN_256];
const FORWARD_WITH_SHA: &[&[&str]] =
    &[FORWARD_GCM_128, FORWARD_SHA256, FORWARD_SHA_128, FORWARD_GCM_256, FORWARD_SHA384, FORWARD_SHA_256];
const ALL: &[&[&str]] = &[
    FORWARD_GCM_128,
    FORWARD_SHA256,
    FORWARD_SHA_128,
    FORWARD_GCM_256,
    FORWARD_SHA384,
    FORWARD_SHA_256,
    PLAIN_128,
    PLAIN_SHA_128,
    PLAIN_256,
    PLAIN_SHA_256,
];
const ALL_AND_TRIPLE_DES: &[&[&str]] = &[
    FORWARD_GCM_128,
    FORWARD_SHA256,
    FORWARD_SHA_128,
    FORWARD_GCM_256,
    FORWARD_SHA384,
    FORWARD_SHA_256,
    PLAIN_128,
    PLAIN_SHA_128,
    PLAIN_256,
    PLAIN_SHA_256,
    TRIPLE_DES,
];

type Row = (&'static str, &'static str, &'static str, &'static [&'static [&'static str]]);

const TABLE: &[Row] = &[
    ("ELBSecurityPolicy-TLS13-1-3-2021-06", "TLSv1.3", "TLSv1.3", &[]),
    ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", "TLSv1.2", "TLSv1.3", RESTRICTED),
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", "TLSv1.2", "TLSv1.3", FORWARD),
    ("ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", "TLSv1.2", "TLSv1.3", FORWARD_AND_PLAIN),
    ("ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", "TLSv1.2", "TLSv1.3", ALL),
    ("ELBSecurityPolicy-TLS13-1-1-2021-06", "TLSv1.1", "TLSv1.3", ALL),
    ("ELBSecurityPolicy-TLS13-1-0-2021-06", "TLSv1.0", "TLSv1.3", ALL),
    ("ELBSecurityPolicy-2015-05", "TLSv1.0", "TLSv1.2", ALL),
    ("ELBSecurityPolicy-2016-08", "TLSv1.0", "TLSv1.2", ALL),
    ("ELBSecurityPolicy-TLS-1-0-2015-04", "TLSv1.0", "TLSv1.2", ALL_AND_TRIPLE_DES),
    ("ELBSecurityPolicy-TLS-1-1-2017-01", "TLSv1.1", "TLSv1.2", ALL),
    ("ELBSecurityPolicy-TLS-1-2-2017-01", "TLSv1.2", "TLSv1.2", FORWARD_AND_PLAIN),
    ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", "TLSv1.2", "TLSv1.2", ALL),
    ("ELBSecurityPolicy-FS-2018-06", "TLSv1.0", "TLSv1.2", FORWARD_WITH_SHA),
    ("ELBSecurityPolicy-FS-1-1-2019-08", "TLSv1.1", "TLSv1.2", FORWARD_WITH_SHA),
    ("ELBSecurityPolicy-FS-1-2-2019-08", "TLSv1.2", "TLSv1.2", FORWARD_WITH_SHA),
    ("ELBSecurityPolicy-FS-1-2-Res-2019-08", "TLSv1.2", "TLSv1.2", FORWARD),
    ("ELBSecurityPolicy-FS-1-2-Res-2020-10", "TLSv1.2", "TLSv1.2", RESTRICTED),
];

impl Policy {
    /// The policy of this name.
    pub(super) fn named(name: &str) -> Option<Policy> {
        let (_, lowest, highest, groups) = TABLE.iter().find(|row| row.0 == name)?;
        let mut ciphers = groups.concat().join(":");
        if matches!(*lowest, "TLSv1.0" | "TLSv1.1") {
            // OpenSSL 3 speaks these versions at no higher level of security than 0.
            ciphers.push_str(":@SECLEVEL=0");
        }
        Some(Policy { lowest, highest, ciphers })
    }

    /// The names of all of them.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.0)
    }

    /// The words of a `bind` line.
    pub(super) fn words(&self) -> String {
        let mut words = format!("ssl-min-ver {} ssl-max-ver {}", self.lowest, self.highest);
        if !self.ciphers.is_empty() {
            words.push_str(" ciphers ");
            words.push_str(&self.ciphers);
        }
        if self.highest == "TLSv1.3" {
            words.push_str(" ciphersuites ");
            words.push_str(SUITES);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_our_terraform_is_forward_secrecy_from_tls_1_2() {
        let policy = Policy::named("ELBSecurityPolicy-TLS13-1-2-2021-06").unwrap();
        assert_eq!((policy.lowest, policy.highest), ("TLSv1.2", "TLSv1.3"));
        assert!(policy.ciphers.split(':').all(|cipher| cipher.starts_with("ECDHE-")), "{}", policy.ciphers);
    }

    #[test]
    fn a_policy_of_tls_1_3_alone_names_no_older_cipher() {
        let policy = Policy::named("ELBSecurityPolicy-TLS13-1-3-2021-06").unwrap();
        assert!(!policy.words().contains(" ciphers "), "{}", policy.words());
    }

    #[test]
    fn an_unknown_policy_is_none() {
        assert_eq!(Policy::named("ELBSecurityPolicy-1999-01"), None);
        assert!(Policy::names().any(|name| name == DEFAULT));
    }
}
