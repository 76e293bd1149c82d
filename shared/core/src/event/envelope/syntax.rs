//! The forms of texts that `CloudEvents` takes from other standards: times, URIs, media types, base64.

use std::net::Ipv6Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whether a text has neither control characters nor code points that are no characters: what `CloudEvents` calls a
/// String (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system>).
pub(super) fn is_plain(text: &str) -> bool {
    let is_no_character = |c: char| matches!(u32::from(c), 0xFDD0..=0xFDEF) || u32::from(c) & 0xFFFE == 0xFFFE;
    if text.is_ascii() {
        return !text.bytes().any(|byte| byte.is_ascii_control());
    }
    !text.chars().any(|c| c.is_control() || is_no_character(c))
}

/// Whether a text is a time of RFC 3339, section 5.6: with seconds and an offset, and second 60 only at the end of a
/// day of UTC.
pub(super) fn is_time(text: &str) -> bool {
    time(text).is_some()
}

fn time(text: &str) -> Option<()> {
    let mut rest = Digits(text.as_bytes());
    let (year, month, day) = (rest.number(4)?, rest.behind(b"-", 2)?, rest.behind(b"-", 2)?);
    let (hour, minute, second) = (rest.behind(b"Tt", 2)?, rest.behind(b":", 2)?, rest.behind(b":", 2)?);
    if let Some((b'.', digits)) = rest.0.split_first() {
        let length = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
        rest.0 = digits.get(length..).filter(|_| length > 0)?;
    }
    let offset = match rest.0 {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let (hours, minutes) = (rest.behind(b"+-", 2)?, rest.behind(b":", 2)?);
            let in_range = hours < 24 && minutes < 60 && rest.0.is_empty();
            let offset = in_range.then_some(hours * 60 + minutes)?;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i32::from(leaps),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let last_minute = (hour * 60 + minute - offset).rem_euclid(24 * 60) == 24 * 60 - 1;
    let fits = (1..=days).contains(&day) && hour < 24 && minute < 60 && (second < 60 || second == 60 && last_minute);
    fits.then_some(())
}

/// The rest of a time, read digit by digit.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn number(&mut self, digits: usize) -> Option<i32> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |all, digit| digit.is_ascii_digit().then(|| all * 10 + i32::from(*digit - b'0')))
    }

    /// A number behind one of these.
    fn behind(&mut self, one_of: &[u8], digits: usize) -> Option<i32> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        if one_of.contains(first) { self.number(digits) } else { None }
    }
}

/// Whether a text is a URI reference of RFC 3986, section 4.1.
pub(super) fn is_uri_reference(text: &str) -> bool {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    if !consists_of(fragment, "/?:@") || !consists_of(query, "/?:@") {
        return false;
    }
    let first_segment = text.split('/').next().unwrap_or_default();
    let path = match first_segment.split_once(':') {
        // A colon in the first segment ends a scheme.
        Some((scheme, _)) if is_scheme(scheme) => text.get(scheme.len() + 1..).unwrap_or_default(),
        Some(_) => return false,
        None => text,
    };
    let Some(rest) = path.strip_prefix("//") else { return consists_of(path, "/:@") };
    let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    is_authority(authority) && consists_of(path, "/:@")
}

/// Whether a text is a URI: a reference with a scheme.
pub(super) fn is_uri(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)) && is_uri_reference(text)
}

fn is_scheme(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.split_once('@').unwrap_or(("", text));
    let (host, port) = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, port)) if is_address(address) => ("", port),
            _ => return false,
        },
        None => host.find(':').and_then(|at| host.split_at_checked(at)).unwrap_or((host, "")),
    };
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    consists_of(user, ":") && consists_of(host, "") && is_port
}

/// What stands in brackets: an IPv6 address, or one of a version to come.
fn is_address(text: &str) -> bool {
    let future = || text.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.'));
    text.parse::<Ipv6Addr>().is_ok()
        || future().is_some_and(|(version, address)| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !address.is_empty()
                && !address.contains('%')
                && consists_of(address, ":")
        })
}

/// Whether all is unreserved, percent-encoded, a sub-delimiter, or one of `others`.
fn consists_of(text: &str, others: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        // Each source of each event comes by here: a look into a table costs less than the comparisons.
        let fits = IN_URIS.get(usize::from(byte)).is_some_and(|fits| *fits)
            || others.as_bytes().contains(&byte)
            || byte == b'%' && (0..2).all(|_| bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit()));
        if !fits {
            return false;
        }
    }
    true
}

/// The bytes that may stand in every part of a URI: the unreserved ones and the sub-delimiters.
static IN_URIS: [bool; 128] = {
    let mut fits = [false; 128];
    let mut byte = 0_u8;
    while byte < 128 {
        let is_mark = matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
        );
        #[expect(clippy::indexing_slicing, reason = "of a constant; the compiler would refuse it")]
        {
            fits[byte as usize] = byte.is_ascii_alphanumeric() || is_mark;
        }
        byte += 1;
    }
    fits
};

/// Whether a text is a media type of RFC 2045, section 5.1, such as `application/json; charset=utf-8`.
pub(super) fn is_media_type(text: &str) -> bool {
    let Some((kind, rest)) = text.split_once('/') else { return false };
    let end = rest.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(rest.len());
    let (subtype, mut rest) = rest.split_at_checked(end).unwrap_or_default();
    if !is_token(kind) || !is_token(subtype) {
        return false;
    }
    while let Some(parameter) = rest.trim_start_matches(SPACE).strip_prefix(';') {
        let Some((name, value)) = parameter.trim_start_matches(SPACE).split_once('=') else { return false };
        let Some(behind) = is_token(name).then(|| behind_value(value)).flatten() else { return false };
        rest = behind;
    }
    rest.is_empty()
}

const SPACE: [char; 2] = [' ', '\t'];

/// What stands behind a parameter's value, which is a token or a quoted text.
fn behind_value(text: &str) -> Option<&str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len());
        return text.get(end..).filter(|_| end > 0);
    };
    let mut escaped = false;
    for (at, byte) in quoted.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return quoted.get(at + 1..),
            _ => {}
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'='
        )
}

/// Whether a text is base64 of RFC 4648, section 4, padding included.
pub(super) fn is_base64(text: &str) -> bool {
    STANDARD.decode(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_rfc_3339_and_no_others() {
        for good in [
            "2018-04-05T17:31:00Z",
            "1985-04-12t23:20:50.52z",
            "1996-12-19T16:39:57-08:00",
            "1990-12-31T23:59:60Z",
            "1990-12-31T15:59:60-08:00",
            "1937-01-01T12:00:27.87+00:20",
            "2024-02-29T00:00:00.123456789012Z",
            "0000-01-01T00:00:00-00:00",
        ] {
            assert!(is_time(good), "{good}");
        }
        for bad in [
            "",
            "lunchtime",
            "2018-04-05T18:31Z",
            "2018-04-05T18:31:00",
            "2018-04-05 18:31:00Z",
            "2018-04-05T18:31:00X",
            "2018-04-05T18:31:00+25:00",
            "2018-04-05T18:31:00+xx:00",
            "2018-04-05T18:31:00+05",
            "2018-04-05T18:31:00+05:60",
            "2018-04-05T18:31:00.Z",
            "2018-04-05T18:31:00ZZ",
            "2018-04-05T18:31:00Z[Europe/Paris]",
            "2018-13-05T17:31:00Z",
            "2018-00-05T17:31:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2018-04-31T00:00:00Z",
            "2018-04-05T24:00:00Z",
            "2018-04-05T17:60:00Z",
            "2018-04-05T17:31:60Z",
            "2018-04-05T17:31:61Z",
            "18-04-05T17:31:00Z",
            "+2018-04-05T17:31:00Z",
            "２018-04-05T17:31:00Z",
        ] {
            assert!(!is_time(bad), "{bad}");
        }
    }

    #[test]
    fn uri_references_are_those_of_rfc_3986_and_no_others() {
        for good in [
            "https://github.com/cloudevents",
            "mailto:cncf-wg-serverless@lists.cncf.io",
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
            "/cloudevents/spec/pull/123",
            "1-555-123-4567",
            "//host/path",
            "?q#f",
            "#",
            "http://u:p@[2001:db8::1]:8080/a%20b?c=d/e?f#g",
            "http://[v1.a:b]/",
            "http://a:/",
            "a/b:c",
            "file:///x",
        ] {
            assert!(is_uri_reference(good), "{good}");
        }
        for bad in [
            "/%zz",
            "/%a",
            "1:2/%",
            "1:2",
            "http://a:b/",
            "/a[b",
            "a b",
            "ä",
            "http://[::1/",
            "http://[x]/",
            "a#b#c",
            "http://a@b@c/",
            ":a",
            "http://[v.x]/",
            "http://[::1]x/",
        ] {
            assert!(!is_uri_reference(bad), "{bad}");
        }
        assert!(is_uri("https://a/b") && is_uri("urn:x") && !is_uri("/schema") && !is_uri("") && !is_uri("a/b:c"));
    }

    #[test]
    fn media_types_are_those_of_rfc_2045_and_no_others() {
        for good in [
            "application/json",
            "application/vnd.a+json; charset=utf-8",
            "text/plain;charset=\"a;\\\"b\" ; x=y",
            "image/*",
        ] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in ["", "xyz", "a/", "/b", "a/b/c", "a/b;", "a/b;c", "a/b; c=", "a/b;c=\"d", "a b/c", "a/b c", "ä/b"] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }

    #[test]
    fn plain_texts_have_no_control_characters_and_none_that_are_not_characters() {
        assert!(is_plain("Zoë \u{1f600}") && is_plain(""));
        for bad in ["a\nb", "a\0", "\u{7f}", "é\u{85}", "\u{ffff}", "\u{fdd0}", "\u{1fffe}"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }
}
