//! The widths that this instance found, one for each sink ([`acequia_core::delivery::width`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acequia_core::delivery::width::{START, Width};
use acequia_core::id::{SinkId, TenantId};

/// The most that are kept; one more and all are forgotten.
const MOST_KEPT: usize = 1000;

/// The width of one sink, which its lane learns with.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<Width>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Width> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many requests this instance has under way to each sink at once.
#[derive(Debug)]
pub struct Widths {
    start: usize,
    found: Mutex<HashMap<(TenantId, SinkId), Shared>>,
}

impl Widths {
    /// Widths that begin at `start` each.
    pub fn starting_at(start: usize) -> Self {
        Self { start, found: Mutex::default() }
    }

    /// That of one sink.
    pub(crate) fn of(&self, tenant: &TenantId, sink: &SinkId) -> Shared {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), sink.clone());
        if found.len() >= MOST_KEPT && !found.contains_key(&key) {
            found.clear();
        }
        let fresh = || Shared(Arc::new(Mutex::new(Width::starting_at(self.start))));
        found.entry(key).or_insert_with(fresh).clone()
    }
}

impl Default for Widths {
    fn default() -> Self {
        Self::starting_at(START)
    }
}
