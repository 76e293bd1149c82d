//! SES, with perils, and people behind it who get the mails.

use acequia_core::port::{MAIL_TIMEOUT, Mail, MailError, Mailer};
use acequia_lambda::within;

use super::Port;
use crate::consent::people;
use crate::consent::rows::Parcel;

impl Mailer for Port {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let Some(parcel) = self.scene.seen().parcel(mail.delivery.as_str()) else {
            self.hold(Err("a mail leaves that nobody sent".to_owned()));
            return Err(MailError::Refused("nobody's mail".to_owned()));
        };
        let answer = within(&self.scene.world.clock, MAIL_TIMEOUT, self.post(mail, &parcel)).await;
        answer.unwrap_or(Err(MailError::NoAnswer))
    }
}

impl Port {
    async fn post(&self, mail: &Mail, parcel: &Parcel) -> Result<String, MailError> {
        let Some(call) = self.instance.call("mailer.send").await else {
            return Err(MailError::Throttled("TooManyRequestsException".to_owned()));
        };
        self.see_mail(mail, parcel);
        if self.instance.end(&call).await { Ok(mail.delivery.to_string()) } else { Err(MailError::NoAnswer) }
    }

    fn see_mail(&self, mail: &Mail, parcel: &Parcel) {
        let who = self.who();
        self.scene.note(who, &format!("MAIL {} of {} to {}", parcel.sink, parcel.event, mail.to));
        let running = self.scene.world.lock().history.running.clone();
        let Some(event) = self.scene.seen().event(&parcel.tenant, &parcel.event).cloned() else {
            return self.hold(Err(format!("{parcel:?} is a mail about no event")));
        };
        let own =
            mail.tenant == parcel.tenant && mail.to == event.address && mail.subject.ends_with(event.tenant.as_str());
        let about = mail.about == Some((event.key, event.action));
        if !(own && about) {
            self.hold(Err(format!("{parcel:?} goes to another person, or with another's words or links")));
        }
        let held = {
            let mut seen = self.scene.seen();
            let held = seen.mail(parcel, event.key, &people::address_of(&event));
            held.and(seen.arrive(who, parcel, &running))
        };
        self.hold(held);
        let links: Vec<String> = mail.text.split_whitespace().map(str::to_owned).collect();
        people::get_mail(&self.scene, parcel, &event, &links);
    }
}
