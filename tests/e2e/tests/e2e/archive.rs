//! The archive: what lies in its bucket, and who may do what with it.

use e2e::world::event;
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

/// The bucket, as the function is told.
pub(crate) fn bucket() -> String {
    let path = format!("/2015-03-31/functions/acequia-{}-archive/configuration", world().environment.stage);
    let configuration = world().aws.rest("lambda", "GET", &path, &Json::Null).unwrap();
    configuration["Environment"]["Variables"]["ARCHIVE_BUCKET"].as_str().unwrap().to_owned()
}

/// The objects of a tenant: their names, and their lines.
fn objects(tenant: &str) -> Vec<(String, Vec<Json>)> {
    let (bucket, aws) = (bucket(), &world().aws);
    let list = aws.s3("GET", &format!("/{bucket}?list-type=2&prefix=tenant%3D{tenant}%2F"), "").unwrap();
    let list = String::from_utf8(list).unwrap();
    let keys = list.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned());
    let lines = |key: String| {
        let object = aws.s3("GET", &format!("/{bucket}/{}", key.replace('=', "%3D")), "").unwrap();
        let text = String::from_utf8(zstd::decode_all(&*object).unwrap()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (key, lines)
    };
    keys.map(lines).collect()
}

#[test]
fn events_of_an_archive_sink_lie_in_the_tenants_objects_as_they_were_sent() {
    let world = world();
    let sent: Vec<String> =
        (0..25).map(|number| event("kept.e2e", &format!("kept-{number}"), &json!({"n": number}))).collect();
    let spread = sent[0].replace("kept-0", "kept-lines").replace(',', ",\n ");
    for batch in sent.chunks(10) {
        world.send("birch", &batch.iter().map(String::as_str).collect::<Vec<_>>());
    }
    world.send("birch", &[&spread]);
    let found = |id: &str| {
        let line =
            |(key, lines): (String, Vec<Json>)| Some((key, lines.into_iter().find(|line| line["event"]["id"] == id)?));
        objects("birch").into_iter().find_map(line)
    };
    for (number, sent) in sent.iter().enumerate() {
        let (_, line) = eventually("it is kept", || found(&format!("kept-{number}")));
        assert_eq!(line["event"], serde_json::from_str::<Json>(sent).unwrap());
    }
    let (key, line) = eventually("it is kept", || found("kept-lines"));
    assert_eq!(line["text"], spread.as_str());
    assert!(key.starts_with("tenant=birch/date=") && key.ends_with(".ndjson.zst"), "{key}");
    let told = eventually("it is told where it is", || {
        let told = world.read(&["explain", "birch", "/e2e|kept-lines"]);
        (told["deliveries"][0]["status"] == "delivered").then_some(told)
    });
    let (receipt, deliveries) = (&told["deliveries"][0]["receipt"]["id"], told["deliveries"].as_array().unwrap());
    assert!(
        deliveries.iter().any(|delivery| delivery["receipt"]["id"] == key.as_str()) || receipt == &json!(key),
        "{told}"
    );
    assert!(objects("alder").is_empty(), "another tenant's are its own");
}

#[test]
fn the_archive_function_may_write_objects_of_tenants_and_read_nothing() {
    let role = world().aws.role_of(&format!("acequia-{}-archive", world().environment.stage));
    let put = |key: &str| role.s3("PUT", &format!("/{}/{key}", bucket()), "{}");
    put("tenant%3De2e/permission").unwrap();
    assert!(put("elsewhere").unwrap_err().is_denied());
    let get = role.s3("GET", &format!("/{}/tenant%3De2e/permission", bucket()), "");
    assert!(get.unwrap_err().is_denied());
}
