//! What the API is like, as a document of `OpenAPI` 3.1: `docs/openapi.json`, which a test makes from the types here.

use std::collections::BTreeMap;

use acequia_lambda::http::HttpResponse;

/// The document.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// The answer that has it.
pub(crate) fn response() -> HttpResponse {
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("cache-control", "public, max-age=300".to_owned()),
        // It is for everybody's tools, and says nothing of a tenant.
        ("access-control-allow-origin", "*".to_owned()),
    ];
    HttpResponse { status_code: 200, headers: BTreeMap::from(headers), body: DOCUMENT.to_owned() }
}

#[cfg(test)]
mod tests {
    use acequia_core::event::MAX_EVENT_BYTES;
    use acequia_core::id::EventId;
    use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
    use serde_json::{Map, Value as Json, json};

    use crate::answer::{ProblemResults, Results};
    use crate::problem::Details;
    use crate::read::MAX_EVENTS;
    use crate::replays::{Listed, MAX_BODY, Onward, Told, Wanted};
    use crate::unpack::{MAX_UNPACKED, MAX_WIRE};

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

    fn schema<T: JsonSchema>(schemas: &mut Map<String, Json>) -> Json {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let mut generator = SchemaGenerator::new(settings);
        let reference = generator.subschema_for::<T>().to_value();
        schemas.extend(generator.take_definitions(true));
        reference
    }

    /// No control character.
    const PLAIN: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";

    /// An attribute that is null counts as left out.
    fn optional() -> Json {
        json!(["string", "null"])
    }

    /// A `CloudEvents` object, as far as a schema can say what is taken.
    fn event() -> Json {
        let text = |description: &str| json!({"type": optional(), "minLength": 1, "maxLength": 1024, "pattern": PLAIN, "description": description});
        json!({
            "type": "object",
            "description": format!("A CloudEvents 1.0 event in JSON, of at most {MAX_EVENT_BYTES} bytes and 64 levels. Here stand the attributes that every event has, and those that Acequia reads; others are extensions: names of lower-case letters and digits, values of texts, numbers and booleans."),
            "required": ["specversion", "id", "source", "type"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "minLength": 1, "maxLength": EventId::MAX_ID_BYTES, "pattern": PLAIN, "description": "Unique among the events of its source."},
                "source": {"type": "string", "maxLength": EventId::MAX_SOURCE_BYTES, "format": "uri-reference", "description": "A URI reference of the producer's own; /acequia and /proca are not."},
                "type": {"type": "string", "maxLength": 1024, "pattern": PLAIN, "description": "What happened, such as action.signed; acequia.* are Acequia's own."},
                "subject": text("What it is about."),
                "time": {"type": optional(), "format": "date-time", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$", "description": "When it happened."},
                "partitionkey": text("Events of one key keep their order, where the tenant's queues do."),
                "expirytime": {"type": optional(), "format": "date-time", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$", "description": "What is not delivered by then is not delivered any more."},
                "datacontenttype": {"enum": ["application/json", null]},
                "data": {"description": "Any JSON value."},
            },
            "additionalProperties": false,
        })
    }

    fn problem(description: &str) -> Json {
        json!({"description": description, "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}})
    }

    fn with_header(mut answer: Json, name: &str, description: &str) -> Json {
        answer["headers"][name] = json!({"description": description, "schema": {"type": "string"}});
        answer
    }

    /// The problems that any request for a tenant may meet.
    fn problems() -> Map<String, Json> {
        let wait = "Seconds to wait.";
        let all = [
            (
                "401",
                with_header(
                    problem("The credentials are missing or not valid."),
                    "www-authenticate",
                    "The scheme: Bearer.",
                ),
            ),
            ("403", problem("The credentials do not allow this.")),
            ("404", problem("There is nothing at this path, no such tenant, or nothing is recorded.")),
            ("405", with_header(problem("The path takes other methods."), "allow", "The methods that it takes.")),
            (
                "429",
                with_header(
                    problem("The tenant's rate of events, or that of the API, is used up."),
                    "retry-after",
                    wait,
                ),
            ),
            ("503", with_header(problem("Something does not answer just now."), "retry-after", wait)),
        ];
        all.into_iter().map(|(status, answer)| (status.to_owned(), answer)).collect()
    }

    fn results(description: &str) -> Json {
        json!({"description": description, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Results"}}}})
    }

    /// A header of W3C's trace context. It has no pattern: what is none is ignored and not refused.
    fn trace(name: &str, description: &str) -> Json {
        json!({"name": name, "in": "header", "required": false, "description": description, "schema": {"type": "string"}})
    }

    fn post() -> Json {
        let mut answers = problems();
        let mixed = |description: &str, schemas: &[&str]| {
            let any: Vec<Json> =
                schemas.iter().map(|name| json!({"$ref": format!("#/components/schemas/{name}")})).collect();
            json!({"description": description, "content": {"application/problem+json": {"schema": {"anyOf": any}}}})
        };
        answers.insert("202".to_owned(), results("No event was refused: SQS has each, or had it before."));
        answers.insert("207".to_owned(), results("Some events are refused; the results say which, and why."));
        answers
            .insert("400".to_owned(), problem("The body, or the Idempotency-Key, cannot be read. Nothing was taken."));
        answers.insert(
            "409".to_owned(),
            with_header(
                problem("The first request with this Idempotency-Key is under way."),
                "retry-after",
                "Seconds to wait.",
            ),
        );
        answers.insert("413".to_owned(), problem("The request is larger than what is taken."));
        answers.insert("415".to_owned(), problem("The content type or encoding is none that is read."));
        answers.insert(
            "422".to_owned(),
            mixed(
                "Every event is refused, or the Idempotency-Key was used for another body.",
                &["ProblemResults", "Problem"],
            ),
        );
        let not_taken =
            mixed("Some events were not taken: send them again. Or nothing answers.", &["ProblemResults", "Problem"]);
        answers.insert("503".to_owned(), with_header(not_taken, "retry-after", "Seconds to wait."));
        let event = json!({"$ref": "#/components/schemas/Event"});
        json!({
            "operationId": "sendEvents",
            "summary": "Send events",
            "description": format!("Takes one event or up to {MAX_EVENTS}, and answers when SQS has them, with a result for each in order. A body has at most {MAX_WIRE} bytes on the wire and {MAX_UNPACKED} unpacked; it may be packed with gzip or zstd (content-encoding), in the content types of CloudEvents and NDJSON. One event may also come in binary mode: its attributes in ce- headers, its data in the body. Scope: events:write."),
            "parameters": [
                {"$ref": "#/components/parameters/Tenant"},
                {"name": "Idempotency-Key", "in": "header", "required": false, "description": "A name of this request: for 24 hours the same request with the same key is done once, and gets the first answer again.", "schema": {"pattern": "^\"?[!#-~]{1,255}\"?$"}},
                trace("traceparent", "The trace of the request (W3C Trace Context), which events that name none of their own belong to; one that cannot be read is ignored."),
                trace("tracestate", "What the systems of the trace say to each other; kept with traceparent."),
            ],
            "requestBody": {"required": true, "content": {
                "application/cloudevents+json": {"schema": event},
                "application/cloudevents-batch+json": {"schema": {"type": "array", "maxItems": MAX_EVENTS, "items": event}},
                "application/json": {"schema": {"oneOf": [event, {"type": "array", "maxItems": MAX_EVENTS, "items": event}]}},
            }},
            "responses": answers,
        })
    }

    fn get() -> Json {
        let mut answers = problems();
        answers.insert(
            "200".to_owned(),
            json!({"description": "What is recorded.", "content": {"application/json": {"schema": {
                "type": "object",
                "description": "What `acequia explain --json` prints.",
                "required": ["tenant", "event", "route", "deliveries", "paused"],
                "properties": {
                    "tenant": {"type": "string"},
                    "event": {"type": "string"},
                    "route": {"type": ["object", "null"]},
                    "deliveries": {"type": "array", "items": {"type": "object"}},
                    "paused": {"type": "array", "items": {"type": "object"}},
                },
            }}}}),
        );
        json!({
            "operationId": "explainEvent",
            "summary": "What became of an event",
            "description": "Where it was routed, each delivery with its attempts, and what is to come. Scope: events:read.",
            "parameters": [
                {"$ref": "#/components/parameters/Tenant"},
                {"name": "event", "in": "path", "required": true, "description": "Source and id of the event, with a bar between them.", "schema": {"type": "string", "pattern": "^/[a-z0-9]+\\|[a-z0-9]+$"}},
            ],
            "responses": answers,
        })
    }

    /// A request for replays: what it answers when all is well, and which problems it meets beyond those of all.
    fn replay_answers(status: &str, schema: &str, more: &[(&str, &str)]) -> Map<String, Json> {
        let mut answers = problems();
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        let content = json!({"description": "How it stands.", "content": {"application/json": {"schema": schema}}});
        answers.insert(status.to_owned(), content);
        answers.extend(more.iter().map(|(status, says)| ((*status).to_owned(), problem(says))));
        answers
    }

    fn replays() -> Json {
        let says = [
            ("400", "The body, or the Idempotency-Key, cannot be read."),
            ("409", "Another replay is under way."),
            ("413", "The body is larger than what is taken."),
            ("415", "The content type is not JSON."),
            ("422", "The replay cannot be asked for, or the Idempotency-Key was used for another one."),
        ];
        let mut begun = replay_answers("202", "Replay", &says);
        if let Some(answer) = begun.get_mut("202") {
            answer["headers"]["location"] = json!({"description": "Where it is shown.", "schema": {"type": "string"}});
        }
        json!({
            "parameters": [{"$ref": "#/components/parameters/Tenant"}],
            "get": {
                "operationId": "listReplays",
                "summary": "The tenant's replays",
                "description": "The last hundred, the last one first. Scope: replay.",
                "responses": replay_answers("200", "Replays", &[]),
            },
            "post": {
                "operationId": "beginReplay",
                "summary": "Have archived events sent again",
                "description": format!("The platform begins within a minute or two, and sends them straight to the sinks' queues; with dry_run it counts them alone. A body has at most {MAX_BODY} bytes. docs/REPLAY.md says what is promised. Scope: replay."),
                "parameters": [{"name": "Idempotency-Key", "in": "header", "required": false, "description": "A name of this request: the same replay under the same key is one, for good.", "schema": {"pattern": "^\"?[!#-~]{1,255}\"?$"}}],
                "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ReplayRequest"}}}},
                "responses": begun,
            },
        })
    }

    fn one_replay(operation: Option<(&str, &str)>) -> Json {
        let parameters =
            json!([{"$ref": "#/components/parameters/Tenant"}, {"$ref": "#/components/parameters/ReplayId"}]);
        let state = [("409", "It is done, or it or another one is under way.")];
        match operation {
            None => json!({"parameters": parameters, "get": {
                "operationId": "showReplay", "summary": "How a replay stands", "description": "What was asked for, how far it is, and what went wrong. Scope: replay.",
                "responses": replay_answers("200", "Replay", &[]),
            }}),
            Some(("stopReplay", says)) => json!({"parameters": parameters, "post": {
                "operationId": "stopReplay", "summary": says, "description": "Whoever runs it ends within some seconds. Scope: replay.",
                "responses": replay_answers("200", "Replay", &state),
            }}),
            Some((operation, says)) => {
                let bad = [("400", "The body cannot be read."), ("413", "The body is larger than what is taken.")];
                json!({"parameters": parameters, "post": {
                    "operationId": operation, "summary": says, "description": "It goes on behind the place where it was. Scope: replay.",
                    "requestBody": {"required": false, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ReplayResumption"}}}},
                    "responses": replay_answers("202", "Replay", &[state.as_slice(), &bad].concat()),
                }})
            }
        }
    }

    fn open(summary: &str, operation: &str) -> Json {
        let method = with_header(problem("The path takes other methods."), "allow", "The methods that it takes.");
        json!({"get": {
            "operationId": operation, "summary": summary, "security": [],
            "responses": {"200": {"description": "It is.", "content": {"application/json": {"schema": {"type": "object"}}}}, "405": method},
        }})
    }

    fn document() -> Json {
        let mut schemas = Map::new();
        for reference in [
            schema::<Results>(&mut schemas),
            schema::<ProblemResults<'_>>(&mut schemas),
            schema::<Details<'_>>(&mut schemas),
            schema::<Wanted<'_>>(&mut schemas),
            schema::<Onward>(&mut schemas),
            schema::<Told>(&mut schemas),
            schema::<Listed>(&mut schemas),
        ] {
            assert!(reference.get("$ref").is_some(), "{reference}");
        }
        schemas.insert("Event".to_owned(), event());
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Acequia: events come in",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Producers send events here, and have archived ones sent again; docs/API.md is the guide.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "security": [{"token": []}],
            "paths": {
                "/v1/tenants/{tenant}/events": {"post": post()},
                "/v1/tenants/{tenant}/events/{event}": {"get": get()},
                "/v1/tenants/{tenant}/replays": replays(),
                "/v1/tenants/{tenant}/replays/{replay}": one_replay(None),
                "/v1/tenants/{tenant}/replays/{replay}/stop": one_replay(Some(("stopReplay", "Stop a replay"))),
                "/v1/tenants/{tenant}/replays/{replay}/resume": one_replay(Some(("resumeReplay", "Go on with a replay that was stopped"))),
                "/v1/health": open("Whether the API answers", "health"),
                "/v1/openapi.json": open("This document", "openApi"),
            },
            "components": {
                "parameters": {"ReplayId": {"name": "replay", "in": "path", "required": true, "description": "The replay's id.", "schema": {"type": "string", "pattern": "^[a-z][a-z0-9]{1,31}$"}}, "Tenant": {"name": "tenant", "in": "path", "required": true, "description": "The tenant, which the credentials must be for.", "schema": {"type": "string", "pattern": "^[a-z][a-z0-9-]{1,31}$"}}},
                "schemas": schemas,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "An API key of the tenant (acequia key create), or a JWT of an issuer that is trusted."}},
            },
        })
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "how a person asks for the file to be written anew")]
    fn the_document_in_docs_is_made_from_the_types() {
        let made = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
        if std::env::var_os("ACEQUIA_BLESS").is_some() {
            std::fs::write(FILE, &made).unwrap();
        }
        let kept = std::fs::read_to_string(FILE).unwrap();
        assert!(kept == made, "docs/openapi.json is not what the code says: run this test with ACEQUIA_BLESS=1");
    }
}
