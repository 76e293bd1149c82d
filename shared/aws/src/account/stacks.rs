//! `CloudFormation`: the platform's stack of a stage and its tenants'.

use std::collections::BTreeMap;

use acequia_core::id::Stage;
use acequia_core::port::Unavailable;

use super::Account;
use super::wire::pair;
use crate::service::Service;
use crate::xml::Xml;

const FORMATION: Service = Service::regional("cloudformation", "cloudformation");
const LIST: &str = "list the stacks";

/// A stack of the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its status, such as `UPDATE_COMPLETE`.
    pub status: String,
    /// What it was deployed with.
    pub parameters: BTreeMap<String, String>,
}

impl Account {
    /// The stacks whose names are `acequia-<stage>` or begin with `acequia-<stage>-`.
    ///
    /// # Errors
    /// When `CloudFormation` does not answer, or refuses.
    pub async fn stacks(&self, stage: &Stage) -> Result<Vec<Stack>, Unavailable> {
        let platform = format!("acequia-{stage}");
        let tenants = format!("{platform}-");
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let mut parameters = vec![pair("Action", "DescribeStacks"), pair("Version", "2010-05-15")];
            if !token.is_empty() {
                parameters.push(pair("NextToken", &token));
            }
            let answer = self.wire.query(LIST, FORMATION, &parameters).await?;
            let Some(result) = answer.find("DescribeStacksResult") else { break };
            let ours = |stack: &Stack| stack.name == platform || stack.name.starts_with(&tenants);
            found.extend(result.members("Stacks").iter().map(stack).filter(ours));
            result.text("NextToken").clone_into(&mut token);
            if token.is_empty() {
                break;
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

fn stack(xml: &Xml) -> Stack {
    let parameter = |xml: &Xml| (xml.text("ParameterKey").to_owned(), xml.text("ParameterValue").to_owned());
    Stack {
        name: xml.text("StackName").to_owned(),
        status: xml.text("StackStatus").to_owned(),
        parameters: xml.members("Parameters").iter().map(parameter).collect(),
    }
}
