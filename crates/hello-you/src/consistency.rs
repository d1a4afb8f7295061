//! The consistency token: what a client sends back to read its own writes.
//!
//! It says where in PostgreSQL's history the client's last write lies: system identifier, timeline, LSN. It is signed,
//! since a client that could make one up could send all reads to the primary, or fence the database. It travels as the
//! header `Hello-Consistency` and as the cookie `hello-consistency`.
//!
//! Form: base64url without padding of `system identifier (8 bytes) | timeline (4) | LSN (8) | HMAC-SHA-256 (first 16)`,
//! all numbers big-endian.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hello_pg::{Lsn, SystemId, Timeline};
use ring::hmac;

use crate::store::Position;

/// Bytes of the position in a token.
const POSITION_BYTES: usize = 20;
/// Bytes of the signature in a token. RFC 2104 section 5 asks for at least half of the hash's length.
const SIGNATURE_BYTES: usize = 16;
/// Characters of a token.
pub const TOKEN_CHARS: usize = (POSITION_BYTES + SIGNATURE_BYTES) / 3 * 4;

/// Signs tokens and checks them.
#[derive(Clone)]
pub struct Signer(hmac::Key);

impl Signer {
    /// Signs with a key; every instance of the service needs the same one.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// Signs with a random key that only this process knows.
    pub fn with_random_key() -> Self {
        Self::new(&crate::random::bytes::<32>())
    }

    /// The token of a position.
    pub fn token(&self, position: Position) -> String {
        let mut bytes = [0; POSITION_BYTES + SIGNATURE_BYTES];
        let (place, signature) = bytes.split_at_mut(POSITION_BYTES);
        place[..8].copy_from_slice(&position.system_id.0.to_be_bytes());
        place[8..12].copy_from_slice(&position.timeline.0.to_be_bytes());
        place[12..].copy_from_slice(&position.lsn.0.to_be_bytes());
        signature.copy_from_slice(&hmac::sign(&self.0, place).as_ref()[..SIGNATURE_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position of a token, if we signed it.
    pub fn verify(&self, token: &[u8]) -> Option<Position> {
        if token.len() != TOKEN_CHARS {
            return None;
        }
        let mut bytes = [0; POSITION_BYTES + SIGNATURE_BYTES];
        let written = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok()?;
        if written != bytes.len() {
            return None;
        }
        let (place, signature) = bytes.split_at(POSITION_BYTES);
        let expected = hmac::sign(&self.0, place);
        if !constant_time_eq(&expected.as_ref()[..SIGNATURE_BYTES], signature) {
            return None;
        }
        let (system_id, rest) = place.split_first_chunk::<8>()?;
        let (timeline, rest) = rest.split_first_chunk::<4>()?;
        let lsn = rest.first_chunk::<8>()?;
        Some(Position {
            system_id: SystemId(u64::from_be_bytes(*system_id)),
            timeline: Timeline(u32::from_be_bytes(*timeline)),
            lsn: Lsn(u64::from_be_bytes(*lsn)),
        })
    }
}

/// The key stays out of logs.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// Compares two byte strings in a time that depends on their lengths alone.
///
/// `a == b` exactly if both have the same MAC under a fresh random key; ring compares MACs in constant time.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &crate::random::bytes::<32>());
    hmac::verify(&key, a, hmac::sign(&key, b).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(system_id: u64, timeline: u32, lsn: u64) -> Position {
        Position { system_id: SystemId(system_id), timeline: Timeline(timeline), lsn: Lsn(lsn) }
    }

    #[test]
    fn a_token_of_another_key_is_not_accepted() {
        let token = Signer::new(b"one").token(position(1, 2, 3));
        assert_eq!(Signer::new(b"one").verify(token.as_bytes()), Some(position(1, 2, 3)));
        assert_eq!(Signer::new(b"two").verify(token.as_bytes()), None);
        assert_eq!(Signer::with_random_key().verify(token.as_bytes()), None);
    }

    #[test]
    fn a_token_altered_in_any_place_is_not_accepted() {
        let signer = Signer::new(b"key");
        let token = signer.token(position(u64::MAX, 7, 0x16_B374_D848));
        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(signer.verify(&altered), None, "byte {at}");
        }
    }

    #[test]
    fn equality_is_that_of_the_bytes() {
        assert!(constant_time_eq(b"", b""));
        assert!(constant_time_eq(b"token", b"token"));
        assert!(!constant_time_eq(b"token", b"tokem"));
        assert!(!constant_time_eq(b"token", b"token "));
    }

    proptest! {
        #[test]
        fn a_position_goes_into_a_token_and_back(system_id: u64, timeline: u32, lsn: u64) {
            let signer = Signer::new(b"key");
            let token = signer.token(position(system_id, timeline, lsn));
            prop_assert_eq!(token.len(), TOKEN_CHARS);
            prop_assert_eq!(signer.verify(token.as_bytes()), Some(position(system_id, timeline, lsn)));
        }

        #[test]
        fn any_other_text_is_not_accepted(text: Vec<u8>) {
            prop_assert_eq!(Signer::new(b"key").verify(&text), None);
        }
    }
}
