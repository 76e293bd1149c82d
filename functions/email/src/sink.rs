//! Attempts e-mail deliveries, each on its own.
//!
//! For tenants with a section `[mail]` a mail is sent only if neither its address nor its subject is suppressed and the
//! day's cap is not reached; a mail about consent that asks, only while there is something to answer, and so often a
//! day to one address. What cannot be looked up delays the mail, and loses none.
//!
//! Every mail is sent only from a sender that the tenant's stack allows: this is looked up once for a batch, before any
//! attempt.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::consent::address::counted;
use acequia_core::consent::link::Links;
use acequia_core::consent::{ActionId, AddressId, ConsentKey, ListId, SubjectId, SubjectState};
use acequia_core::delivery::Delivery;
use acequia_core::delivery::ledger::Receipt;
use acequia_core::event::envelope::Format;
use acequia_core::event::proca::{self, Personal};
use acequia_core::flow::link_key;
use acequia_core::id::TenantId;
use acequia_core::kind::SinkKind;
use acequia_core::mail::MailRef;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{
    Clock, Consents, GrantStore, MAIL_TIMEOUT, Mail, MailError, Mailer, SecretError, Secrets, SendQuota,
    SuppressionList, Unavailable,
};
use acequia_core::secret::SecretPurpose;
use acequia_core::template::Context;
use acequia_core::tenant::grant::Grants;
use acequia_core::tenant::{self, EmailSink as Settings, Target, Tenant};
use acequia_core::time::after;
use acequia_lambda::{Batch, Course, Job, Sink, Work, each, within};
use futures::FutureExt as _;

use crate::{classify, personal, request};

/// What the look-ups before a call may take, and the note after it, each. Nothing else may cut an attempt off: once the
/// call has begun, it ends by its own time-out, so that what is known of it is known.
const LOOK_UPS: Duration = Duration::from_secs(2);
/// What an attempt may take in all. The second is for rendering, and for a processor that is busy.
const ATTEMPT: Duration =
    MAIL_TIMEOUT.saturating_add(LOOK_UPS).saturating_add(LOOK_UPS).saturating_add(Duration::from_secs(1));

/// Why a mail is not sent whose address was asked too often.
const ASKED_ENOUGH: &str = "its address was asked as often today as consent.asks_per_day says";

/// What counts a mail.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    /// The tenant's day.
    day: bool,
    /// The day of the address.
    ask: Option<AddressId>,
}

impl Taken {
    fn is_something(self) -> bool {
        self.day || self.ask.is_some()
    }
}

/// The e-mail sink, wired to its ports.
pub struct EmailSink<M, S, G, B, C> {
    /// SES.
    pub mailer: M,
    /// The tenants' secrets: keys of links, and of sealed addresses.
    pub secrets: S,
    /// What tenants' stacks allow: which senders each tenant may use.
    pub grants: G,
    /// What is known of addresses.
    pub mail_store: B,
    /// The memory of consents.
    pub consents: C,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the confirm function answers.
    pub link_base: String,
}

impl<M: Mailer, S: Secrets, G: GrantStore, B: SuppressionList + SendQuota, C: Consents> Sink
    for EmailSink<M, S, G, B, C>
{
    const KIND: SinkKind = SinkKind::Email;
    /// What the tenant's stack allows; nothing where it cannot be read.
    type Ready = Option<Grants>;

    async fn prepare(&self, batch: Batch<'_>, _: &[Arc<tenant::Sink>]) -> Option<Grants> {
        self.grants_of(&batch.current.tenant.summary.id).await
    }

    /// Renders the mail, and asks neither the suppression list nor the send quota: the one would say what is known of a
    /// person, and the other would count it. Mails about consent are not among those that a tenant's file makes sinks of.
    async fn shadow(&self, batch: Batch<'_>, grants: &Option<Grants>, job: &Job) -> Result<String, Cause> {
        let Target::Email(sink) = &job.sink.target else { return Err(Cause::SinkUnknown) };
        grants.as_ref().ok_or(Cause::StoreDown(Store::Secrets))?.check_sender(&sink.from)?;
        let tenant = &batch.current.tenant;
        let personal = self.open(tenant, &job.delivery).await?;
        let sealed = personal.is_none() && is_sealed(&job.delivery);
        let context = Context::with_personal(&tenant.summary, &job.delivery.envelope, personal);
        let mail =
            request::mail(tenant, sink, &job.delivery, &context, None).map_err(|cause| name_the_seal(cause, sealed))?;
        let html = mail.html.as_ref().map_or(0, String::len);
        Ok(format!("a mail of {} bytes of text and {html} of HTML", mail.text.len()))
    }

    async fn deliver(&self, batch: Batch<'_>, grants: &Option<Grants>, course: &Course<'_>) {
        let attempt = |job| -> Work<'_> { (ATTEMPT, self.attempt(batch, job, grants.as_ref()).boxed()) };
        each(course, course.jobs().iter().map(attempt).collect()).await;
    }
}

impl<M: Mailer, S: Secrets, G: GrantStore, B: SuppressionList + SendQuota, C: Consents> EmailSink<M, S, G, B, C> {
    /// What the tenant's stack allows; `None` where it cannot be read in time.
    async fn grants_of(&self, tenant: &TenantId) -> Option<Grants> {
        let error = match self.in_time(Box::pin(self.grants.grants(tenant))).await {
            Some(Ok(grants)) => return Some(grants),
            Some(Err(error)) => Some(error),
            None => None,
        };
        tracing::warn!(tenant.id = %tenant, error = ?error, "what the tenant's stack allows cannot be read: mails wait");
        None
    }

    async fn attempt(&self, batch: Batch<'_>, job: &Job, grants: Option<&Grants>) -> Result<Receipt, Cause> {
        let Target::Email(sink) = &job.sink.target else { return Err(Cause::SinkUnknown) };
        grants.ok_or(Cause::StoreDown(Store::Secrets))?.check_sender(&sink.from)?;
        // Futures of AWS's calls are large. On the heap they are not copied each time that this one moves.
        let prepared = self.in_time(Box::pin(self.prepare(batch, job, sink))).await.unwrap_or_else(|| {
            tracing::warn!(tenant.id = %batch.queue.name.tenant, sink.id = %job.sink.id, "what a mail needs could not be looked up in time");
            Err(Cause::StoreDown(Store::Consents))
        });
        let (mail, taken) = prepared?;
        let answer = Box::pin(self.mailer.send(&mail)).await;
        let unsent = matches!(answer, Err(MailError::Throttled(_) | MailError::Held(_) | MailError::NoConnection));
        if taken.is_something() && unsent && self.in_time(Box::pin(self.give_back(&mail, taken))).await.is_none() {
            tracing::warn!(tenant.id = %mail.tenant, "a mail that was not sent counts for its day all the same: the store does not answer");
        }
        classify::answer(answer, sink.ambiguous)
    }

    async fn in_time<T>(&self, look_ups: impl Future<Output = T>) -> Option<T> {
        within(&*self.clock, LOOK_UPS, look_ups).await
    }

    /// The mail, and what counts it; or why it is not to be sent now.
    async fn prepare(&self, batch: Batch<'_>, job: &Job, sink: &Settings) -> Result<(Mail, Taken), Cause> {
        let tenant = &batch.current.tenant;
        let personal = self.open(tenant, &job.delivery).await?;
        let (sealed, opened) = (personal.is_none() && is_sealed(&job.delivery), personal.is_some());
        let context = Context::with_personal(&tenant.summary, &job.delivery.envelope, personal);
        // The event's subject was determined before anything was opened, so it is determined by the same data here.
        let as_it_came = if opened { Context::new(&tenant.summary, &job.delivery.envelope) } else { context.clone() };
        let mut asks = false;
        let mut mail = match MailRef::of(&job.delivery.sink) {
            None => request::mail(tenant, sink, &job.delivery, &context, None),
            Some(about) => {
                let contexts = (&context, &as_it_came);
                self.about_consent(tenant, sink, &job.delivery, contexts, about).await.map(|(mail, unasked)| {
                    asks = unasked;
                    mail
                })
            }
        }
        .map_err(|cause| name_the_seal(cause, sealed))?;
        let Some(settings) = &tenant.mail else { return Ok((mail, Taken::default())) };
        if settings.ses_tenant {
            mail.ses_tenant = Some(format!("acequia-{}-{}", batch.queue.name.stage, tenant.summary.id));
        }
        // A subject who unsubscribed is known by what the tenant calls it, which need not be the address. An event that
        // names no subject has none.
        let subject = tenant.consent.as_ref().and_then(|consent| consent.subject(&as_it_came).ok());
        self.check_address(&mail, subject.as_deref()).await?;
        let mut taken = Taken::default();
        if let Some(cap) = settings.daily_cap {
            self.take(&mail, cap).await?;
            taken.day = true;
        }
        if let Some(consent) = tenant.consent.as_ref().filter(|_| asks) {
            let address = counted(&mail.tenant, &mail.to);
            match self.mail_store.take_ask(&mail.tenant, &address, consent.asks_per_day, self.clock.now()).await {
                Ok(true) => taken.ask = Some(address),
                refused => {
                    self.give_back(&mail, taken).await;
                    return Err(refused.map_or_else(|error| consents_down(&error), |_| Cause::NotWanted(ASKED_ENOUGH)));
                }
            }
        }
        Ok((mail, taken))
    }

    /// The mail of a delivery that is about consent, with its links; and whether its address has agreed to nothing yet,
    /// as far as this shows.
    async fn about_consent(
        &self,
        tenant: &Tenant,
        sink: &Settings,
        delivery: &Delivery,
        (context, as_it_came): (&Context, &Context),
        about: MailRef,
    ) -> Result<(Mail, bool), Cause> {
        let settings = tenant.consent.as_ref().ok_or(Cause::SinkUnknown)?;
        let id = &tenant.summary.id;
        let need = settings.need(as_it_came)?;
        let key = ConsentKey { subject: SubjectId::derive(id, &need.subject), list: ListId::derive(id, &need.list) };
        let action = ActionId::derive(id, &delivery.envelope.event);
        if about.kind.asks() {
            let found = self.consents.load(id, &key, &[]).await.map_err(|error| consents_down(&error))?;
            match found.consent.map(|consent| consent.state) {
                Some(SubjectState::Confirming) => {}
                Some(_) => return Err(Cause::NotWanted("its subject has answered")),
                None => return Err(Cause::NotWanted("its subject was erased")),
            }
        }
        let signing = link_key::signing_key(&self.secrets, id, settings).await?;
        let links = Links {
            base: &self.link_base,
            tenant: id,
            key: &signing,
            consent: key,
            action,
            expires_at: after(self.clock.now(), settings.valid_for),
        };
        let mail = request::mail(tenant, sink, delivery, context, Some(&links))?;
        // A mail of thanks follows the subject's own answer, unless the list asks no question.
        Ok((mail, about.kind.asks() || about.answers_a_repeat() || !need.asks.subject))
    }

    /// Opens the personal data of one of Proca's messages, where the tenant lent us the key.
    async fn open(&self, tenant: &Tenant, delivery: &Delivery) -> Result<Option<Personal>, Cause> {
        let Some(name) = tenant.mail.as_ref().and_then(|mail| mail.personal_key.as_ref()) else { return Ok(None) };
        if delivery.envelope.format != Format::Proca {
            return Ok(None);
        }
        let Some(sealed) = proca::sealed(&delivery.envelope.body) else { return Ok(None) };
        let key = self.secrets.secret(&tenant.summary.id, SecretPurpose::Personal, name).await;
        let key = key.map_err(|error| match error {
            SecretError::Missing(name) => Cause::SecretMissing(name),
            SecretError::Unavailable(_) => Cause::StoreDown(Store::Secrets),
        })?;
        personal::open(&sealed, &key).map(Some)
    }

    async fn check_address(&self, mail: &Mail, subject: Option<&str>) -> Result<(), Cause> {
        // SES reports bounces by the address that it was given; a subject who unsubscribed is known by what the tenant
        // calls it.
        let mut names = Vec::with_capacity(3);
        for text in [Some(mail.to.as_str()), Some(&mail.written), subject].into_iter().flatten() {
            let name = SubjectId::derive(&mail.tenant, text);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let known = self.mail_store.suppressed(&mail.tenant, &names).await.map_err(|error| consents_down(&error))?;
        match known.into_iter().flatten().next() {
            Some(suppression) => Err(Cause::NotWanted(suppression.reason.as_str())),
            None => Ok(()),
        }
    }

    async fn take(&self, mail: &Mail, cap: u64) -> Result<(), Cause> {
        let now = self.clock.now();
        match self.mail_store.take(&mail.tenant, cap, now).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Cause::NotDue { remaining: until_tomorrow(now) }),
            Err(error) => Err(consents_down(&error)),
        }
    }

    async fn give_back(&self, mail: &Mail, taken: Taken) {
        let now = self.clock.now();
        let day = async { if taken.day { self.mail_store.give_back(&mail.tenant, now).await } else { Ok(()) } };
        let ask = async {
            match &taken.ask {
                Some(address) => self.mail_store.give_back_ask(&mail.tenant, address, now).await,
                None => Ok(()),
            }
        };
        let (day, ask) = futures::join!(day, ask);
        for error in day.err().into_iter().chain(ask.err()) {
            tracing::warn!(tenant.id = %mail.tenant, error = ?error, "a mail that was not sent counts for its day all the same");
        }
    }
}

fn consents_down(error: &Unavailable) -> Cause {
    tracing::warn!(error = ?error, "the store of consents does not answer");
    Cause::StoreDown(Store::Consents)
}

fn is_sealed(delivery: &Delivery) -> bool {
    delivery.envelope.format == Format::Proca && proca::sealed(&delivery.envelope.body).is_some()
}

/// Where the address is missing because it is sealed, that is what is wrong.
fn name_the_seal(cause: Cause, sealed: bool) -> Cause {
    match cause {
        Cause::TemplateVariable { .. } if sealed => Cause::AddressEncrypted("the tenant has no mail.personal_key"),
        other => other,
    }
}

/// How long the day of `now` (UTC) still lasts.
fn until_tomorrow(now: jiff::Timestamp) -> Duration {
    let day = 24 * 60 * 60;
    Duration::from_secs(u64::try_from(day - now.as_second().rem_euclid(day)).unwrap_or(1))
}
