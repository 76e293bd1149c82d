//! `cargo xtask template`: makes `template.yaml` and `infra/tenant.yaml` from what `infra/source` says once.
//!
//! What is made is checked in, so that `sam`, `cfn-lint` and people without Rust see ordinary templates. [`stale`] and
//! a test say where a template is not what its sources make.

mod source;

use std::fs;

use anyhow::{Context as _, Result};

use crate::host;
use source::{FOLDER, Sources};

/// What is made, and of which source.
const MADE: [(&str, &str); 2] = [("template.yaml", "platform.yaml.j2"), ("infra/tenant.yaml", "tenant.yaml.j2")];

/// Makes the templates anew.
///
/// # Errors
/// Where a source cannot be read or does not hold: its file, its line, and what is wrong with it.
pub(crate) fn run() -> Result<bool> {
    let sources = Sources::read()?;
    for (file, source) in MADE {
        let text = sources.make(source)?;
        let is_same = found(file).is_ok_and(|found| found == text);
        if !is_same {
            fs::write(host::path(file), &text).with_context(|| format!("cannot write {file}"))?;
        }
        println!("{file}: {} lines, {}", text.lines().count(), if is_same { "as before" } else { "changed" });
    }
    Ok(true)
}

/// What is wrong where a template is not what its sources make, and the command that mends it.
///
/// # Errors
/// Where a source or a template cannot be read.
pub(crate) fn stale() -> Result<Option<String>> {
    let sources = Sources::read()?;
    for (file, source) in MADE {
        if let Some(wrong) = difference(file, &found(file)?, &sources.make(source)?) {
            return Ok(Some(wrong));
        }
    }
    Ok(None)
}

fn found(file: &str) -> Result<String> {
    fs::read_to_string(host::path(file)).with_context(|| format!("cannot read {file}"))
}

/// The first line in which a template differs from what its sources make.
fn difference(file: &str, found: &str, made: &str) -> Option<String> {
    if found == made {
        return None;
    }
    let same = found.lines().zip(made.lines()).take_while(|(found, made)| found == made).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("its end").trim().to_owned();
    Some(format!(
        "{file}, line {}: it has {:?}, and {FOLDER} makes {:?}. Change the source, not the template, and run: cargo xtask template",
        same + 1,
        line(found),
        line(made),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::FUNCTIONS;

    const COPIER: &str = r#"{% extends "part/function.yaml.j2" %}
{% import "part/permission.yaml.j2" as allow %}
{% set does = "copies events." %}

{% block permissions %}
{{ allow.consume(served) }}
{% endblock %}
"#;
    const COPIES: &str = "[[queue]]\nname = \"copier\"\nholds = \"copies.\"\nfunction = \"copier\"\n\
        parameter = \"Whether the tenant has copies.\"\n";

    /// The sources with a function and a queue that are made up.
    fn with_a_copier() -> Sources {
        let mut sources = Sources::read().unwrap();
        sources.0.insert("function/copier.yaml.j2".to_owned(), COPIER.to_owned());
        sources.0.get_mut("queues.toml").unwrap().push_str(COPIES);
        sources
    }

    /// What stands in a text between a word and the next blank line.
    fn part<'a>(text: &'a str, from: &str) -> &'a str {
        let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("{from} is missing"));
        rest.split("\n\n").next().unwrap()
    }

    #[test]
    fn the_templates_are_what_their_sources_make() {
        if let Some(wrong) = stale().unwrap() {
            panic!("{wrong}");
        }
    }

    #[test]
    fn a_change_of_a_template_alone_is_found_with_its_line_and_the_command() {
        let made = Sources::read().unwrap().make("platform.yaml.j2").unwrap();
        assert_eq!(difference("template.yaml", &made, &made), None);
        let wrong = difference("template.yaml", &made.replacen("Timeout: 60", "Timeout: 61", 1), &made).unwrap();
        let line = made.lines().position(|line| line.trim() == "Timeout: 60").unwrap() + 1;
        assert!(wrong.starts_with(&format!("template.yaml, line {line}: it has \"Timeout: 61\"")), "{wrong}");
        assert!(wrong.ends_with("run: cargo xtask template"), "{wrong}");
        let shorter = made.replacen(made.lines().last().unwrap(), "", 1);
        assert!(difference("template.yaml", shorter.trim_end(), &made).is_some(), "what is missing at the end");
    }

    #[test]
    fn a_change_of_a_source_alone_is_found() {
        for source in ["function/webhook.yaml.j2", "part/queue.yaml.j2", "queues.toml", "platform/store.yaml.j2"] {
            let mut sources = Sources::read().unwrap();
            let text = sources.0.get_mut(source).unwrap();
            *text =
                text.replace("endpoints", "places").replace("PAY_PER_REQUEST", "X").replace("Maximum\n", "Minimum\n");
            let differ = MADE
                .iter()
                .any(|(file, of)| difference(file, &found(file).unwrap(), &sources.make(of).unwrap()).is_some());
            assert!(differ, "{source}");
        }
    }

    #[test]
    fn a_function_needs_its_own_source_alone() {
        let made = with_a_copier().make("platform.yaml.j2").unwrap();
        for id in
            ["Function", "LogGroup", "Role", "FunctionParameter", "ErrorAlarm", "ThrottleAlarm", "UnrecordedAlarm"]
        {
            assert!(made.contains(&format!("\n  Copier{id}:\n")), "Copier{id}");
        }
        for metric in ["Errors", "Throttles", "Duration"] {
            let shown = format!("[\"AWS/Lambda\", \"{metric}\", \"FunctionName\", \"${{CopierFunction}}\"");
            assert!(made.contains(&shown), "the dashboard shows its {metric}");
        }
        assert!(part(&made, "\nOutputs:").contains("\n  CopierFunctionAlias:\n"));
        assert!(part(&made, "  CopierRole:").contains(":acequia_${Stage}_*_copier\n"));
    }

    #[test]
    fn a_queue_needs_its_table_alone() {
        let sources = with_a_copier();
        let tenant = sources.make("tenant.yaml.j2").unwrap();
        for id in ["", "Queue", "Dlq", "Policy", "DlqPolicy", "Mapping", "DlqDepthAlarm", "OldestAgeAlarm", "QueueArn"]
        {
            assert!(tenant.contains(&format!("\n  Copier{id}:\n")), "Copier{id}");
        }
        assert!(tenant.contains("\n  HasCopier: !Equals [!Ref Copier, enabled]\n"));
        let platform = sources.make("platform.yaml.j2").unwrap();
        for role in ["RouterRole", "OutboxRole", "SweeperRole", "OperatorPolicy"] {
            assert!(part(&platform, &format!("\n  {role}:")).contains("_*_copier\n"), "{role} may send to it");
        }
        assert!(part(&platform, "\n  SweeperRole:").contains("_*_copier-dlq\n"), "dead letters are looked at");
    }

    #[test]
    fn what_is_not_defined_or_not_known_is_an_error_that_names_the_file() {
        let mut sources = with_a_copier();
        sources.0.insert("function/copier.yaml.j2".to_owned(), COPIER.replace("(served)", "(serves)"));
        let error = format!("{:#}", sources.make("platform.yaml.j2").unwrap_err());
        assert!(error.contains("function/copier.yaml.j2:6"), "{error}");
        sources.0.get_mut("queues.toml").unwrap().push_str("colour = \"red\"\n");
        let error = format!("{:#}", sources.make("platform.yaml.j2").unwrap_err());
        assert!(error.contains("infra/source/queues.toml") && error.contains("colour"), "{error}");
    }

    #[test]
    fn a_misspelt_block_or_variable_of_a_function_is_an_error() {
        for (from, to, name) in [
            ("block permissions", "block permission", "permission"),
            ("{% set does", "{% set reservd = \"Kept.\" %}\n{% set does", "reservd"),
        ] {
            let mut sources = with_a_copier();
            sources.0.insert("function/copier.yaml.j2".to_owned(), COPIER.replace(from, to));
            let error = sources.make("platform.yaml.j2").unwrap_err().to_string();
            assert!(error.contains(&format!("function/copier.yaml.j2: nothing reads {name:?}")), "{error}");
        }
    }

    #[test]
    fn every_function_of_the_sources_is_built_and_every_queue_has_its_function() {
        let sources = Sources::read().unwrap();
        assert_eq!(sources.functions().collect::<Vec<_>>(), *FUNCTIONS);
        let served = sources.queues().unwrap().into_iter().filter_map(|queue| queue.function);
        let unknown: Vec<_> = served.filter(|name| !FUNCTIONS.contains(&name.as_str())).collect();
        assert!(unknown.is_empty(), "queues.toml names functions without a source: {unknown:?}");
    }
}
