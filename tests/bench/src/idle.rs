//! What tenants cost at which nothing happens: Lambda's pollers, the watch, and alarms. Reckoned from list prices and
//! from how often the watch looks; nothing here was measured.

use acequia_core::watch::ROUND;

use crate::price;
use crate::table::{grouped, markdown};

/// A month of 30 days, in minutes.
const MONTH: f64 = 30.0 * 24.0 * 60.0;
/// How often the watch is called (template.yaml), in minutes.
const WATCH_EVERY: f64 = 5.0;
/// What a page of SQS's list of queues holds.
const LISTED: f64 = 1_000.0;

/// A tenant's stack, as its parameters make it.
struct Stack {
    parameters: &'static str,
    /// Queues that a function works off.
    mappings: f64,
    /// All queues, each with its dead-letter queue.
    queues: f64,
}

/// README's line without and with e-mail, and everything.
const STACKS: [Stack; 3] = [
    Stack { parameters: "Webhook", mappings: 2.0, queues: 4.0 },
    Stack { parameters: "Webhook, Email", mappings: 3.0, queues: 6.0 },
    Stack { parameters: "Webhook, Email, Forward, OutQueue", mappings: 4.0, queues: 10.0 },
];

/// What one tenant costs a month.
struct Idle {
    pollers: f64,
    watch: f64,
    alarms: f64,
}

impl Idle {
    fn of(stack: &Stack, own_alarms: bool) -> Self {
        let calls = |number: f64| number * price::SQS_STANDARD / 1e6;
        let looks = MONTH / (ROUND.as_secs_f64() / 60.0);
        let lists = MONTH / WATCH_EVERY;
        Self {
            pollers: calls(stack.mappings * price::POLLS_A_MINUTE * MONTH),
            watch: calls(stack.queues * (looks + lists / LISTED)),
            // One on the depth of each dead-letter queue, one on the age in each other.
            alarms: if own_alarms { stack.queues * price::ALARM } else { 0.0 },
        }
    }

    fn sum(&self) -> f64 {
        self.pollers + self.watch + self.alarms
    }
}

/// What tenants cost a month at which nothing happens, with shared alarms and with their own.
pub fn per_tenant() -> String {
    let mut rows = Vec::new();
    for stack in &STACKS {
        for (alarms, own) in [("shared", false), ("own", true)] {
            let idle = Idle::of(stack, own);
            let one = [idle.pollers, idle.watch, idle.alarms, idle.sum()];
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some ten thousand dollars")]
            let many = [100.0, 1_000.0, 10_000.0].map(|tenants: f64| grouped((tenants * idle.sum()).round() as u64));
            let mut row = vec![stack.parameters.to_owned(), alarms.to_owned()];
            let [pollers, watch, alarms, sum] = one;
            row.extend([format!("{pollers:.2}"), format!("{watch:.3}"), format!("{alarms:.2}"), format!("{sum:.2}")]);
            row.extend(many);
            rows.push(row);
        }
    }
    let header = [
        "tenant stack",
        "Alarms",
        "pollers $",
        "watch $",
        "alarms $",
        "one tenant $",
        "100 tenants $",
        "1,000 tenants $",
        "10,000 tenants $",
    ];
    markdown(&header, 2, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_with_webhooks_idles_at_its_pollers_price() {
        let idle = Idle::of(&STACKS[0], false);
        assert_eq!(
            (format!("{:.2}", idle.pollers), format!("{:.2}", idle.sum())),
            ("0.52".to_owned(), "0.52".to_owned())
        );
        assert_eq!(format!("{:.2}", Idle::of(&STACKS[0], true).sum()), "0.92");
    }

    #[test]
    fn the_watch_costs_about_a_hundredth_of_what_the_pollers_do() {
        for stack in &STACKS {
            let idle = Idle::of(stack, false);
            assert!(idle.watch < 0.012 * idle.pollers, "{}: {} of {}", stack.parameters, idle.watch, idle.pollers);
        }
    }
}
