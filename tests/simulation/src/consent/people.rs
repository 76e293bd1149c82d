//! The people: producers that send, readers of mails with their scanners, moderators, and SES with its notices.

use std::time::Duration;

use acequia_core::consent::token::{self, Link, LinkError, LinkKey, Purpose};
use acequia_core::consent::{ConsentKey, SubjectId, SubjectState};
use acequia_core::id::TenantId;
use acequia_core::message::Outgoing;
use acequia_core::port::{Clock as _, Queues as _};
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::secret::Secret;
use acequia_testkit::build;
use futures::FutureExt as _;
use jiff::Timestamp;

use super::rows::Parcel;
use super::scenario::{BASE, EventPlan, KEY, KEY_NAME, Temper};
use super::scene::Scene;
use crate::history::SKEW;

/// What a person does with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Looks, as scanners of mail do.
    Look,
    /// Looks without seeing.
    Head,
    /// Presses the button.
    Press,
    /// The mail program ends the mails by itself.
    OneClick,
    /// Asks for a new mail.
    Renew,
}

/// One request to come.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Whose link.
    pub tenant: TenantId,
    /// The link.
    pub url: String,
    /// What is done with it.
    pub way: Way,
}

/// Something that happens at its time.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A producer sends an event.
    Send(usize),
    /// A person follows a link.
    Visit(Visit),
    /// SES tells of a mail.
    Notice(ConsentKey, TenantId, String),
}

impl Visit {
    /// The link, read, and whether it has expired.
    pub fn link(&self, scene: &Scene) -> Option<(Link, bool)> {
        self.link_at(scene.world.clock.now())
    }

    fn link_at(&self, now: Timestamp) -> Option<(Link, bool)> {
        let token = self.url.rsplit('/').next()?;
        let key = LinkKey::new(build::secret_name(KEY_NAME), &Secret::new(KEY)).ok()?;
        match token::read(&self.tenant, &[key], token, &Purpose::ALL, now) {
            Ok(link) => Some((link, false)),
            Err(LinkError::Expired(link)) => Some((link, true)),
            Err(_) => None,
        }
    }

    /// The request, as an HTTP API hands it over. `acts` makes of a look what it must not be.
    pub fn request(&self, acts: bool) -> serde_json::Value {
        let (method, body) = match self.way {
            Way::Look | Way::Head if acts => ("POST", "do=act"),
            Way::Look => ("GET", ""),
            Way::Head => ("HEAD", ""),
            Way::Press => ("POST", "do=act"),
            Way::OneClick => ("POST", "List-Unsubscribe=One-Click"),
            Way::Renew => ("POST", "do=renew"),
        };
        let path = self.url.strip_prefix(BASE).unwrap_or_default();
        serde_json::json!({ "rawPath": path, "requestContext": { "stage": "$default", "http": { "method": method } },
            "headers": {}, "body": body })
    }

    /// Notes that a person does this now: from here on it may have its effect.
    pub fn begin(&self, scene: &Scene, who: u64) {
        // An instance whose clock is slow takes it a moment longer.
        let slowest = scene.world.clock.now() - SKEW;
        let Some((link, expired)) = self.link_at(slowest) else { return };
        let mut seen = scene.seen();
        if matches!(self.way, Way::Look | Way::Head) {
            seen.looks.insert(who);
            return;
        }
        let (subject, action) = ((self.tenant.clone(), link.key), (self.tenant.clone(), link.action));
        match link.purpose {
            Purpose::Unsubscribe => drop(seen.declined.insert(subject)),
            _ if expired || self.way != Way::Press => {}
            Purpose::Accept | Purpose::AcceptOptIn => drop(seen.agreed.insert(subject)),
            Purpose::Reject => drop(seen.declined.insert(subject)),
            Purpose::Approve => drop(seen.approved.insert(action)),
            Purpose::Decline => drop(seen.turned_down.insert(action)),
        }
    }

    /// Has a person read the answer. What the page says must be so.
    ///
    /// # Errors
    /// Where it is not.
    pub fn read(&self, scene: &Scene, status: u16) -> Result<(), String> {
        let Some((link, expired)) = self.link(scene) else { return Ok(()) };
        if status == 503 {
            self.again(scene);
        }
        if self.way == Way::Press && expired && status == 410 {
            let renew = Self { way: Way::Renew, ..self.clone() };
            scene.seen().plan(Duration::from_secs(30), Happening::Visit(renew));
        }
        if status != 200 || self.way != Way::Press || expired {
            return Ok(());
        }
        let state = scene.consents.consent(&self.tenant, &link.key).map(|consent| consent.state);
        let action = scene.consents.action(&self.tenant, &link.key, &link.action).map(|action| action.state);
        let holds = match link.purpose {
            Purpose::Accept | Purpose::AcceptOptIn => {
                matches!(state, Some(SubjectState::Accepted | SubjectState::Rejected))
            }
            Purpose::Reject => state == Some(SubjectState::Rejected),
            Purpose::Unsubscribe => scene.seen().suppressed.contains_key(&(self.tenant.clone(), link.key.subject)),
            Purpose::Approve | Purpose::Decline => action.is_some_and(|action| {
                !matches!(
                    action,
                    acequia_core::consent::ActionState::New | acequia_core::consent::ActionState::Confirming
                )
            }),
        };
        if holds { Ok(()) } else { Err(format!("the page says that {:?} is done, and it is {state:?}", link.purpose)) }
    }

    /// Has a person who got no answer, or was asked to, try again.
    pub fn again(&self, scene: &Scene) {
        if matches!(self.way, Way::Look | Way::Head) {
            return;
        }
        let wait = scene.world.lock().dice.between(Duration::from_secs(2), Duration::from_secs(90));
        scene.seen().plan(wait, Happening::Visit(self.clone()));
    }
}

fn deliver(scene: &Scene, queue: &QueueArn, body: String) {
    let _ = scene.world.queues.send(queue, &[Outgoing { body, ..Outgoing::default() }]).now_or_never();
}

/// The queue of SES's notices.
pub fn feedback_queue() -> QueueArn {
    build::queue("feedback", QueueRole::Intake)
}

/// Lets it happen; answers a visit, which an instance must serve.
pub fn happen(scene: &Scene, what: Happening) -> Option<Visit> {
    match what {
        Happening::Send(index) => {
            let event = scene.seen().scenario.events.get(index).cloned()?;
            scene.note(0, &format!("{} sends {} of {} for {}", event.tenant, event.event, event.address, event.list));
            deliver(scene, &build::queue(event.tenant.as_str(), QueueRole::Intake), event.body);
            None
        }
        Happening::Notice(key, tenant, body) => {
            scene.note(0, "SES tells of a mail");
            scene.seen().told.insert((tenant.clone(), key));
            scene.seen().declined.insert((tenant, key));
            deliver(scene, &feedback_queue(), body);
            None
        }
        Happening::Visit(visit) => Some(visit),
    }
}

/// What people do about a mail that arrived; `links` are those of its text.
pub fn get_mail(scene: &Scene, parcel: &Parcel, event: &EventPlan, links: &[String]) {
    let [accept, opt_in, reject, unsubscribe] = links else { return };
    let visit = |url: &String, way| Happening::Visit(Visit { tenant: event.tenant.clone(), url: url.clone(), way });
    let mut plans: Vec<(Duration, Happening)> = Vec::new();
    {
        let dice = &mut scene.world.lock().dice;
        if dice.happens(0.25) {
            for url in links {
                let wait = dice.between(Duration::ZERO, Duration::from_secs(5));
                plans.push((wait, visit(url, if dice.happens(0.3) { Way::Head } else { Way::Look })));
            }
        }
        // Some come when the link has expired.
        let late = dice.happens(0.08);
        let most = if late { Duration::from_mins(75) } else { Duration::from_mins(8) };
        let wait = dice.between(if late { Duration::from_mins(58) } else { Duration::from_secs(1) }, most);
        let soon = wait.saturating_add(dice.between(Duration::ZERO, Duration::from_millis(300)));
        let later = wait.saturating_add(dice.between(Duration::from_secs(5), Duration::from_mins(12)));
        let notice = |kind: &str| Happening::Notice(event.key, event.tenant.clone(), notice(parcel, event, kind));
        let reacts = dice.happens(0.75);
        match event.temper {
            Temper::Bounces => plans.push((wait.min(Duration::from_secs(40)), notice("Bounce"))),
            _ if !reacts => {}
            Temper::Accepts => plans.push((wait, visit(accept, Way::Press))),
            Temper::OptsIn => plans.push((wait, visit(opt_in, Way::Press))),
            Temper::DoubleClicks => {
                plans.extend([(wait, visit(accept, Way::Press)), (soon, visit(accept, Way::Press))]);
            }
            Temper::Rejects => plans.push((wait, visit(reject, Way::Press))),
            Temper::Races => plans.extend([(wait, visit(accept, Way::Press)), (soon, visit(reject, Way::Press))]),
            Temper::Regrets => plans.extend([(wait, visit(accept, Way::Press)), (later, visit(reject, Way::Press))]),
            Temper::Unsubscribes => {
                let way = if dice.happens(0.5) { Way::OneClick } else { Way::Press };
                plans.push((wait, visit(unsubscribe, way)));
            }
            Temper::Complains => {
                if dice.happens(0.5) {
                    plans.push((wait, visit(accept, Way::Press)));
                }
                plans.push((later, notice("Complaint")));
            }
            Temper::Ignores => {}
        }
    }
    let mut seen = scene.seen();
    for (wait, what) in plans {
        seen.plan(wait, what);
    }
}

/// What a moderator does who gets the event that asks, with these links.
pub fn moderate(scene: &Scene, tenant: &TenantId, approve: &str, decline: &str) {
    let visit = |url: &str| Happening::Visit(Visit { tenant: tenant.clone(), url: url.to_owned(), way: Way::Press });
    let (wait, soon, choice) = {
        let dice = &mut scene.world.lock().dice;
        let wait = dice.between(Duration::from_secs(1), Duration::from_mins(15));
        let soon = wait.saturating_add(dice.between(Duration::ZERO, Duration::from_millis(300)));
        (wait, soon, dice.below(6))
    };
    let mut seen = scene.seen();
    match choice {
        0 => {}
        1 => seen.plan(wait, visit(decline)),
        2 => {
            seen.plan(wait, visit(approve));
            seen.plan(soon, visit(decline));
        }
        3 => {
            seen.plan(wait, visit(approve));
            seen.plan(soon, visit(approve));
        }
        _ => seen.plan(wait, visit(approve)),
    }
}

fn notice(parcel: &Parcel, event: &EventPlan, kind: &str) -> String {
    let tags = serde_json::json!({ "ses:configuration-set": ["acequia-test"], "acequia-tenant": [parcel.tenant.as_str()],
        "acequia-subject": [event.key.subject.to_string()], "acequia-list": [event.key.list.to_string()],
        "acequia-action": [event.action.to_string()] });
    let recipients = serde_json::json!([{ "emailAddress": event.address }]);
    serde_json::json!({ "eventType": kind, "mail": { "tags": tags },
        "bounce": { "bounceType": "Permanent", "bouncedRecipients": recipients },
        "complaint": { "complainedRecipients": recipients } })
    .to_string()
}

/// The name under which an event's address is suppressed.
pub fn address_of(event: &EventPlan) -> SubjectId {
    SubjectId::derive(&event.tenant, &event.address)
}
