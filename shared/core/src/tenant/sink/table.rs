//! Sinks of kind `table`: a table of a database of `PostgreSQL`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::issue::{Findings, required};
#[cfg(feature = "schema")]
use super::super::text::SecretNameText;
use super::Place;
use crate::kind::SinkKind;
use crate::table::{Authentication, Column, Database, Identifier, Layout, Mode, TableName};

/// The most columns of one sink.
const MAX_COLUMNS: usize = 100;
/// The longest certificates, in bytes.
const MAX_AUTHORITIES: usize = 20_000;

/// What becomes of a row whose key is in the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TableMode {
    /// Each event is a row.
    #[default]
    Append,
    /// The row of its key is replaced, where the event is newer.
    Upsert,
}

/// A sink that writes each event into a table of a database of `PostgreSQL`, once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawTable {
    /// Which database, and as whom: `postgresql://USER@HOST:PORT/DATABASE`, without a password. The stack must allow it
    /// (`ForwardTargets`). TLS is always asked for, and the server's name is always checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "String",
            extend("x-required" = true, "x-type" = "URL", "examples" = ["postgresql://acequia@db.acme.example:5432/crm"])
        )
    )]
    pub database: Option<String>,
    /// The secret that holds the user's password; it is needed where `iam` is not said. As `acequia secret put TENANT NAME --for database` has written it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "SecretNameText", extend("examples" = ["crm-database"])))]
    pub password: Option<String>,
    /// `true` enters by a token of IAM's in place of a password: RDS and Aurora, where the platform's
    /// `DatabaseUserArns` allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "bool", extend("default" = false, "examples" = [false])))]
    pub iam: Option<bool>,
    /// Certificates of the authorities that may have signed the server's, as PEM. Without it, those of the public web;
    /// RDS has its own (docs/TABLES.md).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "String",
            extend("x-type" = "PEM", "x-bounds" = format!("up to {MAX_AUTHORITIES} bytes"), "examples" = ["-----BEGIN CERTIFICATE-----\n..."])
        )
    )]
    pub authorities: Option<String>,
    /// Which table: `SCHEMA.TABLE`, or a table of the schema `public`. `acequia_inbox` lies in the same schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", extend("x-required" = true, "x-type" = "name", "examples" = ["crm.signatures"]))
    )]
    pub table: Option<String>,
    /// What stands in which column: the path of a member of the event, or `$event`, `$accepted_at`, `$delivery` or
    /// `$tenant`. What the event does not have is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "BTreeMap<String, String>",
            extend(
                "x-required" = true,
                "x-bounds" = format!("1 to {MAX_COLUMNS} columns"),
                "examples" = [{ "country": "data.country", "signed_at": "time" }]
            )
        )
    )]
    pub columns: Option<BTreeMap<String, String>>,
    /// `append` makes each event a row; `upsert` replaces the row of its `key`, where the event is newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "TableMode", extend("default" = TableMode::default(), "examples" = ["upsert"]))
    )]
    pub mode: Option<TableMode>,
    /// The columns that make a row the same one; a unique index of the table has exactly these. It is needed for `upsert`, and of it
    /// alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Vec<String>", extend("minItems" = 1, "x-bounds" = "columns of the sink", "examples" = [["supporter_id"]]))
    )]
    pub key: Option<Vec<String>>,
    /// The column that says which of two rows of one key is newer: the greater one stays. It is needed for
    /// `upsert`, and of it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("x-type" = "name", "examples" = ["changed_at"])))]
    pub newest: Option<String>,
    /// `true` tells each new row in `acequia_outbox`, in the same transaction, as an event of type `table.written`;
    /// `acequia table relay` sends it to the tenant's intake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "bool", extend("default" = false, "examples" = [true])))]
    pub outbox: Option<bool>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSink {
    /// The database that it is in.
    pub database: Database,
    /// What is written into it.
    pub layout: Layout,
}

impl RawTable {
    /// Validates what is a table sink's own.
    pub(super) fn validate(&self, place: &Place<'_>, findings: &mut Findings) -> Option<Box<TableSink>> {
        let kind = SinkKind::Table;
        let address = required(self.database.as_ref(), place.path, "database", kind, findings).and_then(|text| {
            text.parse()
                .map_err(|error: crate::table::InvalidAddress| {
                    findings.report(place.field("database"), error.to_string());
                })
                .ok()
        });
        let authentication = self.authentication(place, findings);
        let authorities = self.authorities(place, findings);
        let table = required(self.table.as_ref(), place.path, "table", kind, findings).and_then(|text| {
            text.parse::<TableName>().map_err(|error| findings.report(place.field("table"), error.to_string())).ok()
        });
        let columns = self.columns(place, findings);
        let mode = self.mode(&columns, place, findings);
        let layout = Layout { table: table?, columns, mode: mode?, outbox: self.outbox.unwrap_or(false) };
        let database = Database { address: address?, authentication: authentication?, authorities };
        Some(Box::new(TableSink { database, layout }))
    }

    fn authentication(&self, place: &Place<'_>, findings: &mut Findings) -> Option<Authentication> {
        match (&self.password, self.iam.unwrap_or(false)) {
            (Some(name), false) => match name.parse() {
                Ok(name) => return Some(Authentication::Password(name)),
                Err(error) => findings.report(place.field("password"), error.to_string()),
            },
            (None, true) => return Some(Authentication::Iam),
            (Some(_), true) => {
                findings.report(place.field("iam"), "a user enters by a password or by IAM: leave one out");
            }
            (None, false) => {
                findings
                    .report(place.field("password"), "it is missing: name the secret that holds it, or say iam = true");
            }
        }
        None
    }

    fn authorities(&self, place: &Place<'_>, findings: &mut Findings) -> Option<String> {
        let text = self.authorities.as_ref()?;
        let is_pem = text.contains("-----BEGIN CERTIFICATE-----") && !text.contains("PRIVATE KEY");
        if text.len() > MAX_AUTHORITIES || !is_pem {
            findings.report(
                place.field("authorities"),
                format!("it must be certificates as PEM, of at most {MAX_AUTHORITIES} bytes together"),
            );
        }
        Some(text.clone())
    }

    fn columns(&self, place: &Place<'_>, findings: &mut Findings) -> Vec<Column> {
        let written = self.columns.as_ref().filter(|columns| !columns.is_empty());
        let Some(written) = written else {
            findings.report(place.field("columns"), "it is missing: say what stands in which column");
            return Vec::new();
        };
        if written.len() > MAX_COLUMNS {
            findings.report(
                place.field("columns"),
                format!("there are {}; at most {MAX_COLUMNS} are taken", written.len()),
            );
        }
        let mut columns = Vec::with_capacity(written.len());
        for (name, source) in written {
            let at = place.field(&format!("columns.{name}"));
            match (name.parse::<Identifier>(), source.parse()) {
                (Ok(name), Ok(source)) => columns.push(Column { name, source }),
                (Err(error), _) => findings.report(at, error.to_string()),
                (_, Err(error)) => {
                    let error: crate::table::InvalidSource = error;
                    findings.report(at, format!("{source:?}: {error}"));
                }
            }
        }
        columns
    }

    fn mode(&self, columns: &[Column], place: &Place<'_>, findings: &mut Findings) -> Option<Mode> {
        let find = |name: &str| columns.iter().position(|column| column.name.as_str() == name);
        match self.mode.unwrap_or_default() {
            TableMode::Append => {
                for (name, is_there) in [("key", self.key.is_some()), ("newest", self.newest.is_some())] {
                    if is_there {
                        findings.report(place.field("mode"), format!("`{name}` is of mode = \"upsert\" alone"));
                    }
                }
                Some(Mode::Append)
            }
            TableMode::Upsert => {
                let names = self.key.as_deref().unwrap_or_default();
                if names.is_empty() {
                    findings.report(place.field("key"), "it is missing: an upsert needs the columns of a unique index");
                }
                let mut key = Vec::with_capacity(names.len());
                for (index, name) in names.iter().enumerate() {
                    match find(name) {
                        Some(column) if !key.contains(&column) => key.push(column),
                        Some(_) => findings
                            .report(place.field(&format!("key[{index}]")), format!("{name:?} stands here twice")),
                        None => findings
                            .report(place.field(&format!("key[{index}]")), format!("{name:?} is none of `columns`")),
                    }
                }
                let newest = match self.newest.as_deref().map(|name| (name, find(name))) {
                    None => {
                        findings.report(
                            place.field("newest"),
                            "it is missing: an upsert needs the column that says which row is newer, such as one that holds `time`",
                        );
                        None
                    }
                    Some((name, None)) => {
                        findings.report(place.field("newest"), format!("{name:?} is none of `columns`"));
                        None
                    }
                    Some((name, Some(column))) if key.contains(&column) => {
                        findings.report(place.field("newest"), format!("{name:?} is of the key, and so never differs"));
                        None
                    }
                    Some((_, Some(column))) => Some(column),
                };
                Some(Mode::Upsert { key, newest: newest? })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Egress;
    use crate::tenant::{RawTenant, Target, Tenant};

    fn validated(fields: &serde_json::Value) -> Result<TableSink, Vec<String>> {
        let mut sink = serde_json::json!({
            "id": "crm", "kind": "table", "types": ["action.*"], "database": "postgresql://a@db.example/crm", "password": "db",
            "table": "crm.t", "columns": {"id": "data.id", "at": "time"},
        });
        for (name, value) in fields.as_object().unwrap() {
            sink[name] = value.clone();
        }
        sink.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let raw = serde_json::json!({"tenant": "acme", "name": "Acme", "sinks": [sink]});
        let raw = RawTenant::from_value(raw).unwrap();
        match Tenant::validate(&raw, Egress::Public) {
            Ok(tenant) => match &tenant.sinks[0].target {
                Target::Table(table) => Ok((**table).clone()),
                other => panic!("{other:?}"),
            },
            Err(issues) => Err(issues.0.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn a_table_is_read_with_its_columns_by_name() {
        let sink = validated(&serde_json::json!({"mode": "upsert", "key": ["id"], "newest": "at"})).unwrap();
        assert_eq!(sink.layout.mode, Mode::Upsert { key: vec![1], newest: 0 });
        assert_eq!(sink.database.authentication, Authentication::Password("db".parse().unwrap()));
        let iam = validated(&serde_json::json!({"password": null, "iam": true})).unwrap();
        assert_eq!((iam.database.authentication, iam.layout.mode), (Authentication::Iam, Mode::Append));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        for (fields, part) in [
            (serde_json::json!({"database": "postgresql://a:hunter2@db.example/crm"}), "sinks[0].database: a password"),
            (serde_json::json!({"password": null}), "sinks[0].password: it is missing"),
            (serde_json::json!({"iam": true}), "sinks[0].iam"),
            (serde_json::json!({"authorities": "none"}), "sinks[0].authorities"),
            (serde_json::json!({"table": "a.b.c"}), "sinks[0].table"),
            (serde_json::json!({"columns": {}}), "sinks[0].columns"),
            (serde_json::json!({"columns": {"a b": "data.x"}}), "sinks[0].columns.a b"),
            (serde_json::json!({"columns": {"a": "data..x"}}), "sinks[0].columns.a"),
            (serde_json::json!({"key": ["id"]}), "sinks[0].mode: `key` is of"),
            (serde_json::json!({"mode": "upsert", "key": ["other"], "newest": "at"}), "sinks[0].key[0]"),
            (serde_json::json!({"mode": "upsert", "key": ["id"]}), "sinks[0].newest: it is missing"),
            (serde_json::json!({"mode": "upsert", "key": ["id"], "newest": "id"}), "never differs"),
            (serde_json::json!({"outbox": true, "types": ["*"]}), "table.written"),
        ] {
            let problems = validated(&fields).unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:?}");
            assert!(!problems.concat().contains("hunter2"));
        }
        assert!(validated(&serde_json::json!({"outbox": true})).is_ok());
    }
}
