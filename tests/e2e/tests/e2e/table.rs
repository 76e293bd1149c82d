//! Rows: what a real `PostgreSQL` has of a tenant's events, through restarts and repetitions.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use database::{PASSWORD, Server, Stop};
use e2e::world::{World, event};
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

pub(crate) const TENANT: &str = "tamarisk";

/// The tenant's own server, which ends with the process; and its configuration applied.
pub(crate) fn server(world: &World) -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Server::start().unwrap();
        server.create_database("rows").unwrap();
        let table = "create schema crm authorization acequia; set role acequia; create table crm.people \
                     (id text primary key, country text, score integer, changed_at timestamptz not null); reset role; \
                     create schema policy authorization acequia; create table policy.people (id text); \
                     create schema erasure authorization acequia; set role acequia; \
                     create table erasure.people (id text, who text, raw jsonb); reset role";
        server.query("rows", table).unwrap();
        let text = world.document(TENANT).replace("localhost:5432", &format!("localhost:{}", server.port()));
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text.replace("AUTHORITIES", server.authority())).unwrap();
        let path = file.path().to_str().unwrap();
        world.acequia(&["secret", "put", TENANT, "db", "--for", "database", "--value-stdin"], PASSWORD);
        let lacking = world.run(&["table", "check", path, "--password", PASSWORD], "");
        assert_eq!(lacking.code, 3, "{lacking:?}");
        assert!(lacking.stderr.contains("acequia_inbox") && lacking.stderr.contains(".toml:"), "{lacking:?}");
        // The table itself is not its user's: who owns it grants what is needed.
        for (sink, who) in [("rows", "acequia"), ("policy", "postgres"), ("people", "acequia")] {
            world.acequia(&["table", "init", path, sink, "--run", "--as", who, "--password", PASSWORD], "");
        }
        world.acequia(&["tenant", "apply", path, "--yes", "--check", "--password", PASSWORD], "");
        server
    })
}

fn person(id: &str, data: &Json) -> String {
    let mut event: Json = serde_json::from_str(&event("row.changed", id, data)).unwrap();
    event["time"] = json!("2026-11-29T12:00:00Z");
    event.to_string()
}

/// How many rows a table has.
pub(crate) fn count(server: &Server, table: &str) -> usize {
    server.query("rows", &format!("select count(*) from {table}")).unwrap().parse().unwrap()
}

#[test]
fn events_become_rows_once_through_repetitions_a_bad_row_and_a_restart_and_the_outbox_goes_to_the_intake() {
    let world = world();
    let server = server(world);
    let events: Vec<String> = (0..40)
        .map(|n| person(&format!("row-{n}"), &json!({"id": format!("p{n}"), "country": "FR", "score": n})))
        .collect();
    let bad = person("row-bad", &json!({"id": "bad", "score": "very private"}));
    for (number, part) in events.chunks(8).enumerate() {
        // Each comes twice; in the middle the server restarts.
        let sent: Vec<&str> = part.iter().map(String::as_str).collect();
        world.send(TENANT, &sent);
        if number == 2 {
            world.send(TENANT, &[&bad]);
            server.stop(Stop::Immediate).unwrap();
            world.send(TENANT, &sent);
            server.resume().unwrap();
        }
        world.send(TENANT, &sent);
    }
    eventually("each event is a row", || (count(server, "crm.people") == 40).then_some(()));
    let told = eventually("the bad row is quarantined", || world.quarantined(TENANT, "table", &bad));
    assert!(told.contains("rejected"), "{told}");
    let scores = server.query("rows", "select sum(score) from crm.people").unwrap();
    assert_eq!((scores, count(server, "crm.acequia_inbox")), ("780".to_owned(), 40));
    let explained = eventually("what became of one is told", || {
        let told = world.read(&["explain", TENANT, "/e2e|row-7"]);
        (told["deliveries"][0]["status"] == "delivered").then_some(told)
    });
    assert_eq!(explained["deliveries"][0]["receipt"]["id"], "crm.people", "{explained}");

    let relay = || world.read(&["table", "relay", TENANT, "rows", "--password", PASSWORD]);
    assert_eq!(relay(), json!({"sent": 40, "failed": 0}));
    assert_eq!(relay(), json!({"sent": 0, "failed": 0}));
    let ids = server.query("rows", "select event_id from crm.acequia_outbox where delivered_at is not null").unwrap();
    let ids: BTreeSet<&str> = ids.lines().collect();
    assert_eq!(ids.len(), 40);
    let one = format!("/tables/rows|{}", ids.first().unwrap());
    eventually("it came through the intake", || {
        let told = world.run(&["--output", "json", "explain", TENANT, &one], "").stdout;
        told.contains("table.written").then_some(())
    });
}

#[test]
fn the_table_function_may_read_passwords_of_databases_and_no_other_secret() {
    let world = world();
    server(world);
    let role = world.aws.role_of(&format!("acequia-{}-table", world.environment.stage));
    let read = |purpose: &str, name: &str| {
        let name = format!("/acequia/{}/tenant/{TENANT}/{purpose}/{name}", world.environment.stage);
        role.json("ssm", "AmazonSSM.GetParameter", &json!({"Name": name, "WithDecryption": true}))
    };
    read("database", "db").unwrap();
    assert!(read("webhook", "neighbour").unwrap_err().is_denied());
}
