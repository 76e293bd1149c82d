//! The audit log: what an operator does is in it, copied into a bucket with object lock, and a row that is bent is
//! found.

use e2e::{eventually, world};
use serde_json::{Value as Json, json};

/// What `cargo xtask test` names in the platform's parameter `AuditBucket`.
const BUCKET: &str = "acequia-local-audit";

/// The copies of a tenant's rows.
fn copies(tenant: &str) -> Vec<Json> {
    let aws = &world().aws;
    let list = aws.s3("GET", &format!("/{BUCKET}?list-type=2&prefix=acequia%2Flocal%2Ftenant%3D{tenant}%2F"), "");
    let list = String::from_utf8(list.unwrap()).unwrap();
    let keys = list.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap());
    let read = |key: &str| aws.s3("GET", &format!("/{BUCKET}/{}", key.replace('=', "%3D")), "").unwrap();
    keys.map(|key| serde_json::from_slice(&read(key)).unwrap()).collect()
}

#[test]
fn what_an_operator_does_is_logged_with_who_they_are_and_copied_where_it_stays() {
    let world = world();
    let name = format!("audited-{}", std::process::id());
    world.acequia(&["secret", "put", "rowan", &name, "--for", "webhook", "--generate", "--actor", "ana"], "");
    let log = world.read(&["audit", "rowan"]);
    assert_eq!((&log["intact"], &log["broken_at"]), (&true.into(), &Json::Null), "{log}");
    let rows: Vec<&Json> = log["rows"].as_array().unwrap().iter().collect();
    let of_it: Vec<&&Json> = rows.iter().filter(|row| row["action"] == "secret").collect();
    let told: Vec<&str> = of_it.iter().map(|row| row["summary"].as_str().unwrap()).collect();
    let begun = told.iter().position(|summary| *summary == format!("begun: {name}, for webhook")).unwrap();
    assert_eq!(told[begun + 1], "ended: written");
    let actor = of_it[begun]["actor"].as_str().unwrap();
    assert!(actor.starts_with("ana (") && actor.ends_with(&format!(" of {})", e2e::aws::ACCOUNT)), "{actor}");
    eventually("each row has its copy", || {
        let copies = copies("rowan");
        rows.iter().all(|row| copies.iter().any(|copy| row["hash"] == copy["hash"])).then_some(())
    });
}

#[test]
fn the_audit_function_may_add_copies_and_neither_read_the_table_nor_take_a_copy_away() {
    let role = world().aws.role_of("acequia-local-audit");
    let put = |key: &str| role.s3("PUT", &format!("/{BUCKET}/{key}"), "{}");
    put("acequia/local/tenant%3De2e/permission.json").unwrap();
    assert!(put("elsewhere").unwrap_err().is_denied());
    for method in ["GET", "DELETE"] {
        let answer = role.s3(method, &format!("/{BUCKET}/acequia/local/tenant%3De2e/permission.json"), "");
        assert!(answer.unwrap_err().is_denied(), "{method}");
    }
    let key = json!({"pk": {"S": "alder"}, "sk": {"S": "current"}});
    let read = json!({"TableName": "acequia-local-tenants", "Key": key});
    for call in ["GetItem", "DeleteItem"] {
        let answer = role.json("dynamodb", &format!("DynamoDB_20120810.{call}"), &read);
        assert!(answer.unwrap_err().is_denied(), "{call}");
    }
}

#[test]
fn a_row_that_somebody_bent_in_the_table_is_found_and_named() {
    let world = world();
    let aws = &world.aws;
    // Of a tenant that nothing else looks at: its log is broken from then on.
    for round in 0..2 {
        let name = format!("s{round}-{}", std::process::id());
        world.acequia(&["secret", "put", "bentlog", &name, "--for", "webhook", "--generate"], "");
    }
    world.acequia(&["audit", "bentlog", "--verify"], "");
    let query = json!({"TableName": "acequia-local-tenants", "KeyConditionExpression": "pk = :t AND begins_with(sk, :a)",
        "ExpressionAttributeValues": {":t": {"S": "bentlog"}, ":a": {"S": "audit#"}}});
    let found = aws.json("dynamodb", "DynamoDB_20120810.Query", &query).unwrap();
    let items = found["Items"].as_array().unwrap();
    let mut row =
        items.iter().find(|row| row["summary"]["S"].as_str().unwrap().starts_with("begun: s1")).unwrap().clone();
    row["actor"] = json!({"S": "somebody else"});
    aws.json("dynamodb", "DynamoDB_20120810.PutItem", &json!({"TableName": "acequia-local-tenants", "Item": row}))
        .unwrap();
    let verdict = world.run(&["audit", "bentlog", "--verify"], "");
    assert!(verdict.code == 1 && verdict.stdout.contains("BROKEN at row 3"), "{}{}", verdict.stdout, verdict.stderr);
}
