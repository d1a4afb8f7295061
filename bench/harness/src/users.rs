//! The users of the run: as many as wanted, each with a name of eight letters made from its number.

/// Bytes of a username.
pub(crate) const USERNAME_LEN: usize = 8;

const SPACE: u64 = 26_u64.pow(8);

/// Without common factor with [`SPACE`], so that different numbers give different names,
/// and large, so that neighbours in number are far apart in the index.
const SPREAD: u64 = 123_456_789_011;

/// The name of user `number`.
pub(crate) fn username(number: u32) -> [u8; USERNAME_LEN] {
    let mut rest = u64::from(number) * SPREAD % SPACE;
    let mut name = [0; USERNAME_LEN];
    for letter in name.iter_mut().rev() {
        *letter = b'a' + u8::try_from(rest % 26).expect("less than 26");
        rest /= 26;
    }
    name
}

/// A random date of birth between 1950 and 2009 that every month has, as `YYYY-MM-DD`.
pub(crate) fn date_of_birth(random: &mut fastrand::Rng) -> [u8; 10] {
    let mut date = *b"0000-00-00";
    let mut put = |at: usize, value: u16| {
        date[at] = b'0' + u8::try_from(value / 10 % 10).expect("a digit");
        date[at + 1] = b'0' + u8::try_from(value % 10).expect("a digit");
    };
    let year = random.u16(1950..2010);
    put(0, year / 100);
    put(2, year % 100);
    put(5, random.u16(1..=12));
    put(8, random.u16(1..=28));
    date
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_users_share_a_name() {
        let names: HashSet<_> = (0..200_000).map(username).collect();
        assert_eq!(names.len(), 200_000);
        assert!(names.iter().flatten().all(u8::is_ascii_lowercase));
    }

    #[test]
    fn dates_of_birth_have_ten_characters_and_a_plausible_year() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..1000 {
            let date = String::from_utf8(date_of_birth(&mut random).to_vec()).unwrap();
            let parts: Vec<u16> = date.split('-').map(|part| part.parse().unwrap()).collect();
            assert!(
                matches!(parts[..], [1950..=2009, 1..=12, 1..=28]),
                "{date} is not a date between 1950 and 2009"
            );
        }
    }
}
