//! Whether a tenant takes an event that is one: asked wherever events come in, so that no door takes what another one
//! refuses.

use super::event_schema::{EventSchema, SchemaMode};
use super::settings::Tenant;
use crate::event::EnvelopeError;
use crate::event::envelope::Envelope;
use crate::event::schema::Violation;
use crate::outcome::Cause;

impl Tenant {
    /// Whether its intake takes an event: with the rule of `CloudEvents` that it breaks, if any
    /// ([`Received`](crate::event::envelope::Received)), and by the schema of its type. `version` is that of the
    /// configuration, where it has one.
    ///
    /// Answers how the event violates a schema that is reported only.
    ///
    /// # Errors
    /// Why it is refused, for good; [`Cause::ConfigurationInvalid`] where that cannot be said, because this version of
    /// Acequia cannot use the schema.
    pub fn admits(
        &self,
        envelope: &Envelope,
        irregularity: Option<EnvelopeError>,
        version: Option<u64>,
    ) -> Result<Option<Violation>, Cause> {
        if let Some(error) = irregularity.filter(|_| self.strict_intake) {
            return Err(error.into());
        }
        let Some(EventSchema { types, schema, mode }) = self.schemas.of(&envelope.event_type) else {
            return if self.schemas.refuse_others() { Err(Cause::TypeUnknown { version }) } else { Ok(None) };
        };
        let misfit = schema.misfit(envelope).map_err(|flaw| {
            Cause::ConfigurationInvalid(format!("schemas.{types}.schema{}: {}", flaw.place, flaw.problem))
        })?;
        let violation = misfit.map(|misfit| Violation { misfit, types: types.to_string(), version });
        match (violation, mode) {
            (Some(violation), SchemaMode::Enforce) => Err(Cause::SchemaViolated(Box::new(violation))),
            (violation, _) => Ok(violation),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::egress::Egress;
    use crate::outcome::{Outcome, Reason};
    use crate::tenant::{Issues, RawTenant};

    fn tenant(more: &str) -> Result<Tenant, Issues> {
        let mut file = "tenant = \"acme\"\nname = \"Acme\"\n".to_owned();
        file.push_str("sinks = [{ id = \"out\", kind = \"forward\", types = [\"*\"], queue = \"out\" }]\n");
        writeln!(file, "{more}").unwrap();
        let value: serde_json::Value = toml::from_str(&file).unwrap();
        Tenant::validate(&RawTenant::from_value(value)?, Egress::Public)
    }

    fn event(kind: &str, data: &str) -> Envelope {
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"{kind}","data":{data}}}"#);
        received(&body)
    }

    fn received(body: &str) -> Envelope {
        Envelope::receive(&"acme".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH, body).unwrap().envelope
    }

    fn refused(tenant: &Tenant, event: &Envelope) -> Option<(Reason, Option<String>, String)> {
        let cause = tenant.admits(event, None, Some(7)).err()?;
        let Outcome::Quarantine(reason) = cause.outcome() else { panic!("{cause}") };
        Some((reason, cause.pointer(), cause.to_string()))
    }

    const SIGNED: &str = "[schemas.\"action.signed\"]\nschema = { type = \"object\", required = [\"email\"], \
        properties = { email = { type = \"string\", format = \"email\" } } }\n";

    #[test]
    fn an_event_that_fits_its_schema_is_taken_and_another_is_refused_by_pointer_keyword_and_version() {
        let tenant = tenant(SIGNED).unwrap();
        assert_eq!(refused(&tenant, &event("action.signed", r#"{"email":"ana@example.org"}"#)), None);
        let by = "of the schema of \"action.signed\" in version 7 of the configuration";
        for (data, pointer, text) in [
            (r#"{"email":"ana"}"#, "/data/email", format!("/data/email does not fit \"format\" {by}")),
            (r#"{"email":7}"#, "/data/email", format!("/data/email does not fit \"type\" {by}")),
            ("[]", "/data", format!("/data does not fit \"type\" {by}")),
            ("null", "/data", format!("/data does not fit \"type\" {by}")),
            (
                "{}",
                "/data/email",
                "/data/email is missing, and required by the schema of \"action.signed\" in version 7 of the configuration"
                    .to_owned(),
            ),
        ] {
            let wanted = Some((Reason::SchemaViolated, Some(pointer.to_owned()), text));
            assert_eq!(refused(&tenant, &event("action.signed", data)), wanted, "{data}");
        }
    }

    #[test]
    fn an_event_without_data_is_checked_as_null_and_binary_data_fit_no_schema() {
        let tenant = tenant(SIGNED).unwrap();
        let bare = r#"{"specversion":"1.0","id":"1","source":"/a","type":"action.signed"}"#;
        assert_eq!(refused(&tenant, &received(bare)).unwrap().1.as_deref(), Some("/data"));
        let binary = r#"{"specversion":"1.0","id":"1","source":"/a","type":"action.signed","data_base64":"AA=="}"#;
        assert_eq!(refused(&tenant, &received(binary)).unwrap().1.as_deref(), Some("/data_base64"));
    }

    #[test]
    fn the_most_specific_schema_counts_and_no_other() {
        let tenant = tenant(
            "[schemas]\n\"*\" = { schema = false }\n\"action.*\" = { schema = { type = \"object\" } }\n\
             \"action.petition.*\" = { schema = { type = \"array\" } }\n\"action.petition.signed\" = { schema = true }\n",
        )
        .unwrap();
        for (kind, data, fits) in [
            ("action.petition.signed", "1", true),
            ("action.petition.closed", "[]", true),
            ("action.petition.closed", "{}", false),
            ("action.shared", "{}", true),
            ("action.shared", "[]", false),
            ("page.viewed", "{}", false),
        ] {
            assert_eq!(refused(&tenant, &event(kind, data)).is_none(), fits, "{kind} {data}");
        }
    }

    #[test]
    fn a_type_that_no_schema_is_for_is_taken_unless_the_tenant_refuses_it() {
        assert_eq!(refused(&tenant(SIGNED).unwrap(), &event("page.viewed", "{}")), None);
        let strict = tenant(&format!("{SIGNED}[intake]\nunknown_types = \"refuse\"\n")).unwrap();
        let (reason, pointer, text) = refused(&strict, &event("page.viewed", "{}")).unwrap();
        assert_eq!((reason, pointer.as_deref()), (Reason::TypeUnknown, Some("/type")));
        assert!(text.contains("version 7"), "{text}");
        assert_eq!(refused(&strict, &event("action.signed", r#"{"email":"a@example.org"}"#)), None);
        let none = tenant("[intake]\nunknown_types = \"refuse\"\n").unwrap_err();
        assert_eq!(none.0[0].path, "intake.unknown_types");
    }

    #[test]
    fn a_schema_that_is_reported_refuses_nothing() {
        let tenant = tenant(&format!("{SIGNED}mode = \"report\"\n")).unwrap();
        let violation = tenant.admits(&event("action.signed", "{}"), None, None).unwrap().unwrap();
        assert_eq!(violation.to_string(), "/data/email is missing, and required by the schema of \"action.signed\"");
        assert_eq!(tenant.admits(&event("action.signed", r#"{"email":"a@example.org"}"#), None, None).unwrap(), None);
    }

    #[test]
    fn of_a_message_of_procas_the_whole_is_checked() {
        let schema =
            "[schemas.\"proca.action.deliver\"]\nschema = { properties = { campaignId = { type = \"string\" } } }\n";
        let body = r#"{"schema":"proca:action:2","stage":"deliver","actionId":1,"orgId":2,"campaignId":3}"#;
        let (_, pointer, _) = refused(&tenant(schema).unwrap(), &received(body)).unwrap();
        assert_eq!(pointer.as_deref(), Some("/campaignId"));
    }

    #[test]
    fn a_rule_of_cloud_events_comes_first_and_names_its_attribute() {
        let body = r#"{"specversion":"1.0","id":"1","source":"/a","type":"action.signed","time":"noon"}"#;
        let parsed = Envelope::receive(&"acme".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH, body).unwrap();
        let cause = tenant(SIGNED).unwrap().admits(&parsed.envelope, parsed.irregularity, None).unwrap_err();
        assert_eq!(cause.pointer().as_deref(), Some("/time"));
    }

    #[test]
    fn each_schema_that_cannot_be_used_is_reported_with_its_place() {
        let issues = tenant(
            "[schemas]\na = { schema = \"{\" }\n\"b.c\" = { schema = { properties = { x = { pattern = \"(?=a)\" } } } }\n\
             \"d.*\" = { schema = { allOf = [{ \"$ref\" = \"https://example.org/x\" }] } }\n\"**\" = { schema = true }\n\
             \"acequia.x\" = { schema = true }\n",
        )
        .unwrap_err();
        let paths: Vec<&str> = issues.0.iter().map(|issue| issue.path.as_str()).collect();
        for path in ["schemas.a.schema", "schemas.b.c.schema.properties.x.pattern", "schemas.d.*.schema.allOf[0].$ref"]
        {
            assert!(paths.contains(&path), "{path}: {issues}");
        }
        assert!(paths.contains(&"schemas.**") && paths.contains(&"schemas.acequia.x"), "{issues}");
    }
}
