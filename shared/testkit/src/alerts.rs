//! Alerts that are kept in memory, for a test to read.

use acequia_core::id::TenantId;
use acequia_core::port::{Alerts, Unavailable};

use crate::fault::Faults;
use crate::shared::Shared;

/// What operators were told, in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryAlerts {
    told: Shared<Vec<(TenantId, String, String)>>,
    told_of_all: Shared<Vec<(String, String)>>,
    /// Makes telling fail.
    pub faults: Faults,
}

impl InMemoryAlerts {
    /// They were told nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What they were told so far: tenant, subject, text.
    pub fn told(&self) -> Vec<(TenantId, String, String)> {
        self.told.lock().clone()
    }

    /// What they were told of no one tenant so far: subject, text.
    pub fn told_of_all(&self) -> Vec<(String, String)> {
        self.told_of_all.lock().clone()
    }
}

impl Alerts for InMemoryAlerts {
    async fn send(&self, tenant: &TenantId, subject: &str, text: &str) -> Result<(), Unavailable> {
        self.faults.answers().await;
        self.faults.call("tell the operators")?;
        self.told.lock().push((tenant.clone(), subject.to_owned(), text.to_owned()));
        Ok(())
    }

    async fn send_of_platform(&self, subject: &str, text: &str) -> Result<(), Unavailable> {
        self.faults.answers().await;
        self.faults.call("tell the operators")?;
        self.told_of_all.lock().push((subject.to_owned(), text.to_owned()));
        Ok(())
    }
}
