//! The parameter store: what the platform wrote there, how fast it may be read, and how many secrets it holds.

use std::collections::BTreeMap;

use acequia_core::id::{Stage, TenantId};
use acequia_core::port::Unavailable;
use acequia_core::secret::SecretNames;

use super::Account;
use crate::keys;

const SETTING: &str = "read the parameter store's throughput";
const READ: &str = "read a parameter";
const LIST: &str = "list the secrets";
const THROUGHPUT: &str = "/ssm/parameter-store/high-throughput-enabled";

impl Account {
    /// Whether the account pays for the parameter store's higher throughput.
    ///
    /// # Errors
    /// When the parameter store does not answer, or refuses.
    pub async fn high_throughput(&self) -> Result<bool, Unavailable> {
        let value = self.clients.ssm.setting(THROUGHPUT).await.map_err(|error| error.unavailable(SETTING))?;
        Ok(value == "true")
    }

    /// A parameter that the platform's stack wrote; `None` where there is none of this name.
    ///
    /// # Errors
    /// When the parameter store does not answer, or refuses.
    pub async fn parameter(&self, stage: &Stage, name: &str) -> Result<Option<String>, Unavailable> {
        let path = format!("/acequia/{stage}/{name}");
        self.clients.ssm.get(&path).await.map_err(|error| error.unavailable(READ))
    }

    /// The names of each tenant's secrets, with what each is for. Their values are not read.
    ///
    /// # Errors
    /// When the parameter store does not answer, or refuses.
    pub async fn secrets(&self, stage: &Stage) -> Result<BTreeMap<TenantId, SecretNames>, Unavailable> {
        let names = self.clients.ssm.names_below(&keys::secrets(stage)).await;
        let names = names.map_err(|error| error.unavailable(LIST))?;
        let mut found: BTreeMap<TenantId, SecretNames> = BTreeMap::new();
        for (tenant, purpose, name) in names.iter().filter_map(|name| keys::secret_of(stage, name)) {
            found.entry(tenant).or_default().insert((purpose, name));
        }
        Ok(found)
    }
}
