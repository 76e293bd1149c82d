//! What the pages say, in the languages that they speak.

mod english;
mod french;
mod german;
mod spanish;

use acequia_core::mail::Locale;

/// The words of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    /// The button to agree.
    Accept,
    /// The button to agree, with the newsletter.
    AcceptOptIn,
    /// The button to decline.
    Reject,
    /// The button to end all mails.
    Unsubscribe,
    /// The moderator's buttons.
    Approve,
    /// As above.
    Decline,
    /// It is done.
    Accepted,
    /// As above.
    Rejected,
    /// As above.
    Unsubscribed,
    /// As above.
    Approved,
    /// As above.
    Declined,
    /// It was so before.
    AlreadyAccepted,
    /// As above.
    AlreadyRejected,
    /// As above.
    AlreadyUnsubscribed,
    /// As above, for a moderator.
    AlreadyDecided,
    /// It cannot be done any more, because the reader declined before.
    TooLate,
    /// The link is too old; the button asks for a new mail.
    Expired,
    /// The link is too old, and cannot be renewed.
    ExpiredForGood,
    /// A new mail is on its way.
    Renewed,
    /// A new mail was asked for a moment ago.
    RenewedBefore,
    /// There is no such page.
    NotFound,
    /// It does not work now. There is no button: a reader who only looked must not act by trying again.
    Trouble,
}

impl Say {
    /// Returns the reason that the page gives; nothing where the page belongs to no tenant.
    fn why(self) -> Option<Why> {
        match self {
            Self::Accept | Self::AcceptOptIn => Some(Why::Signed),
            Self::Reject | Self::Unsubscribe => Some(Why::Writes),
            Self::Approve | Self::Decline => Some(Why::Moderates),
            Self::Expired | Self::ExpiredForGood => Some(Why::Old),
            Self::NotFound | Self::Trouble => None,
            _ => Some(Why::Answered),
        }
    }

    /// Whether it tells that all is as the reader wanted it.
    pub(crate) fn is_success(self) -> bool {
        self.why() == Some(Why::Answered) && !matches!(self, Self::TooLate | Self::RenewedBefore)
    }
}

/// Why the reader sees the page: the small print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// A person signed with the reader's address.
    Signed,
    /// The tenant writes to the reader.
    Writes,
    /// The reader is a moderator.
    Moderates,
    /// The link is old.
    Old,
    /// There is nothing left to do.
    Answered,
}

/// What a page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) heading: &'static str,
    pub(crate) text: &'static str,
    /// The label of the button; empty where there is none.
    pub(crate) button: &'static str,
    /// Which tenant asks, and why.
    pub(crate) small_print: String,
    /// What stands before the name of what it is about.
    pub(crate) about: &'static str,
}

/// A heading, a text, and the label of a button.
type Three = (&'static str, &'static str, &'static str);

/// One language of the pages.
struct Language {
    tag: &'static str,
    words: fn(Say) -> Three,
    why: fn(Why) -> &'static str,
    about: &'static str,
}

/// The languages of the pages. The first is for everybody else.
const LANGUAGES: [Language; 4] = [
    Language { tag: "en", words: english::words, why: english::why, about: english::ABOUT },
    Language { tag: "fr", words: french::words, why: french::why, about: french::ABOUT },
    Language { tag: "de", words: german::words, why: german::why, about: german::ABOUT },
    Language { tag: "es", words: spanish::words, why: spanish::why, about: spanish::ABOUT },
];

/// The language of the pages that suits the reader best: what `Accept-Language` asks for, in its order, or else the
/// tenant's own.
pub(crate) fn language(wanted: &str, tenants: Option<&Locale>) -> &'static str {
    let known = |tag: &str| LANGUAGES.iter().map(|language| language.tag).find(|known| *known == tag);
    let asked = wanted.split(',').take(10).filter_map(|part| part.split(';').next()?.trim().parse::<Locale>().ok());
    let wanted = asked.flat_map(|locale| locale.chain().map(str::to_owned).collect::<Vec<_>>());
    let own = tenants.into_iter().flat_map(|locale| locale.chain().map(str::to_owned).collect::<Vec<_>>());
    wanted.chain(own).find_map(|tag| known(&tag)).unwrap_or("en")
}

/// The words for a page of `name`'s in one of [`LANGUAGES`].
pub(crate) fn words(say: Say, tag: &str, name: &str) -> Words {
    let [english, ..] = &LANGUAGES;
    let language = LANGUAGES.iter().find(|language| language.tag == tag).unwrap_or(english);
    let (heading, text, button) = (language.words)(say);
    let small_print = say.why().map(|why| (language.why)(why).replace("{name}", name)).unwrap_or_default();
    Words { heading, text, button, small_print, about: language.about }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_speaks_what_its_reader_prefers_or_else_what_its_tenant_does() {
        let french: Locale = "fr-CA".parse().unwrap();
        for (wanted, tenants, found) in [
            ("de-AT,de;q=0.9,en;q=0.8", None, "de"),
            ("pt-BR, fr;q=0.5", None, "fr"),
            ("*", Some(&french), "fr"),
            ("", Some(&french), "fr"),
            ("en", Some(&french), "en"),
            ("", None, "en"),
            ("<script>", None, "en"),
            ("es-MX", Some(&french), "es"),
        ] {
            assert_eq!(language(wanted, tenants), found, "{wanted}");
        }
    }

    #[test]
    fn every_language_has_words_of_its_own_for_every_question_and_names_who_asks() {
        let questions = [Say::Accept, Say::AcceptOptIn, Say::Reject, Say::Unsubscribe, Say::Approve, Say::Decline];
        for say in questions.into_iter().chain([Say::Expired]) {
            let all: std::collections::BTreeSet<_> = LANGUAGES
                .iter()
                .map(|language| {
                    let words = words(say, language.tag, "Acme");
                    assert!(words.small_print.contains("Acme"), "{say:?} in {}", language.tag);
                    (words.heading, words.text, words.button)
                })
                .collect();
            assert_eq!(all.len(), LANGUAGES.len(), "{say:?}");
        }
        assert_eq!(words(Say::NotFound, "en", "Acme").small_print, "");
    }
}
