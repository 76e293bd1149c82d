//! What docs/CLI.md says that each command asks AWS for.

use serde_json::{Value as Json, json};

/// One action, on one of the stage's tables where it is an action on tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The action, such as `dynamodb:GetItem`.
    pub action: String,
    /// The table's own name, such as `tenants`.
    pub table: Option<String>,
    /// Whether only some runs of the command ask for it.
    pub sometimes: bool,
}

/// A row of the table: a command, the policy that allows it, and the permissions that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The command, such as `tenant apply`.
    pub command: String,
    /// Whether the viewer's policy is enough.
    pub viewer: bool,
    /// What it asks for, with all its options.
    pub needs: Vec<Requirement>,
}

impl Requirement {
    /// What a policy names as the resource.
    fn resource(&self, stage: &str) -> Json {
        match &self.table {
            Some(table) => json!([
                format!("arn:aws:dynamodb:*:*:table/acequia-{stage}-{table}"),
                format!("arn:aws:dynamodb:*:*:table/acequia-{stage}-{table}/index/*"),
            ]),
            None => json!("*"),
        }
    }

    /// A statement of a policy.
    pub fn statement(&self, effect: &str, stage: &str) -> Json {
        json!({"Effect": effect, "Action": self.action, "Resource": self.resource(stage)})
    }
}

/// Reads the table of a page: rows of a command, `operator` or `viewer`, and actions with their tables in brackets, the
/// actions behind `at times` last.
pub fn read(page: &str) -> Vec<Row> {
    let (_, table) = page.split_once("## What a command may do\n").unwrap_or_default();
    let rows = table.lines().skip_while(|line| !line.starts_with("| command |")).skip(2);
    rows.take_while(|line| line.starts_with("| `")).filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.trim_matches('|').split('|').map(str::trim);
    let command = cells.next()?.trim_matches('`').to_owned();
    let viewer = cells.next()? == "viewer";
    let mut parts = cells.next()?.split("; at times ");
    let (always, sometimes) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let listed = [(always, false), (sometimes, true)];
    let actions = listed.into_iter().flat_map(|(text, sometimes)| text.split("; ").map(move |part| (part, sometimes)));
    let needs = actions.filter(|(part, _)| part.starts_with('`')).flat_map(|(part, sometimes)| {
        let (action, tables) = part.split_once(" (").map_or((part, ""), |(action, tables)| (action, tables));
        let action = action.trim_matches('`').to_owned();
        let tables: Vec<Option<String>> = match tables.trim_end_matches(')') {
            "" => vec![None],
            tables => tables.split(", ").map(|table| Some(table.to_owned())).collect(),
        };
        tables.into_iter().map(move |table| Requirement { action: action.clone(), table, sometimes })
    });
    Some(Row { command, viewer, needs: needs.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_command_who_may_run_it_and_each_action_on_each_table() {
        let page = "# x\n\n## What a command may do\n\n| policy |\n|---|\n| `P` |\n\n| command | policy | asks for |\n|---|---|---|\n\
                    | `tenant list` | viewer | `a:B` (one, two); at times `c:D` |\n| `completions` | viewer | nothing |\n\n| `no row` |";
        let need = |action: &str, table: Option<&str>, sometimes| {
            let (action, table) = (action.to_owned(), table.map(str::to_owned));
            Requirement { action, table, sometimes }
        };
        let rows = read(page);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].command.as_str(), rows[0].viewer), ("tenant list", true));
        assert_eq!(
            rows[0].needs,
            [need("a:B", Some("one"), false), need("a:B", Some("two"), false), need("c:D", None, true)]
        );
        assert_eq!(rows[1].needs, []);
    }
}
