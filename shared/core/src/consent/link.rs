//! The links of one mail, and where they lead.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::id::{ActionId, ConsentKey};
use super::token::{Link, LinkKey, Purpose};
use crate::id::TenantId;

/// The first part of the path of every link.
pub const PATH: &str = "c";

/// What all links of one mail have in common.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a> {
    /// Where the confirm function answers, such as `https://confirm.example.org`.
    pub base: &'a str,
    /// Whose links.
    pub tenant: &'a TenantId,
    /// What signs them.
    pub key: &'a LinkKey,
    /// Whose consent.
    pub consent: ConsentKey,
    /// The action that the mail is about.
    pub action: ActionId,
    /// Until when they work.
    pub expires_at: Timestamp,
}

impl Links<'_> {
    /// The link for one purpose.
    pub fn url(&self, purpose: Purpose) -> String {
        let link = Link { key: self.consent, action: self.action, purpose, expires_at: self.expires_at };
        let token = self.key.sign(self.tenant, &link);
        format!("{}/{PATH}/{}/{token}", self.base.trim_end_matches('/'), self.tenant)
    }

    /// The links that a mail's templates can name.
    pub fn for_mail(&self) -> BTreeMap<&'static str, String> {
        [
            ("accept", Purpose::Accept),
            ("accept_opt_in", Purpose::AcceptOptIn),
            ("reject", Purpose::Reject),
            ("unsubscribe", Purpose::Unsubscribe),
        ]
        .map(|(name, purpose)| (name, self.url(purpose)))
        .into()
    }
}
