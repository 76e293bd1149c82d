//! What was called: how often, with how much in it, and what AWS bills for it.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// The calls of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests.
    pub calls: u64,
    /// Items, statements, messages or mails in them.
    pub items: u64,
    /// What is billed: `DynamoDB`'s read or write units, SQS's requests of 64 KB, mails, else requests.
    pub units: u64,
    /// Bytes of the requests' bodies.
    pub bytes: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.items += other.items;
        self.units += other.units;
        self.bytes += other.bytes;
    }
}

/// All calls, by `service:Operation(table or kind of queue)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, Tally>);

impl Counts {
    /// Adds calls of an operation.
    pub fn add(&mut self, operation: &str, tally: Tally) {
        *self.0.entry(operation.to_owned()).or_default() += tally;
    }

    /// Every operation with its calls, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Tally)> {
        self.0.iter().map(|(operation, tally)| (operation.as_str(), *tally))
    }

    /// The sum over operations whose name `wanted` accepts.
    pub fn sum(&self, wanted: impl Fn(&str) -> bool) -> Tally {
        let mut sum = Tally::default();
        self.iter().filter(|(operation, _)| wanted(operation)).for_each(|(_, tally)| sum += tally);
        sum
    }
}

impl FromIterator<(String, Tally)> for Counts {
    fn from_iter<I: IntoIterator<Item = (String, Tally)>>(rows: I) -> Self {
        let mut counts = Self::default();
        rows.into_iter().for_each(|(operation, tally)| counts.add(&operation, tally));
        counts
    }
}

/// How many blocks of `size` some bytes take, at least one.
pub(crate) fn blocks(bytes: usize, size: usize) -> u64 {
    u64::try_from(bytes.div_ceil(size).max(1)).unwrap_or(u64::MAX)
}

/// A length as a count.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_one_operation_add_up_and_others_stay_apart() {
        let one = Tally { calls: 1, items: 10, units: 10, bytes: 500 };
        let counts: Counts = [("a:X", one), ("a:X", one), ("b:Y", one)]
            .map(|(name, tally)| (name.to_owned(), tally))
            .into_iter()
            .collect();
        assert_eq!(counts.sum(|name| name == "a:X"), Tally { calls: 2, items: 20, units: 20, bytes: 1000 });
        assert_eq!(counts.iter().count(), 2);
    }

    #[test]
    fn a_block_begun_is_a_block_and_nothing_is_one() {
        assert_eq!([0, 1, 1024, 1025].map(|bytes| blocks(bytes, 1024)), [1, 1, 1, 2]);
    }
}
