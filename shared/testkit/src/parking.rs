//! Parked messages, in memory.

use std::collections::BTreeMap;

use acequia_core::id::TenantId;
use acequia_core::parking::{Parked, ParkedKey};
use acequia_core::port::{Parking, Unavailable};

use crate::fault::Faults;
use crate::shared::Shared;

/// Parked messages in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryParking {
    rows: Shared<BTreeMap<ParkedKey, Parked>>,
    /// Makes parking fail; an entry is one message.
    pub parks: Faults,
}

impl InMemoryParking {
    /// Nothing is parked.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is parked, by key.
    pub fn rows(&self) -> Vec<Parked> {
        self.rows.lock().values().cloned().collect()
    }
}

impl Parking for InMemoryParking {
    async fn park(&self, tenant: &TenantId, rows: &[Parked]) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "park messages";
        if self.parks.call(OPERATION).is_err() {
            return rows.iter().map(|_| Err(Unavailable::new(OPERATION, "switched off by the test"))).collect();
        }
        let park = |(index, row): (usize, &Parked)| {
            self.parks.entry(OPERATION, index)?;
            let key = ParkedKey { tenant: tenant.clone(), ..row.key.clone() };
            self.rows.lock().insert(key, row.clone());
            Ok(())
        };
        rows.iter().enumerate().map(park).collect()
    }
}
