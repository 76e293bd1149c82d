//! The parameter store of Systems Manager: the five operations that Acequia needs of it
//! (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/>).

use aws_config::SdkConfig;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::json_client::{CallError, JsonClient, JsonService};
use crate::service::Service;

const SSM: JsonService = JsonService {
    name: "SSM",
    service: Service::regional("ssm", "ssm"),
    target: "AmazonSSM",
    version: "1.1",
    retries: true,
};

/// What a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text that every principal with the right to list parameters may read.
    Plain,
    /// A text that is encrypted, by the account's own key of KMS.
    Secure,
}

/// The parameter store.
#[derive(Debug)]
pub struct ParameterStore(JsonClient);

impl ParameterStore {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self(JsonClient::new(config, SSM))
    }

    /// The value of a parameter, decrypted where it is secure; `None` where there is none of this name.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<String>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Got {
            parameter: Parameter,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Parameter {
            value: String,
        }
        match self.0.call::<Got>("GetParameter", &json!({"Name": name, "WithDecryption": true})).await {
            Ok(got) => Ok(Some(got.parameter.value)),
            Err(error) if error.is("ParameterNotFound") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a parameter; false where there is one of this name and `overwrite` is not wanted.
    ///
    /// # Errors
    /// When the parameter store does not take it.
    pub async fn put(&self, name: &str, value: &str, kind: Kind, overwrite: bool) -> Result<bool, CallError> {
        let kind = match kind {
            Kind::Plain => "String",
            Kind::Secure => "SecureString",
        };
        let asked = json!({"Name": name, "Value": value, "Type": kind, "Overwrite": overwrite});
        match self.0.call::<Json>("PutParameter", &asked).await {
            Ok(_) => Ok(true),
            Err(error) if error.is("ParameterAlreadyExists") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a parameter tags.
    pub(crate) async fn tag(&self, name: &str, tags: &[(&str, &str)]) -> Result<(), CallError> {
        let tags: Vec<Json> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        let asked = json!({"ResourceType": "Parameter", "ResourceId": name, "Tags": tags});
        self.0.call::<Json>("AddTagsToResource", &asked).await.map(drop)
    }

    /// The value of a setting of the account's.
    pub(crate) async fn setting(&self, id: &str) -> Result<String, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Got {
            service_setting: Setting,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Setting {
            setting_value: String,
        }
        let got: Got = self.0.call("GetServiceSetting", &json!({"SettingId": id})).await?;
        Ok(got.service_setting.setting_value)
    }

    /// The names of all parameters below a path. No value is read.
    pub(crate) async fn names_below(&self, path: &str) -> Result<Vec<String>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Page {
            #[serde(default)]
            parameters: Vec<Described>,
            next_token: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Described {
            name: String,
        }
        let mut names = Vec::new();
        let mut asked = json!({"ParameterFilters": [{"Key": "Path", "Option": "Recursive", "Values": [path]}]});
        loop {
            let page: Page = self.0.call("DescribeParameters", &asked).await?;
            names.extend(page.parameters.into_iter().map(|parameter| parameter.name));
            // A page may be empty and have another behind it.
            let Some(token) = page.next_token.filter(|token| !token.is_empty()) else { return Ok(names) };
            if let Some(asked) = asked.as_object_mut() {
                asked.insert("NextToken".to_owned(), Json::from(token));
            }
        }
    }
}
