//! The token at the end of a link's path, without what mail programs took along behind it.
//!
//! A link that stands in a text is followed by a full stop, a bracket or a quotation mark, and programs that look for
//! links in texts disagree whether that belongs to it. A token ends with its signature, whose length is known; so what
//! stands behind it is told from it, and left out where it has no letter or digit.

use percent_encoding::percent_decode_str;

/// The length of a signature: 32 bytes in base64url without padding.
const SIGNATURE_CHARS: usize = 43;

/// The token that the last parts of a path have; what is none is handed on as it is, and refused where it is read.
pub(crate) fn token(parts: &[String]) -> String {
    let whole = parts.join("/");
    let whole = percent_decode_str(&whole).decode_utf8_lossy();
    let end = whole.match_indices('.').nth(1).map(|(dot, _)| dot + 1 + SIGNATURE_CHARS);
    match end.and_then(|end| whole.split_at_checked(end)) {
        Some((own, tail)) if !tail.chars().any(char::is_alphanumeric) => own.to_owned(),
        _ => whole.into_owned(),
    }
}

#[cfg(test)]
mod tests {

    fn read(text: &str) -> String {
        super::token(&text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_mail_programs_take_along_does_not_belong_to_a_token() {
        let token = format!("links-1.AQ_-x.{}-_", "s".repeat(41));
        assert_eq!(read(&token), token);
        for tail in [
            ".", ",", ">", ")", ";", "\"", "'", "/", ":", "!", "?", "]", "*", "_", "...", "\">", ").", "/.", "%3E",
            "%22%3E", "%2F", "%20", "\u{a0}", "\u{bb}", "%C2%BB", "%0D%0A",
        ] {
            assert_eq!(read(&format!("{token}{tail}")), token, "{tail:?}");
        }
        assert_eq!(read(&token.replace('.', "%2E")), token);
    }

    #[test]
    fn what_is_no_whole_token_or_more_than_one_stays_as_it_is() {
        let token = format!("links.AQ.{}", "s".repeat(43));
        for text in [
            token.split_at(40).0,
            "links",
            "links.AQ",
            &format!("{token}x"),
            &format!("{token}/more"),
            &format!("{token}.x"),
        ] {
            assert_eq!(read(text), text.replace("//", "/"), "{text}");
        }
    }
}
