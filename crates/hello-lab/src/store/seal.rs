//! Sealing of stored values: ChaCha20-Poly1305 with a random nonce in front (RFC 8439).

use crate::files::{DURABLE, write_whole};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use std::{fmt, fs, io, path::Path};

/// Bytes of a key.
const KEY_LENGTH: usize = 32;

/// The key of a store.
pub(super) struct Key {
    key: LessSafeKey,
    random: SystemRandom,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(secret)")
    }
}

impl Key {
    /// The key in the file, made where there is none.
    pub(super) fn at(path: &Path) -> io::Result<Key> {
        let random = SystemRandom::new();
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = vec![0; KEY_LENGTH];
                random.fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
                write_whole(path, &bytes, DURABLE)?;
                bytes
            }
            bytes => bytes?,
        };
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "its key has not 32 bytes: restore it, or begin anew with `hello-lab reset`",
            )
        })?;
        Ok(Key { key: LessSafeKey::new(key), random })
    }

    /// Seals `text`, bound to the place it is kept at.
    pub(super) fn seal(&self, place: &str, text: &str) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).expect("the system gave random bytes when the key was made");
        let mut sealed = nonce.to_vec();
        let mut content = text.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut content,
            )
            .expect("a value is far below 256 GiB");
        sealed.append(&mut content);
        sealed
    }

    /// Opens what was sealed for `place`; `None` where it was not, or was changed.
    pub(super) fn open(&self, place: &str, sealed: &[u8]) -> Option<String> {
        let (nonce, content) = sealed.split_at_checked(NONCE_LEN)?;
        let mut content = content.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut content).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}
