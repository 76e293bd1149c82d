//! A tenant whose stack keeps order: what goes in in order comes out in order, group by group.

use e2e::{eventually, world};
use serde_json::{Value as Json, json};

const GROUPS: usize = 5;
const EVENTS: usize = 50;

#[test]
fn each_group_comes_out_in_the_order_in_which_it_went_in() {
    let world = world();
    let line = |n: usize| {
        let group = format!("group-{}", n % GROUPS);
        json!({"specversion": "1.0", "id": format!("in-order-{n:02}"), "source": "/e2e", "type": "ordered",
            "partitionkey": group, "data": {"n": n}})
        .to_string()
    };
    let events: Vec<String> = (0..EVENTS).map(line).collect();
    world.acequia(&["send", "aspen"], &events.join("\n"));
    let out = eventually("all are there", || {
        // Other tests send to this tenant, too.
        let mut found = world.peek("aspen", "out.fifo");
        found.retain(|message| message["Body"].as_str().unwrap().contains("in-order-"));
        (found.len() >= EVENTS).then_some(found)
    });
    assert_eq!(out.len(), EVENTS, "each once");
    for group in 0..GROUPS {
        let name = format!("group-{group}");
        let numbers: Vec<u64> = out
            .iter()
            .map(|message| serde_json::from_str::<Json>(message["Body"].as_str().unwrap()).unwrap())
            .filter(|body| body["partitionkey"] == name.as_str())
            .map(|body| body["data"]["n"].as_u64().unwrap())
            .collect();
        let sent: Vec<u64> = (0..EVENTS as u64).filter(|n| n % GROUPS as u64 == group as u64).collect();
        assert_eq!(numbers, sent, "{name}");
    }
}
