//! One request, from the link to the page.

use std::sync::Arc;

use acequia_core::config::{ConsentSettings, Tenant};
use acequia_core::consent::link::{self, PATH};
use acequia_core::consent::token::{self, Link, LinkError, Purpose};
use acequia_core::consent::{Answer, Consents, Deed, Desk, DeskError, MailBook, Means, Suppression, SuppressionReason};
use acequia_core::id::TenantId;
use acequia_core::outcome::Cause;
use acequia_core::port::{Clock, Secrets, TenantStore};
use acequia_lambda::{CachedTenants, CurrentTenant};

use crate::http::{Method, Request, Response};
use crate::page::{Action, Page};
use crate::words::{Say, language};

/// The confirm function, wired to its ports.
pub struct Confirm<T, C, B, S> {
    /// The tenants' configurations.
    pub tenants: CachedTenants<T>,
    /// The memory of consents.
    pub consents: C,
    /// What is known of addresses.
    pub book: B,
    /// The tenants' secrets: the keys of links.
    pub secrets: S,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A link that was read, or why it was not.
struct Opened {
    current: Arc<CurrentTenant>,
    link: Result<Link, LinkError>,
    key: Option<String>,
}

impl<T: TenantStore, C: Consents, B: MailBook, S: Secrets> Confirm<T, C, B, S> {
    /// Answers one request.
    pub async fn answer(&self, request: &Request) -> Response {
        let [root, tenant, token] = request.path.as_slice() else { return not_found(request, None) };
        let Ok(tenant) = tenant.parse::<TenantId>() else { return not_found(request, None) };
        if root != PATH {
            return not_found(request, None);
        }
        let opened = match self.open(&tenant, token).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return not_found(request, None),
            Err(cause) => {
                tracing::error!(tenant.id = %tenant, error = %cause, "a link could not be looked at");
                return trouble(request);
            }
        };
        let page = |status, say| Self::page(request, &opened.current.tenant, status, say);
        let (link, expired) = match &opened.link {
            Ok(link) => (*link, false),
            Err(LinkError::Expired(link)) => (*link, true),
            Err(error) => {
                // The audit line: a link that was changed, guessed, or carried to another tenant.
                tracing::warn!(tenant.id = %tenant, audit = "link-refused", error = %error, "a link was refused");
                return not_found(request, None);
            }
        };
        match (request.method, expired) {
            (Method::Other, _) => Response { status_code: 405, ..page(405, Say::NotFound) },
            // Ending the mails works for ever.
            (Method::Get | Method::Head, true) if link.purpose == Purpose::Unsubscribe => page(200, Say::Unsubscribe),
            (Method::Get | Method::Head, true) => page(410, expired_words(link)),
            (Method::Get | Method::Head, false) => page(200, question(link.purpose)),
            (Method::Post, _) => {
                let Some(settings) = &opened.current.tenant.consent else { return not_found(request, None) };
                let desk = self.desk(&tenant, settings, opened.current.version);
                // RFC 8058: mail programs post this field; a link in an old mail must end the mails all the same.
                let one_click = request.form.get("List-Unsubscribe").is_some_and(|value| value == "One-Click");
                let renews = request.form.get("do").is_some_and(|value| value == Action::Renew.as_str());
                let acts = request.form.get("do").is_some_and(|value| value == Action::Act.as_str());
                let done = match (expired, link.purpose) {
                    (_, Purpose::Unsubscribe) if one_click || acts || renews => {
                        self.act(&desk, &opened, link, if one_click { "mail-program" } else { "link" }).await
                    }
                    (true, Purpose::Accept | Purpose::AcceptOptIn | Purpose::Reject) if renews => {
                        Self::renew(&desk, link).await
                    }
                    (false, _) if acts => self.act(&desk, &opened, link, "link").await,
                    // A POST without the button's field is no press of the button.
                    (true, _) => Ok(Some((410, expired_words(link)))),
                    (false, _) => Ok(Some((400, question(link.purpose)))),
                };
                match done {
                    Ok(Some((status, say))) => page(status, say),
                    Ok(None) => not_found(request, Some(&opened.current.tenant)),
                    Err(error) => {
                        tracing::error!(tenant.id = %tenant, error = ?error, "an answer could not be taken");
                        page(503, Say::Trouble)
                    }
                }
            }
        }
    }

    async fn open(&self, tenant: &TenantId, text: &str) -> Result<Option<Opened>, Cause> {
        let current = match self.tenants.current(tenant).await {
            Ok(current) => current,
            Err(Cause::TenantUnknown) => return Ok(None),
            Err(cause) => return Err(cause),
        };
        let Some(settings) = &current.tenant.consent else { return Ok(None) };
        let keys = link::keys_for(&self.secrets, tenant, settings, text).await?;
        let link = token::read(tenant, &keys, text, &Purpose::ALL, self.clock.now());
        let key = token::key_name(text).map(|name| name.to_string());
        Ok(Some(Opened { current, link, key }))
    }

    fn desk<'a>(&'a self, tenant: &'a TenantId, settings: &'a ConsentSettings, config_version: u64) -> Desk<'a, C> {
        Desk { consents: &self.consents, tenant, settings, config_version, now: self.clock.now() }
    }

    async fn act(
        &self,
        desk: &Desk<'_, C>,
        opened: &Opened,
        link: Link,
        by: &'static str,
    ) -> Result<Option<(u16, Say)>, DeskError> {
        let deed = match link.purpose {
            Purpose::Accept => Deed::Accept { opt_in: false },
            Purpose::AcceptOptIn => Deed::Accept { opt_in: true },
            Purpose::Reject => Deed::Reject,
            Purpose::Unsubscribe => Deed::Unsubscribe,
            Purpose::Approve => Deed::Approve,
            Purpose::Decline => Deed::Decline,
        };
        if link.purpose == Purpose::Unsubscribe {
            // First, so that it is not forgotten if what follows fails: the button is pressed again then.
            let since = self.clock.now();
            let suppression = Suppression { reason: SuppressionReason::Unsubscribed, since };
            self.book.suppress(desk.tenant, &link.key.subject, &suppression).await?;
        }
        let means = Means { by, key: opened.key.clone() };
        let answer = desk.act(link.key, link.action, &deed, &means).await?;
        Ok(answer.map(|answer| (200, said(link.purpose, answer))))
    }

    async fn renew(desk: &Desk<'_, C>, link: Link) -> Result<Option<(u16, Say)>, DeskError> {
        let answer = desk.ask_again(link.key, link.action).await?;
        Ok(answer.map(|answer| if answer == Answer::Done { (200, Say::Renewed) } else { (200, Say::RenewedBefore) }))
    }

    fn page(request: &Request, tenant: &Tenant, status: u16, say: Say) -> Response {
        let settings = tenant.consent.as_ref();
        let onward = match say {
            Say::Accepted | Say::AlreadyAccepted => settings.and_then(|settings| settings.accepted_url.as_ref()),
            Say::Rejected | Say::AlreadyRejected => settings.and_then(|settings| settings.rejected_url.as_ref()),
            _ => None,
        };
        let own = tenant.mail.as_ref().map(|mail| &mail.default_locale);
        let page = Page { status, say, language: language(&request.languages, own), tenant: Some(tenant), onward };
        without_body(request, page.response())
    }
}

fn question(purpose: Purpose) -> Say {
    match purpose {
        Purpose::Accept => Say::Accept,
        Purpose::AcceptOptIn => Say::AcceptOptIn,
        Purpose::Reject => Say::Reject,
        Purpose::Unsubscribe => Say::Unsubscribe,
        Purpose::Approve => Say::Approve,
        Purpose::Decline => Say::Decline,
    }
}

/// A subject can have a new mail; ending mails works for ever; a moderator's link is made anew by nobody.
fn expired_words(link: Link) -> Say {
    match link.purpose {
        Purpose::Accept | Purpose::AcceptOptIn | Purpose::Reject => Say::Expired,
        Purpose::Unsubscribe => Say::Unsubscribe,
        Purpose::Approve | Purpose::Decline => Say::ExpiredForGood,
    }
}

fn said(purpose: Purpose, answer: Answer) -> Say {
    match (purpose, answer) {
        (Purpose::Accept | Purpose::AcceptOptIn, Answer::Done | Answer::Waits) => Say::Accepted,
        (Purpose::Accept | Purpose::AcceptOptIn, Answer::Already | Answer::TooLate) => Say::AlreadyAccepted,
        (Purpose::Accept | Purpose::AcceptOptIn, Answer::Declined) => Say::TooLate,
        (Purpose::Reject, Answer::Done) => Say::Rejected,
        (Purpose::Reject, _) => Say::AlreadyRejected,
        (Purpose::Unsubscribe, Answer::Done) => Say::Unsubscribed,
        (Purpose::Unsubscribe, _) => Say::AlreadyUnsubscribed,
        (Purpose::Approve, Answer::Done | Answer::Waits) => Say::Approved,
        (Purpose::Decline, Answer::Done) => Say::Declined,
        (Purpose::Approve | Purpose::Decline, _) => Say::AlreadyDecided,
    }
}

fn not_found(request: &Request, tenant: Option<&Tenant>) -> Response {
    let page =
        Page { status: 404, say: Say::NotFound, language: language(&request.languages, None), tenant, onward: None };
    without_body(request, page.response())
}

fn trouble(request: &Request) -> Response {
    let language = language(&request.languages, None);
    let page = Page { status: 503, say: Say::Trouble, language, tenant: None, onward: None };
    without_body(request, page.response())
}

fn without_body(request: &Request, response: Response) -> Response {
    if request.method == Method::Head { Response { body: String::new(), ..response } } else { response }
}
