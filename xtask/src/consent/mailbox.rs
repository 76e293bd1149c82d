//! The mails as the local SES took them, and the pages behind their links.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value as Json;

use super::SENDER_DOMAIN;
use crate::local::Local;
use crate::receiver;

/// One mail to one person.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) to: String,
    pub(super) subject: String,
    /// The links of ours in it, in their order.
    pub(super) links: Vec<String>,
    /// Whether mail programs show a button of their own for unsubscribing.
    pub(super) has_one_click: bool,
}

/// All mails of the tenant that SES took, in their order. Others of the same AWS may send too.
pub(super) fn read(local: &Local, link_base: &str) -> Result<Vec<Mail>> {
    let is_ours =
        |mail: &&Json| mail.get("Source").and_then(Json::as_str).is_some_and(|source| source.contains(SENDER_DOMAIN));
    let answer: Json = receiver::get(&format!("{}/_ministack/ses/messages", local.aws.address))?;
    let accounts = answer.get("messages").and_then(Json::as_object).context("the list of mails has another form")?;
    Ok(accounts
        .values()
        .filter_map(Json::as_array)
        .flatten()
        .filter(is_ours)
        .map(|mail| one(mail, link_base))
        .collect())
}

fn one(mail: &Json, link_base: &str) -> Mail {
    let text = |name: &str| mail.get(name).and_then(Json::as_str).unwrap_or_default();
    // Where there are both, the reader sees the HTML.
    let body = Some(text("BodyHtml")).filter(|html| !html.is_empty()).unwrap_or_else(|| text("BodyText"));
    let body = body.replace("&#x2f;", "/").replace("&amp;", "&");
    let header = |name: &str| {
        let headers = mail.get("Headers").and_then(Json::as_array).into_iter().flatten();
        headers.filter_map(|header| header.get("Name").and_then(Json::as_str)).any(|found| found == name)
    };
    Mail {
        to: mail.pointer("/To/0").and_then(Json::as_str).unwrap_or_default().to_owned(),
        subject: text("Subject").to_owned(),
        links: links(&body, link_base),
        has_one_click: header("List-Unsubscribe") && header("List-Unsubscribe-Post"),
    }
}

/// What begins with the base in a text, up to the end of the link; each once.
fn links(body: &str, link_base: &str) -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    for (start, _) in body.match_indices(link_base) {
        let rest = body.get(start..).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace() || "\"'<>)".contains(c)).unwrap_or(rest.len());
        let link = rest.get(..end).unwrap_or_default().to_owned();
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

/// A reader's browser, without one: it looks at pages and presses their button.
pub(super) struct Browser(ureq::Agent);

impl Browser {
    /// A new one.
    pub(super) fn new() -> Self {
        Self(ureq::Agent::config_builder().proxy(None).http_status_as_error(false).max_redirects(0).build().into())
    }

    /// Looks, as scanners of mails do too.
    pub(super) fn look(&self, link: &str) -> Result<String> {
        let mut answer = self.0.get(link).call().context("a link cannot be opened")?;
        ensure!(answer.status() == 200, "a link is answered {}", answer.status());
        answer.body_mut().read_to_string().context("a page cannot be read")
    }

    /// Asks for the headers alone.
    pub(super) fn glance(&self, link: &str) -> Result<()> {
        let answer = self.0.head(link).call().context("a link cannot be opened")?;
        ensure!(answer.status() == 200, "a link is answered {}", answer.status());
        Ok(())
    }

    /// Opens the page and presses its button; answers the page that follows, or where that leads.
    pub(super) fn press(&self, link: &str) -> Result<String> {
        let page = self.look(link)?;
        let field = page.split_once("name=\"do\" value=\"").and_then(|(_, rest)| rest.split_once('"'));
        let (action, _) = field.context("the page has no button")?;
        let mut answer = self.0.post(link).send_form([("do", action)]).context("a button cannot be pressed")?;
        let status = answer.status().as_u16();
        ensure!([200, 303].contains(&status), "a button is answered {status}");
        answer.body_mut().read_to_string().context("a page cannot be read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_of_a_mail_are_found_in_html_and_in_text() {
        let base = "http://127.0.0.1:1/c";
        let html = format!("<a href=\"{base}/a\">Yes</a> or <a href='{base}/b'>no</a>, {base}/a");
        assert_eq!(links(&html, base), [format!("{base}/a"), format!("{base}/b")]);
        assert_eq!(links(&format!("open {base}/x\nor {base}/y"), base), [format!("{base}/x"), format!("{base}/y")]);
    }
}
