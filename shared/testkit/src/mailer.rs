//! Sends mails into memory.

use std::collections::VecDeque;

use acequia_core::port::{Mail, MailError, Mailer};

use crate::shared::Shared;

/// Mails that were sent, in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryMailer {
    sent: Shared<Vec<Mail>>,
    errors: Shared<VecDeque<MailError>>,
}

impl InMemoryMailer {
    /// Nothing was sent yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The mails that were sent so far, in order.
    pub fn sent(&self) -> Vec<Mail> {
        self.sent.lock().clone()
    }

    /// The next `mails` come to this error, after the mails that were to fail already. A mail without an answer is sent
    /// all the same.
    pub fn fail_next(&self, mails: usize, error: &MailError) {
        self.errors.lock().extend(std::iter::repeat_n(error.clone(), mails));
    }
}

impl Mailer for InMemoryMailer {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let error = self.errors.lock().pop_front();
        let unsent = error.clone().filter(|error| *error != MailError::NoAnswer);
        if let Some(unsent) = unsent {
            return Err(unsent);
        }
        let mut sent = self.sent.lock();
        sent.push(mail.clone());
        error.map_or_else(|| Ok(format!("mail-{}", sent.len())), Err)
    }
}
