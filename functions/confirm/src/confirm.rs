//! One request, from the link to the page.

use std::sync::Arc;

use acequia_core::consent::link::PATH;
use acequia_core::consent::token::{self, Link, LinkError, Purpose};
use acequia_core::consent::{Answer, Origin, SubjectAction, Suppression, SuppressionReason};
use acequia_core::flow::consent::{ConsentCommands, ConsentError};
use acequia_core::flow::link_key;
use acequia_core::id::{Stage, TenantId};
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Clock, Consents, Secrets, SuppressionList, TenantStore};
use acequia_core::tenant::{ConsentSettings, Tenant};
use acequia_lambda::{CachedTenants, CurrentTenant, Telemetry};
use url::Url;

use crate::http::{Method, Request};
use crate::page::{Action, Page};
use crate::path;
use crate::words::{Say, language};
use acequia_lambda::http::HttpResponse as Response;

/// The confirm function, wired to its ports.
pub struct Confirm<T, C, B, S> {
    /// The tenants' configurations.
    pub tenants: CachedTenants<T>,
    /// The memory of consents.
    pub consents: C,
    /// What is known of addresses.
    pub mail_store: B,
    /// The tenants' secrets: the keys of links.
    pub secrets: S,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The stage it belongs to.
    pub stage: Stage,
    /// Where it tells what of ours holds it up.
    pub telemetry: Telemetry,
}

/// A link that was read, or why it was not.
struct Opened {
    current: Arc<CurrentTenant>,
    link: Result<Link, LinkError>,
    key: Option<String>,
}

impl<T: TenantStore, C: Consents, B: SuppressionList, S: Secrets> Confirm<T, C, B, S> {
    /// Answers one request.
    pub async fn answer(&self, request: &Request) -> Response {
        let [root, tenant, token @ ..] = request.path.as_slice() else { return not_found(request, None) };
        let Ok(tenant) = tenant.parse::<TenantId>() else { return not_found(request, None) };
        if root != PATH || token.is_empty() {
            return not_found(request, None);
        }
        let opened = match self.open(&tenant, &path::token(token)).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return not_found(request, None),
            Err(cause) => {
                tracing::error!(tenant.id = %tenant, error = %cause, "a link could not be looked at");
                self.stalled(&tenant, cause.stalled_by(None));
                return trouble(request);
            }
        };
        let page = |status, say| Self::page(request, &opened.current.tenant, status, say, None);
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
            (Method::Get | Method::Head, _) if link.purpose == Purpose::Unsubscribe => page(200, Say::Unsubscribe),
            (Method::Get | Method::Head, _) => self.look(request, &tenant, &opened.current, link, expired).await,
            (Method::Post, _) => {
                let Some(settings) = &opened.current.tenant.consent else { return not_found(request, None) };
                let commands = self.commands(&tenant, settings, opened.current.version);
                // RFC 8058: mail programs post this field; a link in an old mail must end the mails all the same.
                let one_click = request.form.iter().any(|(name, value)| {
                    name.eq_ignore_ascii_case("List-Unsubscribe") && value.trim().eq_ignore_ascii_case("One-Click")
                });
                let renews = request.form.get("do").is_some_and(|value| value == Action::Renew.as_str());
                let acts = request.form.get("do").is_some_and(|value| value == Action::Act.as_str());
                let done = match (expired, link.purpose) {
                    (_, Purpose::Unsubscribe) if one_click || acts || renews => {
                        self.act(&commands, &opened, link, if one_click { "mail-program" } else { "link" }).await
                    }
                    (true, Purpose::Accept | Purpose::AcceptOptIn | Purpose::Reject) if renews => {
                        Self::renew(&commands, link).await
                    }
                    (false, _) if acts => self.act(&commands, &opened, link, "link").await,
                    // A POST without the button's field is no press of the button.
                    (true, _) => Ok(Some((410, expired_words(link)))),
                    (false, _) => Ok(Some((400, question(link.purpose)))),
                };
                match done {
                    Ok(Some((status, say))) => led_on(page(status, say), &opened.current.tenant, say),
                    Ok(None) => not_found(request, Some(&opened.current.tenant)),
                    Err(error) => {
                        tracing::error!(tenant.id = %tenant, error = ?error, "an answer could not be taken");
                        self.stalled(&tenant, error.stalled_by());
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
        let keys = link_key::keys_for(&self.secrets, tenant, settings, text).await?;
        let link = token::read(tenant, &keys, text, &Purpose::ALL, self.clock.now());
        let key = token::key_name(text).map(|name| name.to_string());
        Ok(Some(Opened { current, link, key }))
    }

    /// Tells what of ours held a request up.
    fn stalled(&self, tenant: &TenantId, store: Option<Store>) {
        self.telemetry.write_stall(&self.stage, ("confirm", Some(tenant)), &*self.clock, store);
    }

    fn commands<'a>(
        &'a self,
        tenant: &'a TenantId,
        settings: &'a ConsentSettings,
        config_version: u64,
    ) -> ConsentCommands<'a, C> {
        ConsentCommands { consents: &self.consents, tenant, settings, config_version, now: self.clock.now() }
    }

    /// Answers the page of a link that a reader only looks at: the question, or what was answered before. Writes
    /// nothing.
    async fn look(
        &self,
        request: &Request,
        id: &TenantId,
        current: &CurrentTenant,
        link: Link,
        expired: bool,
    ) -> Response {
        let tenant = &current.tenant;
        let Some(settings) = &tenant.consent else { return not_found(request, None) };
        let commands = self.commands(id, settings, current.version);
        let (status, asked) = if expired { (410, expired_words(link)) } else { (200, question(link.purpose)) };
        match commands.foresee(link.key, link.action, &subject_action(link.purpose)).await {
            Ok(Some((answer, list))) => {
                let list = settings.names_lists().then_some(list.as_str());
                match answer {
                    Answer::Done | Answer::Waits => Self::page(request, tenant, status, asked, list),
                    before => Self::page(request, tenant, 200, said(link.purpose, before), list),
                }
            }
            // It was erased since.
            Ok(None) => not_found(request, Some(tenant)),
            Err(error) => {
                // The question is right without it: its button finds out what is known.
                tracing::warn!(tenant.id = %id, error = ?error, "what a link would do could not be foreseen");
                self.stalled(id, error.stalled_by());
                Self::page(request, tenant, status, asked, None)
            }
        }
    }

    async fn act(
        &self,
        commands: &ConsentCommands<'_, C>,
        opened: &Opened,
        link: Link,
        by: &'static str,
    ) -> Result<Option<(u16, Say)>, ConsentError> {
        if link.purpose == Purpose::Unsubscribe {
            // First, so that it is not forgotten if what follows fails: the button is pressed again then.
            let since = self.clock.now();
            let suppression = Suppression { reason: SuppressionReason::Unsubscribed, since };
            self.mail_store.suppress(commands.tenant, &link.key.subject, &suppression).await?;
        }
        let origin = Origin { by, key: opened.key.clone() };
        let answer = commands.act(link.key, link.action, &subject_action(link.purpose), &origin).await?;
        Ok(answer.map(|answer| (200, said(link.purpose, answer))))
    }

    async fn renew(commands: &ConsentCommands<'_, C>, link: Link) -> Result<Option<(u16, Say)>, ConsentError> {
        let answer = commands.ask_again(link.key, link.action).await?;
        Ok(answer.map(|answer| if answer == Answer::Done { (200, Say::Renewed) } else { (200, Say::RenewedBefore) }))
    }

    fn page(request: &Request, tenant: &Tenant, status: u16, say: Say, list: Option<&str>) -> Response {
        let own = tenant.mail.as_ref().map(|mail| &mail.default_locale);
        let language = language(&request.languages, own);
        let page = Page { status, say, language, tenant: Some(tenant), list, onward: onward(tenant, say) };
        without_body(request, page.response())
    }
}

/// Where a page leads, or where its button will; the hosts were checked when the file was applied.
fn onward(tenant: &Tenant, say: Say) -> Option<&Url> {
    let settings = tenant.consent.as_ref()?;
    match say {
        Say::Accept | Say::AcceptOptIn | Say::Accepted | Say::AlreadyAccepted => settings.accepted_url.as_ref(),
        Say::Reject | Say::Rejected | Say::AlreadyRejected => settings.rejected_url.as_ref(),
        _ => None,
    }
}

/// Leads a reader who has just answered on to the tenant's own page, if it has one; the words are for readers who are
/// not led on.
fn led_on(response: Response, tenant: &Tenant, say: Say) -> Response {
    let leads = matches!(say, Say::Accepted | Say::Rejected);
    let Some(url) = onward(tenant, say).filter(|_| leads) else { return response };
    let mut headers = response.headers;
    headers.insert("location", url.to_string());
    Response { status_code: 303, headers, ..response }
}

fn subject_action(purpose: Purpose) -> SubjectAction {
    match purpose {
        Purpose::Accept => SubjectAction::Accept { opt_in: false },
        Purpose::AcceptOptIn => SubjectAction::Accept { opt_in: true },
        Purpose::Reject => SubjectAction::Reject,
        Purpose::Unsubscribe => SubjectAction::Unsubscribe,
        Purpose::Approve => SubjectAction::Approve,
        Purpose::Decline => SubjectAction::Decline,
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

/// Returns the words for an expired link. A subject can have a new mail; ending mails works for ever; a moderator's
/// link cannot be made anew.
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
    let language = language(&request.languages, None);
    let page = Page { status: 404, say: Say::NotFound, language, tenant, list: None, onward: None };
    without_body(request, page.response())
}

fn trouble(request: &Request) -> Response {
    let language = language(&request.languages, None);
    let page = Page { status: 503, say: Say::Trouble, language, tenant: None, list: None, onward: None };
    without_body(request, page.response())
}

fn without_body(request: &Request, response: Response) -> Response {
    if request.method == Method::Head { Response { body: String::new(), ..response } } else { response }
}
