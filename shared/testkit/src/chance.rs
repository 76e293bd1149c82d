//! Chance that comes out the same for the same seed.

use acequia_core::port::Chance;

use crate::shared::Shared;

/// A seeded source: splitmix64 (<https://prng.di.unimi.it/splitmix64.c>), which needs no crate and is the same
/// everywhere.
#[derive(Debug, Clone)]
pub struct SeededChance(Shared<u64>);

impl SeededChance {
    /// A source that gives the same values for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(Shared::new(seed))
    }

    fn next(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Default for SeededChance {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Chance for SeededChance {
    fn unit(&self) -> f64 {
        // 32 bits fit an f64 exactly, and are enough to spread retries.
        let high = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }

    fn token(&self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }

    fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for word in words {
            *word = self.next().to_be_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_no_token_twice() {
        let (one, two) = (SeededChance::new(7), SeededChance::new(7));
        let tokens: Vec<String> = (0..100).map(|_| one.token()).collect();
        assert!(tokens.iter().all(|token| *token == two.token()));
        let distinct: std::collections::BTreeSet<_> = tokens.iter().collect();
        assert_eq!(distinct.len(), 100);
    }

    #[test]
    fn units_lie_between_zero_and_one() {
        let chance = SeededChance::default();
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&chance.unit())));
    }
}
