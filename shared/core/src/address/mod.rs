//! Mail addresses, and senders with a name, in the forms that SES takes.
//!
//! SES wants 7-bit ASCII: it has no SMTPUTF8, so that the part before the @ can have no other letters; a domain goes as
//! punycode, and a name as encoded words
//! (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html>, RFC 2047). An address has the shapes
//! of RFC 5321, section 4.1.2, that mail programs can handle: no quoted local part, no address literal. What is wrong
//! is said without repeating the address, which is personal.

mod mailbox;

use std::fmt;

pub use mailbox::{Mailbox, MailboxProblem};

/// The longest local part, and the longest address (RFC 5321, section 4.5.3.1; RFC 3696, erratum 1690).
const MAX_LOCAL_BYTES: usize = 64;
const MAX_BYTES: usize = 254;

/// Why a text is no address that SES can send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// There is none, or nothing before it or behind it.
    #[error("an address has one @, with something before it and behind it")]
    Parts,
    /// Something in it is not seen, or turns the order of letters round.
    #[error("it has a space, a control character, or one that is not seen")]
    Unseen,
    /// Something in it stands for other letters.
    #[error("it has \"=?\", by which mail programs know encoded words")]
    Encoded,
    /// A local part that RFC 6531 alone allows.
    #[error("the part before the @ has letters beyond ASCII, which SES cannot send to (it has no SMTPUTF8)")]
    LocalNotAscii,
    /// A quoted local part.
    #[error("the part before the @ is in quotation marks, which many mail systems refuse")]
    LocalQuoted,
    /// A local part of another form.
    #[error("the part before the @ has a dot at an end, two dots together, or a sign that it cannot have")]
    LocalForm,
    /// A local part that is too long.
    #[error("the part before the @ has more than 64 bytes")]
    LocalLong,
    /// A domain that is none.
    #[error(
        "the part behind the @ is no domain: labels of up to 63 letters, digits and inner hyphens, with dots between them"
    )]
    Domain,
    /// An address that is too long.
    #[error("it has more than 254 bytes")]
    Long,
}

/// One mail address, as SES takes it: ASCII, the domain in punycode.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    at: usize,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// An [`AddressProblem`], that does not repeat it.
    pub fn parse(text: &str) -> Result<Self, AddressProblem> {
        if text.chars().any(is_unseen) {
            return Err(AddressProblem::Unseen);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressProblem::Parts)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressProblem::Parts);
        }
        check_local(local)?;
        let domain = ascii_domain(domain).ok_or(AddressProblem::Domain)?;
        let address = Self { text: format!("{local}@{domain}"), at: local.len() };
        if address.text.len() > MAX_BYTES { Err(AddressProblem::Long) } else { Ok(address) }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the @.
    pub fn local(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The domain, in ASCII.
    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }
}

/// Says nothing of whose it is.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

fn check_local(local: &str) -> Result<(), AddressProblem> {
    if local.contains("=?") {
        return Err(AddressProblem::Encoded);
    }
    if local.starts_with('"') {
        return Err(AddressProblem::LocalQuoted);
    }
    if !local.is_ascii() {
        return Err(AddressProblem::LocalNotAscii);
    }
    if local.len() > MAX_LOCAL_BYTES {
        return Err(AddressProblem::LocalLong);
    }
    let is_atom = |part: &str| !part.is_empty() && part.bytes().all(is_atext);
    if local.split('.').all(is_atom) { Ok(()) } else { Err(AddressProblem::LocalForm) }
}

/// What an atom is made of (RFC 5322, section 3.2.3).
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// The domain in ASCII; nothing where it is none.
pub(crate) fn ascii_domain(domain: &str) -> Option<String> {
    if domain.chars().any(is_unseen) {
        return None;
    }
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    ascii.split('.').all(is_label).then_some(ascii)
}

/// Whether a character is not seen as one: spaces, control and format characters, those that join or turn others, and
/// private ones.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || letter.is_whitespace()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_any_ordinary_form_is_taken_and_its_domain_is_ascii() {
        for (text, sent) in [
            ("ana@example.org", "ana@example.org"),
            ("Ana.Maria+tag_1@Example.ORG", "Ana.Maria+tag_1@example.org"),
            ("a!#$%&'*/?=^_`{|}~-b@b.example", "a!#$%&'*/?=^_`{|}~-b@b.example"),
            ("ana@münchen.example", "ana@xn--mnchen-3ya.example"),
            ("ana@bücher.example", "ana@xn--bcher-kva.example"),
            ("ana@例え.テスト", "ana@xn--r8jz45g.xn--zckzah"),
            ("ana@XN--bcher-KVA.example", "ana@xn--bcher-kva.example"),
            ("a@b", "a@b"),
            ("a@1.example", "a@1.example"),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.as_str().to_owned()), Ok(sent.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_address_that_no_mail_system_or_ses_can_take_is_refused_with_the_reason() {
        use AddressProblem::{Domain, Encoded, LocalForm, LocalLong, LocalNotAscii, LocalQuoted, Long, Parts, Unseen};
        let label = "b".repeat(64);
        for (text, problem) in [
            ("", Parts),
            ("ana", Parts),
            ("@b.example", Parts),
            ("a@", Parts),
            (".a@b.example", LocalForm),
            ("a.@b.example", LocalForm),
            ("a..b@b.example", LocalForm),
            ("a@b@c.example", LocalForm),
            ("a,b@c.example", LocalForm),
            ("a;b@c.example", LocalForm),
            ("Ana<a@c.example", LocalForm),
            ("a\\b@c.example", LocalForm),
            ("a(comment)@c.example", LocalForm),
            ("\"a b\"@b.example", Unseen),
            ("\"a.b\"@b.example", LocalQuoted),
            ("a@-b.example", Domain),
            ("a@b-.example", Domain),
            ("a@b..example", Domain),
            ("a@b.example.", Domain),
            ("a@.b", Domain),
            ("a@b_c.example", Domain),
            ("a@[127.0.0.1]", Domain),
            ("a@b.example>", Domain),
            ("a@xn--a.example", Domain),
            (&format!("a@{label}.example"), Domain),
            ("a@b.example\u{200b}", Unseen),
            ("a\u{202e}@b.example", Unseen),
            ("a\u{ad}@b.example", Unseen),
            ("a@b\u{e0061}.example", Unseen),
            ("a@b.example\r\nBcc: b@c.example", Unseen),
            ("a@b.example\u{2028}", Unseen),
            ("a@b.example\0", Unseen),
            ("zoë@b.example", LocalNotAscii),
            ("=?x?q?=41=3e=00?=foo@example.org", Encoded),
            (&format!("{}@b.example", "a".repeat(65)), LocalLong),
            (
                &format!(
                    "{}@{}",
                    "a".repeat(60),
                    ["b".repeat(60), "b".repeat(60), "b".repeat(60), "b".repeat(20)].join(".")
                ),
                Long,
            ),
        ] {
            assert_eq!(Address::parse(text).map(|_| ()), Err(problem), "{text:?}");
        }
    }

    #[test]
    fn an_address_does_not_print_whose_it_is() {
        assert!(!format!("{:?}", Address::parse("ana@example.org")).contains("ana"));
    }
}
