//! Which of the deliveries that went well are logged: a share of them, chosen by their hash.
//!
//! By the hash and not by chance: then all attempts of a delivery are logged or none, and a run can be repeated
//! exactly.

/// A share of hashes: those whose first 32 bits are below this. 2^32 is all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample(u64);

/// How many different values the first 32 bits have.
const ALL: f64 = 4_294_967_296.0;

impl Sample {
    /// Nothing.
    pub(super) const NONE: Self = Self(0);

    /// A share from 0 to 1.
    pub(super) fn of(share: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 2^32 is in the range of u64")]
        (0.0..=1.0).contains(&share).then_some(Self((share * ALL) as u64))
    }

    /// The same, from its text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::of)
    }

    /// Whether a hash, as hex digits, is in it.
    pub(super) fn takes(self, hash: &str) -> bool {
        hash.get(..8)
            .and_then(|start| u32::from_str_radix(start, 16).ok())
            .is_some_and(|start| u64::from(start) < self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_takes_its_share_and_always_the_same() {
        let sample = Sample::of(0.1).unwrap();
        let hashes = || (0..10_000_u32).map(|number| acequia_core::id::digest(&number.to_be_bytes()));
        let taken = hashes().filter(|hash| sample.takes(hash)).count();
        assert!((900..1100).contains(&taken), "{taken}");
        assert_eq!(hashes().filter(|hash| Sample::NONE.takes(hash)).count(), 0);
        assert_eq!(hashes().filter(|hash| Sample::of(1.0).unwrap().takes(hash)).count(), 10_000);
    }

    #[test]
    fn what_is_no_hash_is_not_taken() {
        assert!(!Sample::of(1.0).unwrap().takes("dlv"));
    }
}
