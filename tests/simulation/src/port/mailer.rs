//! SES, simulated, with perils. Like the real client it gives up after its time-out, and then it is unknown whether the
//! mail was sent.

use acequia_core::port::{MAIL_TIMEOUT, Mail, MailError, Mailer};
use acequia_lambda::within;

use super::Perilous;
use crate::history::StoryKey;

impl Mailer for Perilous {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let Some((event, key)) = self.recognise(mail) else {
            return Err(MailError::Refused("nobody's mail".to_owned()));
        };
        if self.0.world.lock().history.kills(event, true) {
            self.0.die(event).await;
        }
        self.0.world.lock().history.attempt(self.0.invocation(), key, true);
        let answer = within(&self.0.world.clock, MAIL_TIMEOUT, self.post(event, key)).await;
        let answer = answer.unwrap_or(Err(MailError::NoAnswer));
        let who = self.0.invocation();
        let history = &mut self.0.world.lock().history;
        match &answer {
            Err(MailError::NoAnswer | MailError::NoConnection) => history.fail(who, key),
            _ => history.spare(who, key),
        }
        history.note(who, format_args!("mail {key:?}: {answer:?}"));
        answer
    }
}

impl Perilous {
    /// Finds out whose mail it is, and that no other tenant's event or configuration is in it.
    fn recognise(&self, mail: &Mail) -> Option<(usize, StoryKey)> {
        let who = self.0.invocation();
        let history = &mut self.0.world.lock().history;
        let tenant = mail.tenant.clone();
        let own = format!("@{tenant}.example");
        if !(mail.from.ends_with(&own) && mail.to.ends_with(&own) && mail.subject == format!("for {tenant}")) {
            history.report(who, format_args!("a mail of {tenant} has another tenant's words in it"));
        }
        let Ok(event) = mail.text.parse::<usize>() else {
            history.report(who, format_args!("a mail of {tenant} is of no event"));
            return None;
        };
        let body = history.event(event).map(|event| event.body.clone()).unwrap_or_default();
        history.event_of(who, &tenant, &body)?;
        let key = history.delivery(who, &mail.delivery, event)?;
        Some((event, key))
    }

    async fn post(&self, event: usize, key: StoryKey) -> Result<String, MailError> {
        let Some(call) = self.0.call("mailer.send").await else {
            return Err(MailError::Throttled("TooManyRequestsException".to_owned()));
        };
        {
            let state = &mut *self.0.world.lock();
            if state.is_out(key) {
                return Err(MailError::NoConnection);
            }
            state.history.effect(self.0.invocation(), key, event);
        }
        if self.0.end(&call).await { Ok(format!("mail-{event}")) } else { Err(MailError::NoAnswer) }
    }
}
