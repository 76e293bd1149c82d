//! The archive: what lies in its bucket, and who may do what with it.

use std::collections::BTreeMap;

use e2e::world::event;
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

/// The bucket, as the function is told.
pub(crate) fn bucket() -> String {
    let path = format!("/2015-03-31/functions/acequia-{}-archive/configuration", world().environment.stage);
    let configuration = world().aws.rest("lambda", "GET", &path, &Json::Null).unwrap();
    configuration["Environment"]["Variables"]["ARCHIVE_BUCKET"].as_str().unwrap().to_owned()
}

/// The names of objects that begin like this.
fn keys(prefix: &str) -> Vec<String> {
    let prefix = prefix.replace('=', "%3D").replace('/', "%2F");
    let list = world().aws.s3("GET", &format!("/{}?list-type=2&prefix={prefix}", bucket()), "").unwrap();
    let list = String::from_utf8(list).unwrap();
    list.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned()).collect()
}

/// What an object holds.
fn content(key: &str) -> Vec<u8> {
    world().aws.s3("GET", &format!("/{}/{}", bucket(), key.replace('=', "%3D")), "").unwrap()
}

/// The objects with lines of a tenant: their names, and their lines.
fn objects(tenant: &str) -> Vec<(String, Vec<Json>)> {
    let lines = |key: String| {
        let text = String::from_utf8(zstd::decode_all(&*content(&key)).unwrap()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (key, lines)
    };
    keys(&format!("tenant={tenant}/date=")).into_iter().map(lines).collect()
}

/// Copies some of birch's objects with lines into an hour that is closed; answers how many events they have.
fn into_hour(hour: &str, count: usize) -> usize {
    for number in 0..count {
        world().send("birch", &[&event("kept.hour", &format!("hour-{hour}-{number}"), &json!({}))]);
        eventually("it is kept", || {
            let kept = |(_, lines): &(String, Vec<Json>)| {
                lines.iter().any(|line| line["event"]["id"] == format!("hour-{hour}-{number}"))
            };
            objects("birch").iter().any(kept).then_some(())
        });
    }
    // Other tests copy objects, too, under the names that they have.
    let file = |key: &str| key.rsplit_once('/').unwrap().1.to_owned();
    let others = objects("birch").into_iter().filter(|(key, _)| !key.contains(hour));
    let by_file: BTreeMap<String, _> = others.map(|(key, lines)| (file(&key), (key, lines))).collect();
    let from: Vec<_> = by_file.into_values().take(count).collect();
    assert_eq!(from.len(), count);
    for (key, _) in &from {
        let (bucket, file) = (bucket(), file(key));
        let to = format!("{bucket}/tenant%3Dbirch/{}/{file}", hour.replace('=', "%3D"));
        world().aws.s3_copy(&format!("{bucket}/{}", key.replace('=', "%3D")), &to).unwrap();
    }
    from.iter().map(|(_, lines)| lines.len()).sum()
}

/// The one object of an hour of birch's that was compacted.
fn compacted(hour: &str) -> Vec<String> {
    let lines = keys(&format!("tenant=birch/{hour}/"));
    if lines.is_empty() { keys(&format!("tenant=birch/parquet/{hour}/")) } else { lines }
}

#[test]
fn a_sink_of_format_parquet_keeps_columns() {
    world().send("birch", &[&event("columns.e2e", "columns-1", &json!({"n": 1}))]);
    let of_a_batch = |key: &String| !key.contains("/merged-");
    let key = eventually("it is kept", || keys("tenant=birch/parquet/date=").into_iter().find(of_a_batch));
    let told = eventually("it is told where it is", || {
        let told = world().read(&["explain", "birch", "/e2e|columns-1"]);
        let kept = |delivery: &&Json| delivery["sink"] == "columns" && delivery["status"] == "delivered";
        Some(told["deliveries"].as_array()?.iter().find(kept)?["receipt"]["id"].clone())
    });
    assert_eq!(told, key.as_str());
    let object = content(&key);
    assert!(object.starts_with(b"PAR1") && object.ends_with(b"PAR1"));
}

#[test]
fn the_command_makes_one_object_of_an_hours_small_ones() {
    let hour = "date=2026-01-05/hour=05";
    let events = into_hour(hour, 3);
    let compact = ["archive", "compact", "birch", "--from", "2026-01-05", "--to", "2026-01-06"];
    let dry = world().read(&[&compact[..], &["--dry-run"]].concat());
    assert_eq!((&dry["hours"][0]["hour"], &dry["hours"][0]["small"]), (&json!(hour), &json!(3)), "{dry}");
    let done = world().read(&compact);
    let told = &done["hours"][0];
    assert_eq!((&told["events"], &told["made"], &told["deleted"]), (&json!(events), &json!(1), &json!(3)), "{done}");
    let left = compacted(hour);
    assert!(left.len() == 1 && left[0].contains("/merged-000001-"), "{left:?}");
    assert!(content(&left[0]).starts_with(b"PAR1"));
    assert_eq!(world().read(&compact)["hours"], json!([]), "nothing is left to do");
}

#[test]
fn the_function_compacts_closed_hours_of_tenants_that_want_it() {
    let name = format!("acequia-{}-compact", world().environment.stage);
    // Hours of now are not closed.
    let hour = format!("date={}/hour=03", days_ago(2));
    into_hour(&hour, 2);
    let answer = world().aws.rest("lambda", "POST", &format!("/2015-03-31/functions/{name}/invocations"), &json!({}));
    assert_eq!(answer.unwrap(), Json::Null);
    let left = compacted(&hour);
    assert!(left.len() == 1 && left[0].contains("/merged-000001-"), "{left:?}");
}

/// A date some days ago, in UTC.
#[expect(clippy::disallowed_methods, reason = "the deployed function goes by the real time")]
fn days_ago(days: u64) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    // http://howardhinnant.github.io/date_algorithms.html#civil_from_days
    let days = since.as_secs() / 86_400 - days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year) } else { (month - 9, year + 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year)
}

#[test]
fn the_compact_function_may_change_objects_of_tenants_and_nothing_else() {
    let role = world().aws.role_of(&format!("acequia-{}-compact", world().environment.stage));
    let ask = |method: &str, key: &str| role.s3(method, &format!("/{}/{key}", bucket()), "");
    for method in ["PUT", "GET", "DELETE"] {
        ask(method, "tenant%3De2e-compact/permission").unwrap();
        assert!(ask(method, "elsewhere").unwrap_err().is_denied(), "{method}");
    }
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
