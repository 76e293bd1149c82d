//! What a replay comes to, in numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::SinkId;

/// How many pairs of a type and a sink are counted apart; the rest is counted as of others.
pub const MAX_COUNTS: usize = 200;
/// The type under which deliveries are counted for which there is no room of their own.
const OTHER: &str = "(others)";

/// The deliveries of one type to one sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The type of the events.
    pub r#type: String,
    /// The sink.
    pub sink: SinkId,
    /// How many.
    pub deliveries: u64,
    /// The bytes of their events.
    pub bytes: u64,
}

/// What a replay comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Objects that were read to their end.
    pub objects: u64,
    /// Lines that were read.
    pub lines: u64,
    /// Lines of events that had been chosen already.
    pub repeated: u64,
    /// Events of which at least one delivery was chosen.
    pub events: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// The bytes of their events.
    pub bytes: u64,
    /// Objects and lines that could not be read: each is named among the troubles, while there is room.
    pub unreadable: u64,
    /// Deliveries that their queue refuses.
    pub refused: u64,
    /// The deliveries by type and sink.
    pub counts: Vec<Count>,
}

impl Tally {
    /// Counts a delivery.
    pub fn choose(&mut self, kind: &str, sink: &SinkId, bytes: u64) {
        self.deliveries += 1;
        self.bytes += bytes;
        let full = self.counts.len() >= MAX_COUNTS;
        let of = |counts: &[Count], kind: &str| counts.iter().position(|one| one.r#type == kind && one.sink == *sink);
        let place = of(&self.counts, kind).or_else(|| if full { of(&self.counts, OTHER) } else { None });
        if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
            count.deliveries += 1;
            count.bytes += bytes;
            return;
        }
        // A pair for what is left over may come beside those: at most one for each sink.
        let kind = if full { OTHER } else { kind };
        self.counts.push(Count { r#type: kind.to_owned(), sink: sink.clone(), deliveries: 1, bytes });
    }

    /// The deliveries by sink.
    pub fn by_sink(&self) -> BTreeMap<&SinkId, u64> {
        let mut sums = BTreeMap::new();
        for count in &self.counts {
            *sums.entry(&count.sink).or_default() += count.deliveries;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_counted_by_type_and_sink_and_no_count_grows_without_end() {
        let (crm, news): (SinkId, SinkId) = ("crm".parse().unwrap(), "news".parse().unwrap());
        let mut tally = Tally::default();
        for kind in ["a", "b", "a"] {
            tally.choose(kind, &crm, 10);
        }
        tally.choose("a", &news, 7);
        let count = |kind: &str, sink: &SinkId, deliveries, bytes| Count {
            r#type: kind.to_owned(),
            sink: sink.clone(),
            deliveries,
            bytes,
        };
        assert_eq!(tally.counts, [count("a", &crm, 2, 20), count("b", &crm, 1, 10), count("a", &news, 1, 7)]);
        assert_eq!((tally.deliveries, tally.bytes), (4, 37));
        for n in 0..1_000 {
            tally.choose(&n.to_string(), &crm, 1);
        }
        assert_eq!((tally.counts.len(), tally.deliveries), (MAX_COUNTS + 1, 1_004));
        assert_eq!(tally.by_sink(), [(&crm, 1_003), (&news, 1)].into());
        tally.choose("a", &crm, 1);
        assert_eq!(tally.counts[0].deliveries, 3, "what has its own count keeps it");
    }
}
