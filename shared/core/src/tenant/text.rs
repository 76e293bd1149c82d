//! The texts that a tenant's file is made of: what each looks like, as far as a regular expression can say.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $called:literal, $schema:tt;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(super) struct $name;

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    $called.into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    let mut schema = json_schema!($schema);
                    schema.insert("x-type".to_owned(), $called.into());
                    schema
                }
            }
        )+
    };
}

texts! {
    /// [`crate::id::TenantId`].
    TenantIdText, "tenant id", { "type": "string", "pattern": "^[a-z][a-z0-9-]{1,31}$" };
    /// [`crate::id::SinkId`].
    SinkIdText, "sink id", { "type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$" };
    /// [`crate::id::SecretName`].
    SecretNameText, "secret name", { "type": "string", "pattern": "^[a-z][a-z0-9-]{0,63}$" };
    /// [`crate::routing::TypeRule`].
    EventType, "event type or prefix", { "type": "string", "pattern": "^(\\*|[^\\s*]+(\\.\\*)?)$" };
    /// An event pattern.
    Pattern, "event pattern", { "type": ["object", "string"] };
    /// A JSON Schema.
    SchemaText, "JSON Schema", { "type": ["object", "string", "boolean"] };
    /// A duration.
    DurationText, "duration", { "type": "string", "pattern": "^\\s*([0-9]+(\\.[0-9]+)?\\s*[A-Za-zµ]+\\s*)+$" };
    /// A rate.
    RateText, "rate", { "type": "string", "pattern": "^[^/]+/\\s*[smh]\\s*$" };
    /// A share.
    PercentText, "percentage", { "type": "string", "pattern": "^\\s*\\+?[0-9]+\\s*%\\s*$" };
    /// A URL.
    UrlText, "URL", { "type": "string" };
    /// A public key.
    JwkTable, "JWK", { "type": "object" };
    /// An address with a name or without.
    MailboxText, "mailbox", { "type": "string" };
    /// A template.
    TemplateText, "template", { "type": "string" };
    /// A language.
    LocaleText, "language tag", { "type": "string", "pattern": "^\\s*[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*\\s*$" };
    /// A colour.
    ColourText, "colour", { "type": "string", "pattern": "^#[0-9A-Fa-f]{6}$" };
    /// A status of HTTP that is no success.
    Status, "HTTP status", { "type": "integer", "minimum": 300, "maximum": 599, "not": { "enum": [410, 429] } };
}

/// A duration of whole seconds as a file would have it, in the largest unit that it is a multiple of.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60), ("s", 1)];
    let (unit, of) = units.into_iter().find(|(_, of)| seconds.is_multiple_of(*of)).unwrap_or(("s", 1));
    format!("{}{unit}", seconds / of)
}

/// The bounds of a duration, as people read them.
pub(super) fn between(bounds: &RangeInclusive<Duration>) -> String {
    format!("{} to {}", span(*bounds.start()), span(*bounds.end()))
}
