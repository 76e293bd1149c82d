//! How deep a JSON text nests, found in one pass without recursion.
//!
//! It runs before any parser sees the text: the event matcher recurses per level and would overflow its stack, and
//! `serde_json`'s `RawValue` skips over nesting without a bound.

/// Says whether brackets nest deeper than `most` levels. The text need not be valid JSON; strings are skipped over.
pub(crate) fn exceeds(text: &str, most: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
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
    fn brackets_in_strings_do_not_count_even_behind_escaped_quotes() {
        assert!(!exceeds(r#"{"a":"[[[[\"[[[["}"#, 1));
        assert!(exceeds(r#"{"a":"\\",  "b":[1]}"#, 1));
    }

    #[test]
    fn siblings_do_not_add_up() {
        assert!(!exceeds("[[],[],[],[]]", 2));
    }
}
