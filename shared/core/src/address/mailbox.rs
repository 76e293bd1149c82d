//! Senders: an address, and a name that mail programs show, written as a header has it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Address, AddressProblem, is_atext, is_unseen};

/// The longest name of a sender, in characters.
const MAX_NAME_CHARS: usize = 100;
/// What one encoded word holds: 75 characters less `=?UTF-8?B?` and `?=`, four of which are three bytes.
const WORD_BYTES: usize = (75 - 12) / 4 * 3;

/// Why a text is no sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailboxProblem {
    /// Its address is none.
    #[error("it must be a mail address, or a name with an address in angle brackets: {0}")]
    Address(#[from] AddressProblem),
    /// Its name has something that is not seen.
    #[error("its name has a control character, or one that is not seen")]
    NameUnseen,
    /// Its name reads like an address, or like several.
    #[error("its name has one of < > @, which reads like another address")]
    NameAddress,
    /// Its name is encoded.
    #[error("its name has \"=?\": write it as it reads, it is encoded when it is sent")]
    NameEncoded,
    /// Its name is quoted in part.
    #[error("its name has a quotation mark that does not end: put the whole name in quotation marks, or none of it")]
    NameQuotes,
    /// Its name is too long.
    #[error("its name has more than {MAX_NAME_CHARS} characters")]
    NameLong,
}

/// A sender: an address, and a name that mail programs show. `Display` writes it as a header has it, in ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    name: String,
    address: Address,
}

impl Mailbox {
    /// Reads an address, or `Name <address>`. The name may stand in quotation marks, and need not: `Acme, Inc <a@x>` is
    /// one sender.
    ///
    /// # Errors
    /// A [`MailboxProblem`].
    pub fn parse(text: &str) -> Result<Self, MailboxProblem> {
        let text = text.trim();
        let Some((name, address)) = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) else {
            return Ok(Self { name: String::new(), address: Address::parse(text)? });
        };
        let name = read_name(name.trim())?;
        Ok(Self { name, address: Address::parse(address)? })
    }

    /// The name, as it reads; empty where there is none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

fn read_name(text: &str) -> Result<String, MailboxProblem> {
    let name = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).ok_or(MailboxProblem::NameQuotes)?,
        None if text.contains('"') => return Err(MailboxProblem::NameQuotes),
        None => text.to_owned(),
    };
    if name.chars().any(|letter| letter != ' ' && is_unseen(letter)) {
        return Err(MailboxProblem::NameUnseen);
    }
    if name.contains(['<', '>', '@']) {
        return Err(MailboxProblem::NameAddress);
    }
    if name.contains("=?") {
        return Err(MailboxProblem::NameEncoded);
    }
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(MailboxProblem::NameLong);
    }
    Ok(name)
}

/// What stands between the quotation marks, of which the first is gone.
fn unquoted(text: &str) -> Option<String> {
    let mut letters = text.chars();
    let mut name = String::with_capacity(text.len());
    loop {
        match letters.next()? {
            '\\' => name.push(letters.next()?),
            '"' => return letters.as_str().is_empty().then_some(name),
            letter => name.push(letter),
        }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.as_str();
        if self.name.is_empty() {
            return f.write_str(address);
        }
        if !self.name.is_ascii() {
            return write!(f, "{} <{address}>", encoded_words(&self.name));
        }
        if self.name.split(' ').all(|word| !word.is_empty() && word.bytes().all(is_atext)) {
            return write!(f, "{} <{address}>", self.name);
        }
        write!(f, "\"{}\" <{address}>", self.name.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// A text in encoded words (RFC 2047) of at most 75 characters, none of which ends within a character. The spaces
/// between them are not read.
fn encoded_words(text: &str) -> String {
    let mut words: Vec<String> = vec![String::new()];
    for letter in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + letter.len_utf8() <= WORD_BYTES => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    let words: Vec<String> = words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_senders_name_is_written_as_a_header_has_it() {
        for (text, written) in [
            ("hola@example.org", "hola@example.org"),
            ("<hola@example.org>", "hola@example.org"),
            ("Acme <a@example.org>", "Acme <a@example.org>"),
            ("Acme, Inc <a@example.org>", "\"Acme, Inc\" <a@example.org>"),
            ("\"Acme, Inc\" <a@example.org>", "\"Acme, Inc\" <a@example.org>"),
            (r#""The \"Acme\" \\ Co" <a@example.org>"#, r#""The \"Acme\" \\ Co" <a@example.org>"#),
            ("Fundación <hola@example.org>", "=?UTF-8?B?RnVuZGFjacOzbg==?= <hola@example.org>"),
            ("Ana <ana@münchen.example>", "Ana <ana@xn--mnchen-3ya.example>"),
        ] {
            assert_eq!(Mailbox::parse(text).map(|mailbox| mailbox.to_string()), Ok(written.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_sender_that_is_none_is_refused_with_the_reason() {
        use MailboxProblem::{Address, NameAddress, NameEncoded, NameLong, NameQuotes, NameUnseen};
        for (text, problem) in [
            ("Acme", Address(AddressProblem::Parts)),
            ("Acme <zoë@b.example>", Address(AddressProblem::LocalNotAscii)),
            ("a@b.example, c@d.example", Address(AddressProblem::Unseen)),
            ("a@b.example <c@d.example>", NameAddress),
            ("A <b> <c@d.example>", NameAddress),
            ("\"Acme\" Inc <c@d.example>", NameQuotes),
            ("\"Acme <c@d.example>", NameQuotes),
            ("The \"Acme\" Co <c@d.example>", NameQuotes),
            ("=?utf-8?q?Acme?= <c@d.example>", NameEncoded),
            ("Acme\r\nBcc: b@c.example <c@d.example>", NameUnseen),
            ("Acme\u{202e} <c@d.example>", NameUnseen),
            (&format!("{} <c@d.example>", "é".repeat(101)), NameLong),
        ] {
            assert_eq!(Mailbox::parse(text).map(|_| ()), Err(problem), "{text:?}");
        }
    }

    #[test]
    fn encoded_words_have_at_most_75_characters_and_end_with_a_character() {
        for text in ["é".repeat(100), "日本語".repeat(30), format!("a{}", "😀".repeat(60)), "x".repeat(30) + "é"]
        {
            let words = encoded_words(&text);
            let mut decoded = String::new();
            for word in words.split(' ') {
                assert!(word.len() <= 75, "{word}");
                let inside = word.strip_prefix("=?UTF-8?B?").and_then(|word| word.strip_suffix("?=")).unwrap();
                decoded.push_str(std::str::from_utf8(&STANDARD.decode(inside).unwrap()).unwrap());
            }
            assert_eq!(decoded, text);
        }
    }
}
