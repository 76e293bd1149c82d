//! The schemas of a tenant's events: `[schemas]` in its configuration, and which of them an event is checked by.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::intake::UnknownTypes;
use super::issue::Findings;
use crate::event::own_type;
use crate::event::schema::Schema;
use crate::routing::TypeRule;

/// The most schemas of a tenant, and the most bytes of all of them together.
pub(super) const MAX_SCHEMAS: usize = 100;
pub(super) const MAX_SCHEMAS_BYTES: usize = 256 * 1024;

/// What becomes of an event that does not fit its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SchemaMode {
    /// It is quarantined as `schema-violated`.
    #[default]
    Enforce,
    /// It passes, and is logged and counted.
    Report,
}

/// The schema of events of one type, or below one prefix, as written. A file beside the tenant's is read into it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEventSchema {
    /// The JSON Schema.
    pub schema: Json,
    /// What becomes of an event that does not fit.
    #[serde(default)]
    pub mode: SchemaMode,
}

/// The schemas, by the types that they are for.
#[derive(Debug)]
pub struct EventSchemas {
    /// The most specific first.
    rules: Vec<EventSchema>,
    unknown_types: UnknownTypes,
}

/// One of them.
#[derive(Debug)]
pub struct EventSchema {
    /// The types that it is for.
    pub types: TypeRule,
    /// It.
    pub schema: Schema,
    /// What becomes of an event that does not fit.
    pub mode: SchemaMode,
}

impl EventSchemas {
    /// The schema that events of this type are checked by: that of the type itself, else that of the longest prefix
    /// that it begins with, else that of `*`.
    pub fn of(&self, kind: &str) -> Option<&EventSchema> {
        self.rules.iter().find(|rule| rule.types.takes(kind))
    }

    /// Whether events of a type that no schema is for are refused.
    pub(super) fn refuse_others(&self) -> bool {
        self.unknown_types == UnknownTypes::Refuse
    }

    /// Compiles all of them, and reports each that cannot be used.
    pub(super) fn report_flaws(&self, findings: &mut Findings) {
        for EventSchema { types, schema, .. } in &self.rules {
            if let Err(flaw) = schema.check() {
                findings.report(format!("schemas.{types}.schema{}", flaw.place), flaw.problem);
            }
        }
    }
}

/// Validates the section, but for the schemas themselves.
pub(super) fn validate_schemas(
    raw: &BTreeMap<String, RawEventSchema>,
    unknown_types: UnknownTypes,
    findings: &mut Findings,
) -> EventSchemas {
    if raw.len() > MAX_SCHEMAS {
        findings.report("schemas", format!("there are {}; at most {MAX_SCHEMAS} are taken", raw.len()));
    }
    let bytes: usize = raw.values().map(|one| one.schema.to_string().len()).sum();
    if bytes > MAX_SCHEMAS_BYTES {
        findings.report("schemas", format!("they have {bytes} bytes as JSON; at most {MAX_SCHEMAS_BYTES} are taken"));
    }
    if raw.is_empty() && unknown_types == UnknownTypes::Refuse {
        findings
            .report("intake.unknown_types", "\"refuse\" refuses every event: there is no [schemas] that names a type");
    }
    let mut rules = Vec::with_capacity(raw.len());
    for (types, RawEventSchema { schema, mode }) in raw {
        let path = format!("schemas.{types}");
        match types.parse::<TypeRule>() {
            Err(wants) => findings.report(path, format!("{types:?} is not {wants}")),
            Ok(_) if own_type::is_own(types) => {
                findings.report(path, "types that begin with acequia. are Acequia's own events, which pass no intake");
            }
            Ok(types) => rules.push(EventSchema { types, schema: Schema::new(schema.clone()), mode: *mode }),
        }
    }
    rules.sort_by_key(|rule| match &rule.types {
        TypeRule::Exact(_) => (0, Reverse(0)),
        TypeRule::Below(prefix) => (1, Reverse(prefix.len())),
        TypeRule::Any => (2, Reverse(0)),
    });
    EventSchemas { rules, unknown_types }
}

#[cfg(feature = "schema")]
pub(super) use written::SchemaFile;

#[cfg(feature = "schema")]
mod written {
    //! The section as a tenant's file has it, with files beside it.

    use schemars::JsonSchema;

    use super::SchemaMode;
    use crate::event::schema::MAX_SCHEMA_BYTES;
    use crate::tenant::text::SchemaText;

    /// The schema of the `data` of events of one type (`[schemas."action.signed"]`), of those below a prefix
    /// (`[schemas."action.*"]`), or of all others (`[schemas."*"]`). The most specific one counts, and no other. Of
    /// Proca's messages, which have no `data`, it is the schema of the whole message.
    #[derive(Debug, JsonSchema)]
    #[schemars(deny_unknown_fields)]
    #[schemars(extend("anyOf" = [{ "required": ["schema"] }, { "required": ["file"] }]))]
    #[expect(dead_code, reason = "nothing is read by it: it says what the command line takes")]
    pub(in crate::tenant) struct SchemaFile {
        /// The JSON Schema, of draft 2020-12: a table, JSON in a text, or `true` for any data. It refers to nothing
        /// outside of itself. Without it, `file` names one.
        #[schemars(
            with = "Option<SchemaText>",
            extend(
                "x-bounds" = format!("{} KiB", MAX_SCHEMA_BYTES / 1024),
                "examples" = ["{ \"required\": [\"email\"] }", { "required": ["email"] }, true]
            )
        )]
        schema: Option<serde_json::Value>,
        /// The file of the JSON Schema, in place of `schema`: in the folder of the tenant's file or below it.
        #[schemars(with = "Option<String>", extend("x-type" = "file", "examples" = ["action.signed.json"]))]
        file: Option<String>,
        /// What becomes of an event that does not fit.
        #[schemars(with = "SchemaMode", extend("default" = "enforce", "examples" = ["report"]))]
        mode: Option<SchemaMode>,
    }
}
