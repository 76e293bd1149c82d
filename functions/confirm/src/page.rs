//! A page: plain HTML without JavaScript, readable with any program, in the tenant's colours.
//!
//! Everything that comes from a tenant is escaped by the template engine. The colour of the button's text is black or white, whichever
//! is read better on the tenant's colour: WCAG asks for a contrast of 4.5, and one of the two always has it
//! (<https://www.w3.org/TR/WCAG22/#contrast-minimum>).

use std::collections::BTreeMap;

use acequia_core::config::{Brand, Tenant};
use minijinja::{AutoEscape, Environment, context};
use url::Url;

use crate::http::Response;
use crate::words::{Say, Words, words};

const TEMPLATE: &str = r#"<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<meta name="referrer" content="no-referrer">
<title>{{ heading }}{% if name %} – {{ name }}{% endif %}</title>
<style>
body { margin: 0; font: 1.125rem/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; }
main { max-width: 34rem; margin: 0 auto; padding: 2rem 1.25rem; }
header { border-top: .5rem solid {{ colour }}; padding: 1.25rem 1.25rem 0; text-align: center; }
header img { max-width: 12rem; max-height: 6rem; }
h1 { font-size: 1.75rem; line-height: 1.25; }
button { font: inherit; font-weight: 600; padding: .75rem 1.5rem; border: .125rem solid #1b1b1b; border-radius: .375rem; background: {{ colour }}; color: {{ ink }}; cursor: pointer; }
button:focus-visible, a:focus-visible { outline: .25rem solid #1b1b1b; outline-offset: .25rem; }
a { color: #0b4f9e; }
</style>
</head>
<body>
<header>{% if logo %}<img src="{{ logo }}" alt="{{ name }}">{% else %}<p>{{ name }}</p>{% endif %}</header>
<main>
<h1>{{ heading }}</h1>
<p{% if done %} role="status"{% endif %}>{{ text }}</p>
{% if button %}<form method="post"><input type="hidden" name="do" value="{{ action }}"><button type="submit">{{ button }}</button></form>{% endif %}
{% if onward %}<p><a href="{{ onward }}" rel="noreferrer">{{ onward_host }}</a></p>{% endif %}
</main>
</body>
</html>
"#;

/// What a page's button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// What the link is for.
    Act,
    /// Asks for a new mail.
    Renew,
}

impl Action {
    /// The value of the form's field.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Renew => "renew",
        }
    }
}

/// One page to be shown.
pub(crate) struct Page<'a> {
    pub(crate) status: u16,
    pub(crate) say: Say,
    pub(crate) language: &'a str,
    /// Whose page it is; nothing where the link says nothing that is believed.
    pub(crate) tenant: Option<&'a Tenant>,
    /// Where the reader may go on to.
    pub(crate) onward: Option<&'a Url>,
}

impl Page<'_> {
    /// Writes the page.
    pub(crate) fn response(&self) -> Response {
        let Words { heading, text, button } = words(self.say, self.language);
        let brand = self.tenant.and_then(|tenant| tenant.mail.as_ref()).map(|mail| &mail.brand);
        let colour = brand.map_or("#1f4e8c", |brand| brand.colour.as_str());
        let logo = brand.and_then(|brand| brand.logo.as_ref());
        let action = if self.say == Say::Expired { Action::Renew } else { Action::Act };
        let context = context! {
            language => self.language,
            name => self.tenant.map(|tenant| tenant.summary.name.as_str()).unwrap_or_default(),
            logo => logo.map(Url::as_str),
            colour,
            ink => ink(colour),
            heading,
            text,
            button,
            action => action.as_str(),
            done => button.is_empty(),
            onward => self.onward.map(Url::as_str),
            onward_host => self.onward.and_then(Url::host_str),
        };
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        // The template is ours and fixed; were it broken, its words alone would still be true.
        let body = environment.render_str(TEMPLATE, context).unwrap_or_else(|_| text.to_owned());
        Response { status_code: self.status, headers: headers(brand, self.onward), body }
    }
}

/// No page is kept, framed, sniffed or followed; nothing is loaded but the tenant's logo, and forms go nowhere but here.
fn headers(brand: Option<&Brand>, _onward: Option<&Url>) -> BTreeMap<&'static str, String> {
    let logo = brand.and_then(|brand| brand.logo.as_ref()).map(|logo| logo.origin().ascii_serialization());
    let images = logo.unwrap_or_else(|| "'none'".to_owned());
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src {images}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    [
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("content-security-policy", policy),
        ("cache-control", "no-store".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
        ("strict-transport-security", "max-age=31536000".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("x-frame-options", "DENY".to_owned()),
        ("x-robots-tag", "noindex, nofollow".to_owned()),
    ]
    .into()
}

/// Black or white, whichever contrasts more with the colour `#rrggbb`.
fn ink(colour: &str) -> &'static str {
    let channel = |at: usize| {
        let value = colour.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0);
        let share = f64::from(value) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
    // The contrast with white is 1.05 / (l + 0.05), that with black (l + 0.05) / 0.05.
    if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 { "#ffffff" } else { "#000000" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buttons_text_is_read_on_any_colour() {
        for (colour, wanted) in [
            ("#1f4e8c", "#ffffff"),
            ("#ffff00", "#000000"),
            ("#ffffff", "#000000"),
            ("#000000", "#ffffff"),
            ("#aa0000", "#ffffff"),
        ] {
            assert_eq!(ink(colour), wanted, "{colour}");
        }
    }
}
