//! How deep a JSON text nests, found in one pass without recursion.
//!
//! It runs before any parser sees the text: the event matcher recurses per level and would overflow its stack, and
//! `serde_json`'s `RawValue` skips over nesting without a bound.

/// Says whether brackets nest deeper than `most` levels. The text need not be valid JSON; strings are skipped over.
pub(crate) fn exceeds(text: &str, most: usize) -> bool {
    // What opens no more often than that cannot be deeper, and most events have a handful: counting goes many bytes at
    // a time.
    let opening = |byte| memchr::memchr_iter(byte, text.as_bytes()).count();
    if opening(b'[') + opening(b'{') <= most {
        return false;
    }
    let (mut depth, mut rest) = (0_usize, text.as_bytes());
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => rest = behind_string(behind),
            b'[' | b'{' => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// What follows the JSON string that has just begun; nothing where it does not end. Most bytes of an event stand in
/// strings, so these are not looked at one by one.
pub fn behind_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let is_end = rest.get(at) == Some(&b'"');
        // Whatever is escaped, it is one byte that ends no string.
        rest = rest.get(at + if is_end { 1 } else { 2 }..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::exceeds;

    #[test]
    fn the_bound_itself_is_allowed_and_one_more_is_not() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(!exceeds(&nested(64), 64));
        assert!(exceeds(&nested(65), 64));
        assert!(exceeds(&nested(100_000), 64));
    }

    #[test]
    fn a_text_that_opens_often_is_looked_at_closely() {
        let many = format!("[{}1]", "[],".repeat(200));
        assert!(!exceeds(&many, 64));
        assert!(exceeds(&format!("{many}{}", "{".repeat(65)), 64));
    }

    #[test]
    fn brackets_in_strings_do_not_count_even_behind_escaped_quotes() {
        assert!(!exceeds(r#"{"a":"[[[[\"[[[["}"#, 1));
        assert!(exceeds(r#"{"a":"\\",  "b":[1]}"#, 1));
    }

    #[test]
    fn siblings_do_not_add_up() {
        assert!(!exceeds("[[],[],[],[]]", 2));
    }
}
