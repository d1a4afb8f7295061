//! Random numbers that are the same in every run.

/// The next number of a sequence that its first state decides (`SplitMix64`): a test that failed fails again.
///
/// The algorithm is that of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
pub fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::next_random;

    #[test]
    fn the_sequence_is_decided_by_its_first_state() {
        let numbers = |mut state| [next_random(&mut state), next_random(&mut state)];
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert_ne!(numbers(1)[0], numbers(1)[1]);
    }
}
