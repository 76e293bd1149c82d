//! A JSON list, cut into its members without reading what is in them.
//!
//! Brackets and strings alone are looked at, so that a member that is no JSON, or no UTF-8, costs itself alone: who
//! reads the member finds out. All bytes that mean something here are ASCII, and none of them is a part of another
//! character of UTF-8.

use acequia_core::event::behind_string;

/// Why a list has no members to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoList {
    /// At this byte stands what cannot stand there, or the text ends.
    At(usize),
    /// It has more members than are taken.
    TooMany,
}

/// The members of a list, each without the space around it; at most `most`.
pub(crate) fn members(body: &[u8], most: usize) -> Result<Vec<&[u8]>, NoList> {
    let mut cut = Cut { body, at: 0 };
    cut.expect(b"[")?;
    let mut members = Vec::new();
    cut.skip_space();
    if cut.peek() == Some(b']') {
        cut.at += 1;
        return cut.end().map(|()| members);
    }
    loop {
        if members.len() == most {
            return Err(NoList::TooMany);
        }
        members.push(cut.member()?);
        if cut.expect(b",]")? == b']' {
            return cut.end().map(|()| members);
        }
    }
}

/// The line and the column of a byte, from 1, as errors of JSON name them.
pub(crate) fn position(body: &[u8], at: usize) -> (usize, usize) {
    let before = body.get(..at).unwrap_or(body);
    let begin = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    (memchr::memchr_iter(b'\n', before).count() + 1, before.len() - begin + 1)
}

/// Where in the list reading is.
struct Cut<'b> {
    body: &'b [u8],
    at: usize,
}

impl<'b> Cut<'b> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Goes behind the next byte, which is to be one of these.
    fn expect(&mut self, one_of: &[u8]) -> Result<u8, NoList> {
        self.skip_space();
        let found = self.peek().filter(|byte| one_of.contains(byte)).ok_or(NoList::At(self.at))?;
        self.at += 1;
        Ok(found)
    }

    /// Nothing may stand behind the list.
    fn end(&mut self) -> Result<(), NoList> {
        self.skip_space();
        if self.at == self.body.len() { Ok(()) } else { Err(NoList::At(self.at)) }
    }

    /// Goes behind one member, to the comma or the bracket that ends it.
    fn member(&mut self) -> Result<&'b [u8], NoList> {
        self.skip_space();
        let (begin, mut depth) = (self.at, 0_usize);
        loop {
            match self.peek().ok_or(NoList::At(self.at))? {
                b'"' => {
                    let inside = self.body.get(self.at + 1..).unwrap_or_default();
                    self.at = self.body.len() - behind_string(inside).len();
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b',' | b']' if depth == 0 => break,
                b']' | b'}' => depth = depth.checked_sub(1).ok_or(NoList::At(self.at))?,
                _ => {}
            }
            self.at += 1;
        }
        let member = self.body.get(begin..self.at).unwrap_or_default().trim_ascii_end();
        if member.is_empty() { Err(NoList::At(self.at)) } else { Ok(member) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(body: &str) -> Result<Vec<&str>, NoList> {
        members(body.as_bytes(), 1000)
            .map(|members| members.into_iter().map(|member| std::str::from_utf8(member).unwrap()).collect())
    }

    #[test]
    fn members_are_cut_where_they_end_whatever_is_in_them() {
        for (body, wanted) in [
            ("[]", vec![]),
            (" [ \r\n] ", vec![]),
            ("[1]", vec!["1"]),
            ("[ {\"a\" : [1,{}] } ,\t\"x,]\\\"]\" , null]", vec!["{\"a\" : [1,{}] }", "\"x,]\\\"]\"", "null"]),
            ("[nonsense, {\"a\":1}x, {\"a\":}]", vec!["nonsense", "{\"a\":1}x", "{\"a\":}"]),
        ] {
            assert_eq!(cut(body), Ok(wanted), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_told_apart_is_no_list_and_the_place_is_named() {
        for (body, at) in [
            ("", 0),
            ("{}", 0),
            ("[", 1),
            ("[{},]", 4),
            ("[,{}]", 1),
            ("[{}] x", 5),
            ("[{\"a\":1]", 8),
            ("[1}]", 2),
            ("[\"a]", 4),
            ("[\"a\\", 4),
        ] {
            assert_eq!(cut(body), Err(NoList::At(at)), "{body}");
        }
        assert_eq!(position(b"[\n{},\n ]", 7), (3, 2));
        assert_eq!(position(b"[", 9), (1, 2));
    }

    #[test]
    fn one_member_more_than_are_taken_is_too_many() {
        assert_eq!(members(b"[1,2]", 2).unwrap().len(), 2);
        assert_eq!(members(b"[1,2,3", 2), Err(NoList::TooMany));
    }

    proptest! {
        #[test]
        fn a_list_of_json_is_cut_as_a_parser_reads_it(items in proptest::collection::vec(json(), 0..6)) {
            let body = serde_json::to_string_pretty(&items).unwrap();
            let cut: Vec<serde_json::Value> =
                cut(&body).unwrap().into_iter().map(|member| serde_json::from_str(member).unwrap()).collect();
            prop_assert_eq!(cut, items);
        }

        #[test]
        fn nothing_makes_it_panic_and_nothing_that_a_parser_reads_is_refused(body in "[\\[\\]{},:\"\\\\a1 ]{0,24}") {
            let cut = members(body.as_bytes(), 1000);
            if let Ok(items) = serde_json::from_str::<Vec<serde_json::Value>>(&body) {
                prop_assert_eq!(cut.unwrap().len(), items.len());
            }
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(serde_json::Value::from),
            "[\\[\\]{},\"\\\\é]{0,8}".prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                proptest::collection::btree_map("[a-c\"]{1,2}", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }
}
