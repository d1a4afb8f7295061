//! Passwords: random ones, and how a changed one is noticed without keeping it.

use super::{
    error::{DatabaseError, Doing as _},
    files::make_directory,
};
use crate::{lab::Lab, secret::Secret};
use ring::{
    digest::SHA256_OUTPUT_LEN,
    pbkdf2,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    num::NonZeroU32,
    os::unix::fs::OpenOptionsExt as _,
};

/// Each look at an instance checks one fingerprint: a millisecond. The file is root's, and a password that is set is in
/// the server's catalogue with 4096 iterations.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

/// Tells whether a password is the one that was set, and does not tell the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Fingerprint {
    pub(super) fn of(password: &Secret) -> Result<Fingerprint, DatabaseError> {
        let salt = random()?.to_vec();
        let mut digest = vec![0; SHA256_OUTPUT_LEN];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            ITERATIONS,
            &salt,
            password.reveal().as_bytes(),
            &mut digest,
        );
        Ok(Fingerprint { salt, digest })
    }

    pub(super) fn is_of(&self, password: &Secret) -> bool {
        let password = password.reveal().as_bytes();
        pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &self.salt, password, &self.digest).is_ok()
    }
}

fn random() -> Result<[u8; 24], DatabaseError> {
    let mut bytes = [0; 24];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled
        .map_err(|_| io::Error::other("the system gave no randomness"))
        .doing(|| "make a password".to_owned())?;
    Ok(bytes)
}

/// What PostgreSQL stores of a password. Sent in place of the password, which so stands in no statement.
pub(super) fn verifier(password: &Secret) -> String {
    postgres_protocol::password::scram_sha_256(password.reveal().as_bytes())
}

/// The password of the replication user, the same on all instances of a lab: a replica has its source's roles.
pub(super) fn of_replication(lab: &Lab) -> Result<Secret, DatabaseError> {
    let directory = lab.data("databases");
    make_directory(&directory, 0o755, None)?;
    let path = directory.join("replication.password");
    loop {
        match fs::read_to_string(&path) {
            Ok(password) => return Ok(Secret::new(password)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).at("read", &path),
        }
        let password = random()?.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        // Written aside and linked: of two writers one wins, and no reader sees half a password.
        let aside = directory.join(format!("replication.password.{}", &password[..8]));
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).at("make", &aside)?;
        let written = file.write_all(password.as_bytes()).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| fs::hard_link(&aside, &path));
        fs::remove_file(&aside).at("remove", &aside)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).at("make", &path);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_knows_its_password_and_no_other() {
        let fingerprint = Fingerprint::of(&Secret::new("one")).unwrap();
        assert!(fingerprint.is_of(&Secret::new("one")));
        assert!(!fingerprint.is_of(&Secret::new("other")));
        assert_ne!(Fingerprint::of(&Secret::new("one")).unwrap(), fingerprint, "each has its own salt");
    }

    #[test]
    fn the_replication_password_is_made_once_and_closed_to_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::new("password", directory.path(), directory.path());
        let first = of_replication(&lab).unwrap();
        assert_eq!(first.reveal().len(), 48);
        assert_eq!(of_replication(&lab).unwrap(), first);
        let file = fs::metadata(lab.data("databases").join("replication.password")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(lab.data("databases")).unwrap().count(), 1);
    }
}
