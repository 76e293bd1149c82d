//! Where in a TOML file a field stands: from a path such as `sinks[1].headers.x-team` to its line.

use std::ops::Range;

use toml_edit::{Item, Key, TableLike, Value};

/// The line (1-based) of the byte at `offset`.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// The line of the field at `path`; where it is not there, that of the nearest thing around it that is.
///
/// `line_in_value` is a line within the field's own text, where that has several.
pub(crate) fn line_of(text: &str, root: &Item, path: &str, line_in_value: Option<usize>) -> Option<usize> {
    let mut at = Place { key: None, item: Node::Item(root) };
    let mut best = None;
    let mut rest = path;
    while !rest.is_empty() {
        let Some((next, after)) = step(&at.item, rest) else { break };
        best = next.start().or(best);
        at = next;
        rest = after;
    }
    let line = line_at(text, best?);
    match (rest.is_empty(), line_in_value, at.item.span()) {
        (true, Some(line_in_value), Some(span)) => Some(line_in(text, &span, line_in_value)),
        _ => Some(line),
    }
}

/// The line in the file of a line of a text that stands at `span`.
fn line_in(text: &str, span: &Range<usize>, line: usize) -> usize {
    let first = line_at(text, span.start);
    let raw = text.get(span.clone()).unwrap_or_default();
    let is_multi_line = raw.starts_with("\"\"\"") || raw.starts_with("'''");
    if !is_multi_line {
        return first;
    }
    // A line end right behind the opening quotes does not belong to the text.
    let begins_below = raw.get(3..).is_some_and(|rest| rest.starts_with('\n') || rest.starts_with("\r\n"));
    first + usize::from(begins_below) + line.saturating_sub(1)
}

/// A value of the document; elements of an array are no items.
enum Node<'a> {
    Item(&'a Item),
    Value(&'a Value),
    Table(&'a toml_edit::Table),
}

struct Place<'a> {
    key: Option<&'a Key>,
    item: Node<'a>,
}

impl Place<'_> {
    fn start(&self) -> Option<usize> {
        let key = self.key.and_then(Key::span);
        key.or_else(|| self.item.span()).map(|span| span.start)
    }
}

impl Node<'_> {
    fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Item(item) => item.span(),
            Self::Value(value) => value.span(),
            Self::Table(table) => table.span(),
        }
    }
}

/// One step along the path: the place it leads to, and what is left of the path.
fn step<'a, 'p>(node: &Node<'a>, path: &'p str) -> Option<(Place<'a>, &'p str)> {
    if let Some(rest) = path.strip_prefix('[') {
        let (index, rest) = rest.split_once(']')?;
        let index: usize = index.parse().ok()?;
        let item = match node {
            Node::Item(Item::ArrayOfTables(tables)) => Node::Table(tables.get(index)?),
            Node::Item(Item::Value(Value::Array(array))) | Node::Value(Value::Array(array)) => {
                Node::Value(array.get(index)?)
            }
            _ => return None,
        };
        return Some((Place { key: None, item }, rest));
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let table: &'a dyn TableLike = match node {
        Node::Item(item) => item.as_table_like()?,
        Node::Value(Value::InlineTable(table)) => table,
        Node::Value(_) => return None,
        Node::Table(table) => *table,
    };
    // A key may have dots in it, so the longest one that fits is the one.
    let fits = |key: &str| path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let name = table.iter().map(|(name, _)| name).filter(|name| fits(name)).max_by_key(|name| name.len())?;
    let (key, item) = table.get_key_value(name)?;
    Some((Place { key: Some(key), item: Node::Item(item) }, path.get(name.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
tenant = \"acme\"

[[sinks]]
id = \"crm\"
types = [
  \"a\",
  \"b\",
]
headers = { \"x.y\" = \"1\", z = \"2\" }

[[sinks]]
id = \"mail\"
text = \"\"\"
one
two\"\"\"
html = '''one
two'''
[sinks.pattern.data]
country = [\"FR\"]
";

    fn line(path: &str, line_in_value: Option<usize>) -> Option<usize> {
        let document = toml_edit::Document::parse(FILE).unwrap();
        line_of(FILE, document.as_item(), path, line_in_value)
    }

    #[test]
    fn every_kind_of_path_leads_to_its_line() {
        for (path, wanted) in [
            ("tenant", 1),
            ("sinks[0].id", 4),
            ("sinks[0].types", 5),
            ("sinks[0].types[1]", 7),
            ("sinks[0].headers.x.y", 9),
            ("sinks[0].headers.z", 9),
            ("sinks[1].id", 12),
            ("sinks[1].pattern", 18),
            ("sinks[1].pattern.data.country[0]", 19),
        ] {
            assert_eq!(line(path, None), Some(wanted), "{path}");
        }
    }

    #[test]
    fn a_field_that_is_missing_has_the_line_of_its_table() {
        assert_eq!(line("sinks[1].from", None), Some(11));
        assert_eq!(line("name", None), None);
    }

    #[test]
    fn a_line_of_a_text_is_counted_from_where_the_text_begins() {
        assert_eq!(line("sinks[1].text", Some(2)), Some(15));
        assert_eq!(line("sinks[1].html", Some(2)), Some(17));
        assert_eq!(line("sinks[1].id", Some(1)), Some(12));
    }
}
