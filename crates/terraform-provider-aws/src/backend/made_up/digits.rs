//! A supply of made-up characters.

use sha2::{Digest as _, Sha256};

/// Characters that follow from a seed.
pub(crate) struct Digits {
    seed: [u8; 32],
    used: u64,
}

impl Digits {
    /// Never the same twice.
    pub(crate) fn random() -> Digits {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the kernel gives random bytes");
        Digits { seed, used: 0 }
    }

    /// The same for the same text.
    pub(crate) fn of(text: &str) -> Digits {
        Digits { seed: Sha256::digest(text).into(), used: 0 }
    }

    /// `count` characters out of `alphabet`.
    pub(crate) fn text(&mut self, alphabet: &str, count: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let mut text = String::with_capacity(count);
        while text.chars().count() < count {
            self.used += 1;
            let block =
                Sha256::new().chain_update(self.seed).chain_update(self.used.to_be_bytes()).finalize();
            let missing = count - text.chars().count();
            text.extend(block.iter().take(missing).map(|byte| letters[usize::from(*byte) % letters.len()]));
        }
        text
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let d = self.text("0123456789abcdef", 32);
        format!("{}-{}-4{}-a{}-{}", &d[..8], &d[8..12], &d[13..16], &d[17..20], &d[20..])
    }

    /// 26 digits, as the plugin SDK completes a name prefix: a time and a counter.
    pub(crate) fn unique(&mut self) -> String {
        format!("20250101000000{}00000001", self.text("0123456789", 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_characters() {
        let pair = || Digits::of("aws_ami");
        assert_eq!(pair().text("0123456789abcdef", 40), pair().text("0123456789abcdef", 40));
        assert_ne!(pair().uuid(), Digits::of("aws_vpc").uuid());
        assert_eq!(pair().unique().len(), 26);
    }
}
