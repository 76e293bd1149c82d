//! Every `acequia` command in a document is one: it is read by the command line's own parser.

use architecture::page::{pages, root};
use architecture::shell::{commands, filled};
use clap::Parser as _;
use clap::error::ErrorKind;

use super::Arguments;

/// Values of what documents leave to the reader, where the parser does not take just any word.
fn example(placeholder: &str) -> Option<&'static str> {
    Some(match placeholder {
        "CODE" => "http-status",
        "COMMAND" => "status",
        "KEY" => "abcdefgh",
        "EVENT" | "SOURCE|ID" => "https://example.org|event-1",
        "N" => "5",
        "QUEUE" => "webhook",
        "TIME" => "2h",
        _ => return None,
    })
}

/// Says what the parser has against a command. Within a sentence arguments may be left out.
fn problem(words: &[String], is_inline: bool) -> Option<String> {
    let error = Arguments::try_parse_from(filled(words, example)).err()?;
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
fn every_command_in_the_documents_is_one() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for page in pages(&root()).unwrap() {
        let shown = page.commands().into_iter();
        for shown in shown.filter(|shown| shown.words.first().is_some_and(|program| program == "acequia")) {
            checked += 1;
            if let Some(problem) = problem(&shown.words, shown.is_inline) {
                wrong.push(format!("{}:{}: {}\n{problem}", page.path, shown.line, shown.words.join(" ")));
            }
        }
    }
    assert!(checked > 100, "commands are found where they are looked for");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_command_that_is_none_is_found() {
    let check = |line: &str, is_inline| problem(&commands(line).remove(0), is_inline);

    assert_eq!(check("acequia dlq redrive TENANT --reason CODE --rate 20/s", false), None);
    assert_eq!(check("acequia explain acme 'https://actions.example.org|event-1' | less", false), None);
    assert_eq!(check("acequia doctor --before FILE... # first", false), None);
    assert_eq!(check("acequia help [COMMAND]", true), None);
    assert_eq!(check("acequia dlq redrive", true), None);
    for wrong in ["acequia dlq replay TENANT", "acequia status TENANT --all", "acequia delayed TENANT --limit many"] {
        assert!(check(wrong, true).is_some(), "{wrong}");
    }
    assert!(check("acequia dlq redrive", false).is_some(), "in a block a command is whole");
}
