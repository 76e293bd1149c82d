//! Texts compared without regard to case, letter by letter: a letter of the pattern takes its lower and its upper form,
//! however many letters those have (`ß` takes `SS`, and not the other way round).
//!
//! An event's texts are bytes: JSON may hold half of a surrogate pair, which is no Unicode text.

/// One letter of a pattern: the forms that it takes, in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Letter([Vec<u8>; 2]);

/// A text of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnyCase(Vec<Letter>);

impl AnyCase {
    pub(super) fn new(text: &str) -> Self {
        let forms = |letter: char| {
            [
                letter.to_lowercase().collect::<String>().into_bytes(),
                letter.to_uppercase().collect::<String>().into_bytes(),
            ]
        };
        Self(text.chars().map(|letter| Letter(forms(letter))).collect())
    }

    /// Whether the text is this one.
    pub(super) fn is(&self, text: &[u8]) -> bool {
        self.strip_prefix(text).is_some_and(<[u8]>::is_empty)
    }

    /// Whether the text begins with this one.
    pub(super) fn begins(&self, text: &[u8]) -> bool {
        self.strip_prefix(text).is_some()
    }

    /// Whether the text ends with this one.
    pub(super) fn ends(&self, text: &[u8]) -> bool {
        let strip = |text: &'_ [u8], form: &[u8]| text.strip_suffix(form).map(<[u8]>::len);
        let mut rest = text;
        for Letter(forms) in self.0.iter().rev() {
            let Some(length) = forms.iter().find_map(|form| strip(rest, form)) else { return false };
            rest = rest.get(..length).unwrap_or_default();
        }
        true
    }

    fn strip_prefix<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        self.0
            .iter()
            .try_fold(text, |rest, Letter(forms)| forms.iter().find_map(|form| rest.strip_prefix(form.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::AnyCase;

    #[test]
    fn letters_are_compared_in_both_forms() {
        for (pattern, text, is) in [
            ("vip", "VIP", true),
            ("ViP", "vIp", true),
            ("vip", "vi", false),
            ("ÉTÉ", "été", true),
            ("ß", "SS", true),
            ("ss", "ß", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(AnyCase::new(pattern).is(text.as_bytes()), is, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn beginnings_and_ends_are_found_in_any_case() {
        let text = "Straße".as_bytes();
        assert!(AnyCase::new("STR").begins(text) && !AnyCase::new("TR").begins(text));
        assert!(AnyCase::new("aßE").ends(text) && !AnyCase::new("aß").ends(text));
        assert!(AnyCase::new("ße").ends(b"STRASSE"));
    }
}
