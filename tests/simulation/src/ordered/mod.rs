//! Order in the simulator, a family of runs of its own: tenants whose stacks keep order, with FIFO queues from the
//! intake to the target. The driver, the ports, the perils and all rules are those of the first family; [`order`] has
//! the rules of order besides.

pub mod order;

use std::time::Duration;

use acequia_core::kind::SinkKind;
use acequia_testkit::build;

use crate::dice::Dice;
use crate::run::{self, Options, Report};
use crate::scenario::{EventPlan, Flaw, SCHEDULES, Scenario, SinkPlan, SinkVersion, TYPES, TenantPlan};
use crate::weather::Weather;

/// Keeps the dice of this family apart from the other ones'.
const FAMILY: u64 = 0x0f1f_0000_0000_0000;

/// Within which time producers send.
const SENDING: Duration = Duration::from_mins(5);
/// How much later a producer may send an event again: within the time in which SQS knows it.
const AGAIN: Duration = Duration::from_mins(4);

/// Runs one seed.
pub fn run(seed: u64, options: Options) -> Report {
    let mut dice = Dice::new(seed ^ FAMILY);
    let weather = Weather::of(&mut dice);
    let scenario = scenario(&mut dice);
    run::play(seed, dice, weather, scenario, options)
}

pub(crate) fn scenario(dice: &mut Dice) -> Scenario {
    let tenants: Vec<TenantPlan> = (0..=dice.below(2)).map(|index| tenant(dice, index)).collect();
    let groups = 1 + dice.below(4);
    let events = (0..10 + dice.below(31)).map(|number| event(dice, &tenants, groups, number)).collect();
    Scenario { tenants, events, partitions: 0 }
}

fn tenant(dice: &mut Dice, index: usize) -> TenantPlan {
    let plan = |id, claims| SinkPlan {
        id: build::sink_id(id),
        kind: SinkKind::Forward,
        claims,
        quarantines_ambiguous: false,
        fifo: true,
    };
    let mut sinks = vec![plan("ordered", false), plan("ordered-strict", true)];
    match dice.below(3) {
        0 => drop(sinks.pop()),
        1 => drop(sinks.remove(0)),
        _ => {}
    }
    // Every sink takes every event, so that whatever is missing in a group is missing for a reason.
    let version = |dice: &mut Dice| SinkVersion {
        rule: "*",
        country: None,
        enabled: true,
        paused: false,
        waits: dice.pick(&SCHEDULES).copied().unwrap_or(&[5]),
    };
    let first = sinks.iter().map(|_| version(dice)).collect();
    let id = build::tenant_id(if index == 0 { "aspen" } else { "birch" });
    TenantPlan { id, sinks, versions: vec![first], ordered: true }
}

fn event(dice: &mut Dice, tenants: &[TenantPlan], groups: usize, number: usize) -> EventPlan {
    let tenant = dice.below(tenants.len());
    let owner = tenants.get(tenant).map(|tenant| tenant.id.to_string()).unwrap_or_default();
    let (id, group) = (format!("e{number}"), format!("group-{}", dice.below(groups)));
    let kind = dice.pick(&TYPES).copied().unwrap_or("action.signed");
    let flaw = match dice.below(60) {
        0 => Flaw::NotJson,
        1 => Flaw::Foreign,
        2 => Flaw::KillsRouter,
        3 => Flaw::KillsSinks,
        4 | 5 => Flaw::Refused,
        _ => Flaw::None,
    };
    let named = if flaw == Flaw::Foreign { "another" } else { owner.as_str() };
    let body = if flaw == Flaw::NotJson {
        format!("{{ {owner} {id}")
    } else {
        serde_json::json!({ "specversion": "1.0", "id": id, "source": build::SOURCE, "type": kind, "acequiatenant": named,
            "partitionkey": group, "data": { "number": number } })
        .to_string()
    };
    let first = dice.between(Duration::ZERO, SENDING);
    let mut sendings = vec![first];
    while dice.happens(0.15) && sendings.len() < 3 {
        sendings.push(first.saturating_add(dice.between(Duration::ZERO, AGAIN)));
    }
    EventPlan {
        tenant,
        identity: number,
        event: build::event_id(&id),
        group: Some(group),
        kind,
        country: "FR",
        flaw,
        expires_at: None,
        body,
        sendings,
    }
}
