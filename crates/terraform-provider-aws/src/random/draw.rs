//! Drawing from a source of randomness.

use crate::backend::made_up::Digits;

/// The special characters that the provider takes unless others are given.
pub(super) const SPECIALS: &str = "!@#$%&*()-_=+[]{}<>:?";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const NUMERIC: &str = "0123456789";

/// A source of random numbers: the system's, or one that follows from a seed.
pub(super) enum Source {
    System,
    Seeded(Digits),
}

impl Source {
    pub(super) fn system() -> Source {
        Source::System
    }

    /// The same seed draws the same values (other ones than HashiCorp's provider, which uses Go's generator).
    pub(super) fn seeded(seed: &str) -> Source {
        Source::Seeded(Digits::of(seed))
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        match self {
            Source::System => {
                let mut bytes = vec![0; count];
                getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
                bytes
            }
            Source::Seeded(digits) => {
                let hex = digits.text("0123456789abcdef", count * 2);
                let byte = |pair: &[u8]| {
                    u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("0"), 16).unwrap_or(0)
                };
                hex.as_bytes().chunks(2).map(byte).collect()
            }
        }
    }

    fn next(&mut self) -> u64 {
        self.bytes(8).iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// A number below `bound`, each as likely as the others.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        // Numbers of the last incomplete round would make small results likelier.
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let number = self.next();
            if number < limit {
                return usize::try_from(number % bound).unwrap_or(0);
            }
        }
    }

    /// A number from `min` to `max`, both included.
    pub(super) fn between(&mut self, min: i64, max: i64) -> Option<i64> {
        if min > max {
            return None;
        }
        let span = u128::try_from(i128::from(max) - i128::from(min)).ok()? + 1;
        let offset = i128::try_from(u128::from(self.next()) % span).ok()?;
        i64::try_from(i128::from(min) + offset).ok()
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

/// What a random text consists of.
#[expect(clippy::struct_excessive_bools, reason = "the provider's own arguments")]
pub(super) struct StringRules {
    pub(super) length: usize,
    pub(super) upper: bool,
    pub(super) lower: bool,
    pub(super) numeric: bool,
    pub(super) special: bool,
    pub(super) min_upper: usize,
    pub(super) min_lower: usize,
    pub(super) min_numeric: usize,
    pub(super) min_special: usize,
    pub(super) specials: String,
}

impl StringRules {
    pub(super) fn draw(&self, source: &mut Source) -> Result<String, &'static str> {
        let classes = [
            (self.upper, self.min_upper, UPPER),
            (self.lower, self.min_lower, LOWER),
            (self.numeric, self.min_numeric, NUMERIC),
            (self.special, self.min_special, self.specials.as_str()),
        ];
        let all: Vec<char> =
            classes.iter().filter(|class| class.0).flat_map(|class| class.2.chars()).collect();
        if all.is_empty() {
            return Err("the character set specified is empty");
        }
        let mut drawn: Vec<char> = Vec::new();
        for (_, min, letters) in classes {
            let letters: Vec<char> = letters.chars().collect();
            for _ in 0..min.min(self.length + 1) {
                drawn.push(letters[source.below(letters.len())]);
            }
        }
        if drawn.len() > self.length {
            return Err(
                "length must be at least the sum of min_upper, min_lower, min_numeric and min_special",
            );
        }
        while drawn.len() < self.length {
            drawn.push(all[source.below(all.len())]);
        }
        source.shuffle(&mut drawn);
        Ok(drawn.into_iter().collect())
    }
}
