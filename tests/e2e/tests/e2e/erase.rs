//! Erasing a person: by the deployed functions, the operator's policy and a real `PostgreSQL`.

use std::collections::BTreeSet;

use database::PASSWORD;
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

use crate::archive::bucket;
use crate::table::{TENANT, count, server};

/// The person, as events write them, and another.
const ANA: &str = "Ana.Erasable@example.org";
const BO: &str = "bo.kept@example.org";

fn event_of(kind: &str, id: &str, subject: &str) -> String {
    json!({"specversion": "1.0", "id": id, "source": "/e2e", "type": kind, "subject": subject, "data": {}}).to_string()
}

fn erase(more: &[&str]) -> Json {
    let arguments =
        ["--output", "json", "erase", TENANT, "--subject", "ana.erasable@EXAMPLE.org", "--password", PASSWORD];
    let ran = world().run(&[&arguments[..], more].concat(), "");
    assert!([0, 1].contains(&ran.code), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// What the local S3 has in the archive, unpacked.
fn archived() -> String {
    let world = world();
    let bucket = bucket();
    let list = world.aws.s3("GET", &format!("/{bucket}?list-type=2&prefix=tenant%3D{TENANT}%2F"), "").unwrap();
    let list = String::from_utf8(list).unwrap();
    let keys = list.split("<Key>").skip(1).map(|part| part.split_once("</Key>").unwrap().0);
    let unpacked = keys.map(|key| {
        let packed = world.aws.s3("GET", &format!("/{bucket}/{}", key.replace('=', "%3D")), "").unwrap();
        String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap()
    });
    unpacked.collect()
}

/// The archive's lines that name somebody: a message that came twice may stand there twice.
fn lines_of(who: &str) -> Vec<String> {
    archived().lines().filter(|line| line.contains(who)).map(str::to_owned).collect()
}

/// How many events name somebody.
fn events_of(who: &str) -> usize {
    lines_of(who).into_iter().collect::<BTreeSet<_>>().len()
}

/// All that tables and queues of the stage have of the tenant, and the archive, as one text.
fn everything() -> String {
    let world = world();
    let stage = &world.environment.stage;
    let mut all = archived();
    for table in ["tenants", "ledger", "delayed", "consents"] {
        let mut from = Json::Null;
        loop {
            let mut body = json!({"TableName": format!("acequia-{stage}-{table}")});
            if !from.is_null() {
                body["ExclusiveStartKey"] = from;
            }
            let page = world.aws.json("dynamodb", "DynamoDB_20120810.Scan", &body).unwrap();
            all.push_str(&page["Items"].to_string());
            from = page["LastEvaluatedKey"].clone();
            if from.is_null() {
                break;
            }
        }
    }
    for queue in ["intake", "webhook", "archive", "table"] {
        for ending in ["", "-dlq"] {
            for message in world.peek(TENANT, &format!("{queue}{ending}")) {
                all.push_str(message["Body"].as_str().unwrap());
            }
        }
    }
    all.to_lowercase()
}

#[test]
fn a_person_is_erased_from_archive_queues_consents_and_tables_and_nobody_else_is() {
    let world = world();
    let server = server(world);
    world.switch("far", "503");
    world.switch("never", "400");
    for (name, subject) in [("ana", ANA), ("bo", BO)] {
        for kind in ["erase.row", "erase.far", "erase.never"] {
            world.send(TENANT, &[&event_of(kind, &format!("{kind}-{name}"), subject)]);
        }
        for n in 0..5 {
            world.send(TENANT, &[&event_of("erase.row", &format!("row-{n}-{name}"), subject)]);
        }
    }
    let rows = |who: &str| {
        let query = format!("select count(*) from erasure.people where who = '{who}'");
        server.query("rows", &query).unwrap().parse::<usize>().unwrap()
    };
    eventually("all are rows", || (rows(ANA) == 8 && rows(BO) == 8).then_some(()));
    eventually("all are archived", || (events_of(ANA) == 8 && events_of(BO) == 8).then_some(()));
    eventually("two are delayed", || {
        let delayed = world.read(&["delayed", TENANT, "--sink", "far"]);
        (delayed["total"] == 2).then_some(())
    });
    for (name, subject) in [("ana", ANA), ("bo", BO)] {
        let letter = event_of("erase.never", &format!("erase.never-{name}"), subject);
        eventually("the dead letter is there", || world.quarantined(TENANT, "webhook", &letter));
    }
    let archived = lines_of(ANA).len() as u64;
    let counted = erase(&["--dry-run"]);
    let rows_of = |told: &Json| {
        let tables = told["tables"].as_array().unwrap();
        tables.iter().find(|table| table["sink"] == "people").unwrap()["rows"].as_u64()
    };
    let told = |told: &Json| {
        (told["archive"]["events"].as_u64(), told["delayed"].as_u64(), told["dead_letters"].as_u64(), rows_of(told))
    };
    assert_eq!(told(&counted), (Some(archived), Some(1), Some(1), Some(8)), "{counted}");
    assert_eq!((rows(ANA), everything().contains(&ANA.to_lowercase())), (8, true), "a dry run changes nothing");
    let done = erase(&["--yes"]);
    assert_eq!(told(&done), told(&counted), "{done}");
    assert!(!done.to_string().to_lowercase().contains(&ANA.to_lowercase()), "{done}");
    let left = everything();
    let found =
        left.split_once(&ANA.to_lowercase()).map(|(before, _)| before.chars().rev().take(300).collect::<Vec<_>>());
    let before: Option<String> = found.map(|chars| chars.into_iter().rev().collect());
    assert_eq!(before, None, "what stands before it, somewhere");
    assert_eq!((rows(ANA), rows(BO), count(server, "erasure.people")), (0, 8, 8));
    assert_eq!(events_of(BO), 8, "the others' are there");
    assert_eq!(world.read(&["delayed", TENANT, "--sink", "far"])["total"], 1);
    let log = world.read(&["audit", TENANT]);
    let erased: Vec<&str> = log["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["action"] == "erase")
        .map(|row| row["summary"].as_str().unwrap())
        .collect();
    assert_eq!(erased.len(), 2, "{log}");
    assert!(
        erased[0].contains(done["subject"].as_str().unwrap())
            && erased[1].contains(&format!("{archived} archived events")),
        "{erased:?}"
    );
    let again = erase(&["--yes"]);
    assert_eq!(told(&again), (Some(0), Some(0), Some(0), Some(0)));
    world.switch("far", "200");
    world.switch("never", "200");
}
