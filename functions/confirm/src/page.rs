//! A page: plain HTML without JavaScript, readable with any program, in the tenant's colours.
//!
//! Everything that comes from a tenant is escaped by the template engine. The colour of the button's text is black or
//! white, whichever is read better on the tenant's colour: WCAG asks for a contrast of 4.5, and one of the two always
//! has it (<https://www.w3.org/TR/WCAG22/#contrast-minimum>).

use std::collections::BTreeMap;

use acequia_core::tenant::Tenant;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{AutoEscape, Environment, context};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::words::{Say, Words, words};
use acequia_lambda::http::HttpResponse as Response;

/// The colour of pages that belong to no tenant.
const COLOUR: &str = "#1f4e8c";

const TEMPLATE: &str = r#"<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<meta name="referrer" content="no-referrer">
<title>{{ heading }}{% if name %} – {{ name }}{% endif %}</title>
{% if logo %}<link rel="icon" href="{{ logo }}">
{% endif %}<style>{{ style|safe }}</style>
</head>
<body>
<div class="card">
{% if logo %}<header><img src="{{ logo }}" alt="{{ name }}"></header>{% elif name %}<header><p>{{ name }}</p></header>{% endif %}
<main>
{% if success %}<svg class="mark" viewBox="0 0 48 48" width="48" height="48" aria-hidden="true" focusable="false"><circle cx="24" cy="24" r="24"/><path d="M14 25l7 7 13-15"/></svg>{% endif %}
<h1>{{ heading }}</h1>
<p{% if done %} role="status"{% endif %}>{{ text }}</p>
{% if list %}<p class="about">{{ about }} <strong>{{ list }}</strong></p>{% endif %}
{% if button %}<form method="post"><input type="hidden" name="do" value="{{ action }}"><button type="submit">{{ button }}</button></form>{% endif %}
{% if done and onward %}<p><a href="{{ onward }}" rel="noreferrer">{{ onward_host }}</a></p>{% endif %}
</main>
{% if small_print %}<footer><p>{{ small_print }}</p></footer>{% endif %}
</div>
</body>
</html>
"#;

/// `@colour`, `@ink` and `@edge` stand for colours. Lengths are relative, so that larger letters make a larger page.
const STYLE: &str = r#"
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; align-items: center; padding: 1rem; color: #1f2328; background: #f3f4f6; font: 1.0625rem/1.6 -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere; }
.card { width: 100%; max-width: 32rem; margin: auto; padding: 2rem 1.5rem 1.5rem; text-align: center; background: #fff linear-gradient(@colour, @colour) top / 100% .375rem no-repeat; border: 1px solid #d0d7de; border-radius: .75rem; box-shadow: 0 .25rem 1.5rem rgba(31, 35, 40, .08); }
header { margin-bottom: 1.75rem; }
header p { margin: 0; font-size: 1.25rem; font-weight: 700; }
header img { display: block; max-width: min(14rem, 100%); max-height: 5rem; margin: 0 auto; }
.mark { fill: @colour; stroke: @edge; stroke-width: 1; overflow: visible; }
.mark path { fill: none; stroke: @ink; stroke-width: 4; stroke-linecap: round; stroke-linejoin: round; }
h1 { margin: .5rem 0; font-size: 1.625rem; line-height: 1.25; text-wrap: balance; }
main p { margin: .75rem 0; text-wrap: pretty; }
form { margin: 1.5rem 0 .5rem; }
button { width: 100%; min-height: 3rem; padding: .75rem 1.5rem; font: inherit; font-weight: 600; line-height: 1.3; border: 2px solid @edge; border-radius: .5rem; background: @colour; color: @ink; cursor: pointer; }
button:hover { text-decoration: underline; text-underline-offset: .2em; }
button:focus-visible, main a:focus-visible { outline: .1875rem solid #1f2328; outline-offset: .1875rem; }
main a { display: inline-block; padding: .5rem .75rem; color: #0b4f9e; font-weight: 600; text-underline-offset: .2em; }
footer { margin-top: 1.75rem; padding-top: 1rem; border-top: 1px solid #d0d7de; color: #57606a; font-size: .875rem; line-height: 1.5; }
footer p { margin: 0; text-wrap: pretty; }
@media (min-width: 30rem) { .card { padding: 2.5rem 3rem 2rem; } button { width: auto; min-width: min(16rem, 100%); } }
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
    /// The name of what the question is about, where the tenant names it.
    pub(crate) list: Option<&'a str>,
    /// Where the reader may go on to, or is led by the button.
    pub(crate) onward: Option<&'a Url>,
}

impl Page<'_> {
    /// Writes the page.
    pub(crate) fn response(&self) -> Response {
        let name = self.tenant.map(|tenant| tenant.summary.name.as_str()).unwrap_or_default();
        let Words { heading, text, button, small_print, about } = words(self.say, self.language, name);
        let brand = self.tenant.and_then(|tenant| tenant.mail.as_ref()).map(|mail| &mail.brand);
        let colour = brand.map_or(COLOUR, |brand| brand.colour.as_str());
        let style = style(colour);
        let logo = brand.and_then(|brand| brand.logo.as_ref());
        let action = if self.say == Say::Expired { Action::Renew } else { Action::Act };
        let headers = headers(&style, logo, self.onward);
        let context = context! {
            language => self.language,
            name,
            logo => logo.map(Url::as_str),
            style,
            heading,
            text => unbroken(text),
            button,
            small_print => unbroken(&small_print),
            about,
            list => self.list,
            action => action.as_str(),
            done => button.is_empty(),
            success => self.say.is_success(),
            onward => self.onward.map(Url::as_str),
            onward_host => self.onward.and_then(Url::host_str),
        };
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        // The template is ours and fixed; were it broken, its words alone would still be true.
        let body = environment.render_str(TEMPLATE, context).unwrap_or_else(|_| text.to_owned());
        Response { status_code: self.status, headers, body }
    }
}

/// No line ends within "e-mail".
fn unbroken(text: &str) -> String {
    text.replace("e-mail", "e\u{2011}mail").replace("E-Mail", "E\u{2011}Mail")
}

/// The style sheet in a colour that the configuration has checked to be `#rrggbb`.
fn style(colour: &str) -> String {
    STYLE.replace("@colour", colour).replace("@ink", ink(colour)).replace("@edge", edge(colour))
}

/// No page is kept, framed, sniffed or followed. Nothing is loaded but the tenant's logo, nothing is styled but by our
/// style sheet, which is known by its digest, and forms go nowhere but here and, by our redirect, to the tenant's own
/// page: browsers check `form-action` on redirects too (<https://www.w3.org/TR/CSP3/#directive-form-action>).
fn headers(style: &str, logo: Option<&Url>, onward: Option<&Url>) -> BTreeMap<&'static str, String> {
    let digest = STANDARD.encode(Sha256::digest(style));
    let images = logo.map_or_else(|| "'none'".to_owned(), |logo| logo.origin().ascii_serialization());
    let onward = onward.map(|onward| format!(" {}", onward.origin().ascii_serialization())).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src {images}; form-action 'self'{onward}; frame-ancestors 'none'; base-uri 'none'"
    );
    [
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("content-security-policy", policy),
        ("cache-control", "no-store".to_owned()),
        ("cross-origin-opener-policy", "same-origin".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
        ("strict-transport-security", "max-age=31536000".to_owned()),
        ("vary", "accept-language".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("x-frame-options", "DENY".to_owned()),
        ("x-robots-tag", "noindex, nofollow".to_owned()),
    ]
    .into()
}

/// Black or white, whichever contrasts more with the colour.
fn ink(colour: &str) -> &'static str {
    if contrast(luminance(colour), 1.0) >= contrast(luminance(colour), 0.0) { "#ffffff" } else { "#000000" }
}

/// What a button's edge is drawn in: its own colour where that can be told from the white card, and else a dark grey
/// (<https://www.w3.org/TR/WCAG22/#non-text-contrast>: 3).
fn edge(colour: &str) -> &str {
    if contrast(luminance(colour), 1.0) >= 3.0 { colour } else { "#57606a" }
}

/// The contrast of two luminances (<https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>).
fn contrast(one: f64, other: f64) -> f64 {
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The luminance of `#rrggbb` (<https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>).
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = colour.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0);
        let share = f64::from(value) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
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
        assert_eq!((edge("#1f4e8c"), edge("#ffff00")), ("#1f4e8c", "#57606a"));
    }

    #[test]
    fn no_colour_is_left_out_of_the_style_sheet() {
        let style = style("#ffff00");
        assert!(style.contains("background: #ffff00; color: #000000") && style.matches('@').count() == 1, "{style}");
    }
}
