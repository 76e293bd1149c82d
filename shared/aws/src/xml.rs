//! The XML that AWS's query protocol answers, as a tree of elements.

use xmlparser::{ElementEnd, Token, Tokenizer};

/// An element with its text or its children. Attributes and namespaces carry nothing that is asked for here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Xml {
    name: String,
    text: String,
    children: Vec<Self>,
}

impl Xml {
    /// Reads a document; `None` where it is not well formed.
    pub(crate) fn parse(document: &str) -> Option<Self> {
        let mut open = vec![Self::default()];
        for token in Tokenizer::from(document) {
            match token.ok()? {
                Token::ElementStart { local, .. } => {
                    open.push(Self { name: local.as_str().to_owned(), ..Self::default() });
                }
                Token::ElementEnd { end: ElementEnd::Empty | ElementEnd::Close(..), .. } => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(done);
                }
                Token::Text { text } => open.last_mut()?.text.push_str(&unescaped(text.as_str())),
                Token::Cdata { text, .. } => open.last_mut()?.text.push_str(text.as_str()),
                _ => {}
            }
        }
        let [root]: [Self; 1] = open.try_into().ok()?;
        let [document]: [Self; 1] = root.children.try_into().ok()?;
        Some(document)
    }

    /// The first element of this name, at any depth.
    pub(crate) fn find(&self, name: &str) -> Option<&Self> {
        let here = self.children.iter().find(|child| child.name == name);
        here.or_else(|| self.children.iter().find_map(|child| child.find(name)))
    }

    /// The members of the list of this name directly below; none where there is no such list.
    pub(crate) fn members(&self, list: &str) -> &[Self] {
        self.children.iter().find(|child| child.name == list).map_or(&[], |list| &list.children)
    }

    /// The elements of this name directly below.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the element of this name directly below; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.children.iter().find(|child| child.name == name).map_or("", Self::own_text)
    }

    /// The text of this element.
    pub(crate) fn own_text(&self) -> &str {
        self.text.trim()
    }
}

/// The text with its five named entities read; AWS writes no others into what is asked for here.
fn unescaped(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"<?xml version="1.0"?><Response xmlns="urn:x"><Result><Names>
        <member><Name>a &amp; &lt;b&gt;</Name></member><member><Name>c</Name><Empty/></member></Names></Result></Response>"#;

    #[test]
    fn lists_and_texts_are_found_by_name() {
        let answer = Xml::parse(ANSWER).unwrap();
        let result = answer.find("Result").unwrap();
        let names: Vec<&str> = result.members("Names").iter().map(|member| member.text("Name")).collect();
        assert_eq!(names, ["a & <b>", "c"]);
        assert_eq!((answer.find("Empty").unwrap().own_text(), result.text("Names")), ("", ""));
        assert!(result.members("Others").is_empty() && answer.find("Others").is_none());
    }

    #[test]
    fn what_is_not_well_formed_is_no_document() {
        for wrong in ["", "<a>", "<a><b></a>x", "not xml", "<a/><b/>"] {
            assert_eq!(Xml::parse(wrong), None, "{wrong}");
        }
    }
}
