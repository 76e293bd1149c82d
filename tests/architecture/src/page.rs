//! The Markdown pages of the tree: their links, the anchors of their headings, and the commands that they show.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::shell;

/// A page of Markdown.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it lies, from the root of the tree, with `/` between folders.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// A link to another place of the tree, or of the same page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The line on which it stands, from 1.
    pub line: usize,
    /// What it leads to, as written.
    pub target: String,
}

/// A command that a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The line on which it stands, from 1.
    pub line: usize,
    /// Its words, without quotes.
    pub words: Vec<String>,
    /// Whether it stands within a sentence, where arguments may be left out; else it stands in a block, to be copied.
    pub is_inline: bool,
}

/// The root of the tree.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads every page below the root, but for hidden folders and what was built.
///
/// # Errors
/// When a folder or a page cannot be read.
pub fn pages(root: &Path) -> io::Result<Vec<Page>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_skipped = name.starts_with('.') || name == "target" || name == "node_modules";
            if path.is_dir() && !is_skipped {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                found.push(Page { text: fs::read_to_string(&path)?, path: shown });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// A line of a page: of prose, or of a block of a language (which may be unnamed).
enum Part<'a> {
    Prose(&'a str),
    Code(&'a str, &'a str),
}

impl Page {
    fn parts(&self) -> impl Iterator<Item = (usize, Part<'_>)> {
        let mut language = None;
        self.text.lines().enumerate().filter_map(move |(index, line)| {
            let fence = line.trim_start().strip_prefix("```");
            match (language, fence) {
                (None, Some(name)) => language = Some(name.trim()),
                (Some(_), Some(_)) => language = None,
                (Some(language), None) => return Some((index + 1, Part::Code(language, line))),
                (None, None) => return Some((index + 1, Part::Prose(line))),
            }
            None
        })
    }

    /// Returns the lines of prose with their numbers, from 1: all lines outside of code blocks.
    pub fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        self.parts().filter_map(|(number, part)| match part {
            Part::Prose(line) => Some((number, line)),
            Part::Code(..) => None,
        })
    }

    /// What stands between backticks.
    #[must_use]
    pub fn code(&self) -> Vec<String> {
        self.prose().flat_map(|(_, line)| spans(line)).collect()
    }

    /// Returns the links that lead into the tree; links to other sites are left out.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        let mut found = Vec::new();
        for (line, text) in self.prose() {
            let text = without_code(text);
            for after in text.split("](").skip(1) {
                let target = after.split(')').next().unwrap_or_default().trim();
                if !target.contains("://") && !target.starts_with("mailto:") {
                    found.push(Link { line, target: target.to_owned() });
                }
            }
        }
        found
    }

    /// The anchors of the page's headings, as GitHub makes them.
    #[must_use]
    pub fn anchors(&self) -> Vec<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut found = Vec::new();
        for (_, line) in self.prose() {
            let text = line.trim_start_matches('#');
            if text.len() == line.len() || !text.starts_with(' ') {
                continue;
            }
            let slug = slug(text);
            let count = counts.entry(slug.clone()).or_default();
            found.push(if *count == 0 { slug } else { format!("{slug}-{count}") });
            *count += 1;
        }
        found
    }

    /// Returns the commands in blocks marked `sh`, and the commands between backticks.
    #[must_use]
    pub fn commands(&self) -> Vec<Shown> {
        let mut found = Vec::new();
        let mut continued = String::new();
        for (line, part) in self.parts() {
            match part {
                Part::Code("sh", text) => {
                    if let Some(start) = text.strip_suffix('\\') {
                        continued.push_str(start);
                        continue;
                    }
                    let whole = std::mem::take(&mut continued) + text;
                    let commands = shell::commands(&whole).into_iter();
                    found.extend(commands.map(|words| Shown { line, words, is_inline: false }));
                }
                Part::Code(..) => {}
                Part::Prose(text) => {
                    let commands = spans(text).into_iter().flat_map(|span| shell::commands(&span));
                    found.extend(commands.map(|words| Shown { line, words, is_inline: true }));
                }
            }
        }
        found
    }
}

/// What stands between backticks on a line, the escapes of tables undone.
#[must_use]
pub fn spans(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((_, after)) = rest.split_once('`') {
        let ticks = 1 + after.len() - after.trim_start_matches('`').len();
        let inside = after.trim_start_matches('`');
        let Some((span, behind)) = inside.split_once(&"`".repeat(ticks)) else { break };
        found.push(span.replace("\\|", "|"));
        rest = behind;
    }
    found
}

fn without_code(line: &str) -> String {
    spans(line)
        .iter()
        .fold(line.to_owned(), |text, span| text.replace(&format!("`{}`", span.replace('|', "\\|")), "``"))
}

/// A heading as GitHub writes it into an anchor.
fn slug(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
