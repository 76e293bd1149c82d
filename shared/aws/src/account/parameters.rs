//! The parameter store: what the platform wrote there, how fast it may be read, and how many secrets it holds.

use std::collections::{BTreeMap, BTreeSet};

use acequia_core::id::{SecretName, Stage, TenantId};
use acequia_core::port::Unavailable;
use acequia_core::secret::SecretPurpose;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_sdk_ssm::types::{ParameterMetadata, ParameterStringFilter};

use super::Account;
use crate::error::EntryError;
use crate::keys;

const SETTING: &str = "read the parameter store's throughput";
const READ: &str = "read a parameter";
const LIST: &str = "list the secrets";
const THROUGHPUT: &str = "/ssm/parameter-store/high-throughput-enabled";

/// What a tenant's secrets are for and called.
pub type SecretNames = BTreeSet<(SecretPurpose, SecretName)>;

impl Account {
    /// Whether the account pays for the parameter store's higher throughput.
    ///
    /// # Errors
    /// When the parameter store does not answer, or refuses.
    pub async fn high_throughput(&self) -> Result<bool, Unavailable> {
        let answer = self.clients.ssm.get_service_setting().setting_id(THROUGHPUT).send().await;
        let setting = answer.map_err(|error| Unavailable::new(SETTING, error))?.service_setting;
        let value = setting.and_then(|setting| setting.setting_value);
        let value = value.ok_or_else(|| Unavailable::new(SETTING, EntryError::new("Empty", "it has no value")))?;
        Ok(value == "true")
    }

    /// A parameter that the platform's stack wrote; `None` where there is none of this name.
    ///
    /// # Errors
    /// When the parameter store does not answer, or refuses.
    pub async fn parameter(&self, stage: &Stage, name: &str) -> Result<Option<String>, Unavailable> {
        let path = format!("/acequia/{stage}/{name}");
        match self.clients.ssm.get_parameter().name(path).send().await {
            Ok(answer) => Ok(answer.parameter.and_then(|parameter| parameter.value)),
            Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => Ok(None),
            Err(error) => Err(Unavailable::new(READ, error)),
        }
    }

    /// The names of each tenant's secrets, with what each is for. Their values are not read.
    ///
    /// # Errors
    /// When the parameter store does not answer, or refuses.
    pub async fn secrets(&self, stage: &Stage) -> Result<BTreeMap<TenantId, SecretNames>, Unavailable> {
        self.secrets_below(stage, keys::secrets(stage)).await
    }

    /// The names of one tenant's secrets, with what each is for. Their values are not read.
    ///
    /// # Errors
    /// When the parameter store does not answer, or refuses.
    pub async fn secrets_of(&self, stage: &Stage, tenant: &TenantId) -> Result<SecretNames, Unavailable> {
        let mut found = self.secrets_below(stage, format!("{}/{tenant}", keys::secrets(stage))).await?;
        Ok(found.remove(tenant).unwrap_or_default())
    }

    async fn secrets_below(&self, stage: &Stage, path: String) -> Result<BTreeMap<TenantId, SecretNames>, Unavailable> {
        let below = ParameterStringFilter::builder().key("Path").option("Recursive").values(path);
        let below = below.build().map_err(|error| Unavailable::new(LIST, error))?;
        let mut pages = self.clients.ssm.describe_parameters().parameter_filters(below).into_paginator().send();
        let mut found: BTreeMap<TenantId, SecretNames> = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let parameters = page.map_err(|error| Unavailable::new(LIST, error))?.parameters.unwrap_or_default();
            for name in parameters.iter().filter_map(ParameterMetadata::name) {
                if let Some((tenant, purpose, name)) = keys::secret_of(stage, name) {
                    found.entry(tenant).or_default().insert((purpose, name));
                }
            }
        }
        Ok(found)
    }
}
