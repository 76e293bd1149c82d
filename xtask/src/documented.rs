//! Every `cargo xtask` command in a document is one: it is read by this program's own parser.

use architecture::page::{pages, root};
use architecture::shell::{commands, filled};
use clap::Parser as _;
use clap::error::ErrorKind;

use super::Arguments;

fn example(placeholder: &str) -> Option<&'static str> {
    (placeholder == "N").then_some("5")
}

/// Says what the parser has against a command (`cargo xtask` and what follows). Within a sentence arguments may be left
/// out.
fn problem(words: &[String], is_inline: bool) -> Option<String> {
    let error = Arguments::try_parse_from(filled(words, example).iter().skip(1)).err()?;
    let is_meant = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => is_inline,
        _ => false,
    };
    (!is_meant).then(|| error.to_string())
}

#[test]
fn every_task_in_the_documents_is_one() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for page in pages(&root()).unwrap() {
        for shown in page.commands() {
            let is_task = matches!(shown.words.as_slice(), [cargo, xtask, ..] if cargo == "cargo" && xtask == "xtask");
            let problem = Some(&shown.words).filter(|_| is_task).and_then(|words| problem(words, shown.is_inline));
            checked += usize::from(is_task);
            if let Some(problem) = problem {
                wrong.push(format!("{}:{}: {}\n{problem}", page.path, shown.line, shown.words.join(" ")));
            }
        }
    }
    assert!(checked > 30, "commands are found where they are looked for");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_task_that_is_none_is_found() {
    let check = |line: &str, is_inline| problem(&commands(line).remove(0), is_inline);

    assert_eq!(check("cargo xtask demo --events 500", false), None);
    assert_eq!(check("cargo xtask test --e2e [FILTER]", true), None);
    assert_eq!(check("cargo xtask deploy", true), None);
    for wrong in ["cargo xtask demo --no-such-flag", "cargo xtask no-such-task", "cargo xtask demo --events many"] {
        assert!(check(wrong, true).is_some(), "{wrong}");
    }
}
