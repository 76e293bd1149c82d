//! Templates as people write them: MJML, and files beside the tenant's file. They are turned into the HTML and the text
//! that the configuration stores, so that no function ever compiles one.
//!
//! In a language of a template, `mjml` or `mjml_file`, or `html` or `html_file`, gives the HTML; `text` or `text_file`
//! the plain text, which is made from the HTML where it is left out.

use std::path::Path;

use acequia_core::template::MAX_TEMPLATE_BYTES;
use acequia_core::tenant::Issue;
use serde_json::{Map, Value as Json};

use crate::beside;

/// The deepest nesting of tags: MJML's parser and renderer recurse.
const MAX_DEPTH: usize = 60;
/// Where lines of plain text are broken.
const WIDTH: usize = 76;

/// Replaces, in the document, what stands for the HTML and the text of each template; answers what is wrong with them.
pub(crate) fn resolve(document: &mut Json, folder: Option<&Path>) -> Vec<Issue> {
    let mut issues = Vec::new();
    let Some(templates) = document.get_mut("templates").and_then(Json::as_object_mut) else { return issues };
    for (name, languages) in templates {
        for (tag, template) in languages.as_object_mut().into_iter().flatten() {
            let Some(fields) = template.as_object_mut() else { continue };
            if let Err((field, problem, line)) = resolve_one(fields, tag, folder) {
                issues.push(Issue { path: format!("templates.{name}.{tag}.{field}"), problem, line_in_value: line });
            }
        }
    }
    issues
}

/// Which field is wrong, how, and in which line of it.
type Wrong = (&'static str, String, Option<usize>);

fn resolve_one(fields: &mut Map<String, Json>, tag: &str, folder: Option<&Path>) -> Result<(), Wrong> {
    for (field, file) in [("mjml", "mjml_file"), ("html", "html_file"), ("text", "text_file")] {
        let Some(name) = fields.remove(file) else { continue };
        if fields.contains_key(field) {
            return Err((file, format!("{field} stands beside it: leave one of the two out"), None));
        }
        let source = beside::read(&name, folder, MAX_TEMPLATE_BYTES).map_err(|problem| (file, problem, None))?;
        fields.insert(field.to_owned(), Json::from(source));
    }
    if let Some(mjml) = fields.remove("mjml") {
        if fields.contains_key("html") {
            return Err(("mjml", "html stands beside it: leave one of the two out".to_owned(), None));
        }
        // What is no text is left for the check of types.
        let html = mjml
            .as_str()
            .map(|source| compile(source, tag))
            .transpose()
            .map_err(|(problem, line)| ("mjml", problem, line))?;
        fields.insert("html".to_owned(), html.map_or(mjml, Json::from));
    }
    if !fields.contains_key("text")
        && let Some(html) = fields.get("html").and_then(Json::as_str)
    {
        let text = text_of(html).map_err(|problem| ("html", problem, None))?;
        fields.insert("text".to_owned(), Json::from(text));
    }
    Ok(())
}

/// The HTML of MJML, in the language of its tag where it names none itself. Nothing is fetched: an `mj-include` is
/// refused.
fn compile(source: &str, tag: &str) -> Result<String, (String, Option<usize>)> {
    bounded(source).map_err(|problem| (problem, None))?;
    let mut parsed = mrml::parse(source).map_err(|error| (format!("the MJML does not compile: {error}"), None))?;
    // Screen readers pronounce a mail by it.
    parsed.element.attributes.lang.get_or_insert_with(|| tag.to_owned());
    parsed
        .element
        .render(&mrml::prelude::render::RenderOptions::default())
        .map_err(|error| (format!("the MJML does not compile: {error}"), None))
}

/// Refuses what could hurt a parser: too much of it, or nested too deep.
fn bounded(source: &str) -> Result<(), String> {
    if source.len() > MAX_TEMPLATE_BYTES {
        return Err(format!("it has {} bytes; at most {MAX_TEMPLATE_BYTES} are taken", source.len()));
    }
    let mut depth = 0_usize;
    let mut rest = source;
    while let Some((_, tag)) = rest.split_once('<') {
        match tag.as_bytes().first() {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(first) if first.is_ascii_alphabetic() => {
                let closes_itself = tag.split_once('>').is_some_and(|(inside, _)| inside.ends_with('/'));
                depth += usize::from(!closes_itself && !is_void(tag));
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(format!("its tags nest deeper than {MAX_DEPTH} levels"));
        }
        rest = tag;
    }
    Ok(())
}

/// Whether the tag is one of HTML's that are never closed.
fn is_void(tag: &str) -> bool {
    let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
    ["br", "hr", "img", "input", "link", "meta", "wbr"].contains(&name.to_ascii_lowercase().as_str())
}

/// The plain text of HTML, with links as numbered notes.
///
/// Control tags are refused: HTML's own rules move text that stands between the parts of a table, and with it an
/// `{% if %}`, so what would come out might say something else than the HTML.
fn text_of(html: &str) -> Result<String, String> {
    if html.contains("{%") {
        return Err("the plain text cannot be made from HTML with {% %} in it: write `text` too".to_owned());
    }
    bounded(html)?;
    let config = html2text::config::plain().no_table_borders().link_footnotes(true).allow_width_overflow();
    config
        .string_from_read(html.as_bytes(), WIDTH)
        .map(|text| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned() + "\n")
        .map_err(|error| format!("the plain text cannot be made from the HTML ({error}): write `text` too"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MJML: &str = "<mjml><mj-body><mj-section><mj-column>\
        <mj-text>Dear {{ data.name }} &amp; friends</mj-text><mj-button href=\"{{ links.accept }}\">Yes</mj-button>\
        </mj-column></mj-section></mj-body></mjml>";

    fn resolved(fields: &Json, folder: Option<&Path>) -> Result<Json, Vec<Issue>> {
        let mut document = serde_json::json!({ "templates": { "confirm": { "en": fields } } });
        let issues = resolve(&mut document, folder);
        if issues.is_empty() { Ok(document["templates"]["confirm"]["en"].take()) } else { Err(issues) }
    }

    #[test]
    fn mjml_becomes_html_and_html_becomes_text_and_the_variables_stay() {
        let fields = resolved(&serde_json::json!({ "subject": "x", "mjml": MJML }), None).unwrap();
        let (html, text) = (fields["html"].as_str().unwrap(), fields["text"].as_str().unwrap());
        assert!(html.contains("<!doctype html>") && html.contains("href=\"{{ links.accept }}\""), "{html}");
        assert!(text.contains("Dear {{ data.name }} & friends") && text.contains("{{ links.accept }}"), "{text}");
        assert!(fields.get("mjml").is_none());
        for (source, is_html) in [(html, true), (text, false)] {
            acequia_core::template::Template::compile_mail("html", source, is_html).unwrap();
        }
    }

    #[test]
    fn files_are_read_from_the_tenants_folder_and_from_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("confirm.mjml"), MJML).unwrap();
        std::fs::write(folder.path().join("confirm.txt"), "Yes: {{ links.accept }}").unwrap();
        let fields = serde_json::json!({ "subject": "x", "mjml_file": "confirm.mjml", "text_file": "./confirm.txt" });
        let fields = resolved(&fields, Some(folder.path())).unwrap();
        assert_eq!(fields["text"], "Yes: {{ links.accept }}");
        for name in ["../confirm.mjml", "/etc/passwd", "", "nowhere.mjml"] {
            let issues = resolved(&serde_json::json!({ "mjml_file": name }), Some(folder.path())).unwrap_err();
            assert_eq!(issues[0].path, "templates.confirm.en.mjml_file", "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_within_the_tenants_folder_and_not_out_of_it() {
        use std::os::unix::fs::symlink;

        let world = tempfile::tempdir().unwrap();
        let folder = world.path().join("acme");
        std::fs::create_dir_all(folder.join("inner")).unwrap();
        std::fs::write(world.path().join("secret.html"), "<p>a secret</p>").unwrap();
        std::fs::write(folder.join("own.html"), "<p>our own</p>").unwrap();
        symlink(world.path().join("secret.html"), folder.join("out.html")).unwrap();
        symlink(world.path(), folder.join("up")).unwrap();
        symlink("../own.html", folder.join("inner/in.html")).unwrap();
        let of = |name: &str| resolved(&serde_json::json!({ "subject": "x", "html_file": name }), Some(&folder));
        assert_eq!(of("inner/in.html").unwrap()["html"], "<p>our own</p>");
        for name in ["out.html", "up/secret.html"] {
            let issues = of(name).unwrap_err();
            assert!(issues[0].problem.contains("leads out of"), "{name}: {}", issues[0].problem);
        }
        assert!(of("inner").unwrap_err()[0].problem.contains("no file"));
    }

    #[test]
    fn a_file_of_another_editor_is_read_or_its_encoding_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let fields = serde_json::json!({ "subject": "x", "text_file": "a.txt" });
        std::fs::write(folder.path().join("a.txt"), "\u{feff}one\r\ntwo\r\n").unwrap();
        assert_eq!(resolved(&fields, Some(folder.path())).unwrap()["text"], "one\ntwo\n");
        std::fs::write(folder.path().join("a.txt"), b"one\nd\xe9j\xe0\n").unwrap();
        let issues = resolved(&fields, Some(folder.path())).unwrap_err();
        assert!(issues[0].problem.contains("a.txt:2: ") && issues[0].problem.contains("Latin-1"), "{issues:?}");
    }

    #[test]
    fn what_is_wrong_with_a_template_is_said_of_its_field() {
        let deep = format!("<mjml><mj-body>{}</mj-body></mjml>", "<mj-wrapper>".repeat(1000));
        let rows = [
            (serde_json::json!({ "mjml": "<mjml><mj-bodx/></mjml>" }), "mjml", "does not compile"),
            (serde_json::json!({ "mjml": "no mjml" }), "mjml", "does not compile"),
            (
                serde_json::json!({ "mjml": "<mjml><mj-body><mj-include path='x.mjml'/></mj-body></mjml>" }),
                "mjml",
                "compile",
            ),
            (serde_json::json!({ "mjml": deep }), "mjml", "nest"),
            (serde_json::json!({ "html": "<div>".repeat(10_000) }), "html", "nest"),
            (serde_json::json!({ "mjml": " ".repeat(300_000) }), "mjml", "bytes"),
            (serde_json::json!({ "mjml": MJML, "html": "<p>x</p>" }), "mjml", "leave one"),
            (serde_json::json!({ "html": "x", "html_file": "x.html" }), "html_file", "leave one"),
            (
                serde_json::json!({ "html": "<table>{% if data.x %}<tr><td>x</td></tr>{% endif %}</table>" }),
                "html",
                "write `text`",
            ),
        ];
        for (fields, field, words) in rows {
            let issues = resolved(&fields, None).unwrap_err();
            assert_eq!(issues[0].path, format!("templates.confirm.en.{field}"));
            assert!(issues[0].problem.contains(words), "{field}: {}", issues[0].problem);
        }
    }

    #[test]
    fn a_document_without_templates_is_left_as_it_is() {
        let mut document = serde_json::json!({ "tenant": "acme" });
        assert!(resolve(&mut document, None).is_empty());
        assert_eq!(document, serde_json::json!({ "tenant": "acme" }));
    }
}
