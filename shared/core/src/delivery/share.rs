//! Who shares a rate: how many tenants use it at a time, counted at the same cost for ten and for ten thousand.
//!
//! Time is cut into [`Bucket`]s of a minute. A tenant joins a bucket once, and what joins is counted in one of a few
//! [`Members`] rows of that bucket. Who joins knows whether it was in the bucket before, so the rows of two buckets say
//! how many different tenants there were in both: all of the earlier one, and those that are new in the later one.
//!
//! Invariants:
//! - Who joined in the last minute counts; who joined more than two minutes ago does not.
//! - No tenant counts twice.
//!
//! Not guaranteed:
//! - The number to the moment: an instance believes it for ten seconds.
//! - That a tenant is counted whose process ended between its two writes. It counts again two buckets later.

use std::time::Duration;

use jiff::Timestamp;

use crate::id::{TenantId, digest};

/// How long a bucket lasts.
pub const BUCKET: Duration = Duration::from_mins(1);

/// Over how many rows the members of a bucket are spread. Ten thousand tenants that all send join within the ten seconds
/// in which each of them asks again: 1,000 writes a second, and 125 on each row.
pub const ROWS: u8 = 8;

/// One span of time in which tenants join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(pub i64);

impl Bucket {
    /// The bucket of a time.
    pub fn at(now: Timestamp) -> Self {
        Self(now.as_second().div_euclid(i64::try_from(BUCKET.as_secs()).unwrap_or(i64::MAX)))
    }

    /// The one before it.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// What a row of a bucket counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Members {
    /// Tenants that joined the bucket.
    pub all: u64,
    /// Those of them that had not joined the bucket before.
    pub fresh: u64,
}

/// How many different tenants joined one of two buckets that follow each other.
pub fn sharers(before: impl IntoIterator<Item = Members>, now: impl IntoIterator<Item = Members>) -> u32 {
    let before: u64 = before.into_iter().map(|row| row.all).sum();
    let fresh: u64 = now.into_iter().map(|row| row.fresh).sum();
    u32::try_from(before.saturating_add(fresh)).unwrap_or(u32::MAX)
}

/// Which of the [`ROWS`] counts a tenant.
pub fn row_of(tenant: &TenantId) -> u8 {
    let hash = digest(tenant.as_str().as_bytes());
    hash.get(..2).and_then(|start| u8::from_str_radix(start, 16).ok()).unwrap_or_default() % ROWS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lasts_a_minute_also_before_1970() {
        let bucket = |second: i64| Bucket::at(Timestamp::from_second(second).unwrap()).0;
        assert_eq!([-61, -60, -1, 0, 59, 60].map(bucket), [-2, -1, -1, 0, 0, 1]);
        assert_eq!(Bucket(0).before(), Bucket(-1));
    }

    #[test]
    fn who_is_in_both_buckets_counts_once() {
        // Three were there before; of the four of now, two are among them.
        let before = [Members { all: 1, fresh: 1 }, Members { all: 2, fresh: 0 }];
        let now = [Members { all: 3, fresh: 1 }, Members { all: 1, fresh: 1 }];
        assert_eq!((sharers(before, now), sharers([], now), sharers(before, [])), (5, 2, 3));
    }

    #[test]
    fn ten_thousand_tenants_are_spread_evenly_over_the_rows() {
        let mut rows = [0_u32; ROWS as usize];
        for number in 0..10_000 {
            rows[usize::from(row_of(&format!("tenant-{number}").parse().unwrap()))] += 1;
        }
        assert!(rows.iter().all(|row| (1_100..1_400).contains(row)), "{rows:?}");
    }
}
