//! How often what goes wrong: a seed's weather, from calm to wild, so that rare faults also meet an otherwise quiet
//! system.

use crate::dice::Dice;

/// The rate of each peril, per call or per opportunity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// The process dies before the effect of a call.
    pub crash_before: f64,
    /// The process dies after it, before the answer.
    pub crash_after: f64,
    /// The service refuses the call: throttled, or down.
    pub refused: f64,
    /// The call has its effect, and its answer is lost.
    pub lost: f64,
    /// The call has its effect twice: the client repeated it because the first answer was lost.
    pub repeated: f64,
    /// An entry of a batch call fails alone.
    pub entry: f64,
    /// The call takes seconds, up to more than an invocation has.
    pub slow: f64,
    /// The call lets others go first.
    pub polite: f64,
    /// SQS hands a message out twice.
    pub duplicated: f64,
    /// SQS does not delete what was acknowledged.
    pub undeleted: f64,
    /// An endpoint fails a request while it is up.
    pub unwell: f64,
    /// Something of the world changes (an outage, a configuration, a redrive), per quarter of a minute.
    pub unrest: f64,
}

impl Weather {
    /// The weather of a seed. Most rates are zero in calm weather, and each has a strength of its own in wild weather.
    pub fn of(dice: &mut Dice) -> Self {
        let wildness = dice.unit();
        let mut rate =
            |most: f64| if dice.happens(0.25 + 0.75 * wildness) { dice.unit() * most * wildness } else { 0.0 };
        Self {
            crash_before: rate(0.04),
            crash_after: rate(0.04),
            refused: rate(0.15),
            lost: rate(0.08),
            repeated: rate(0.05),
            entry: rate(0.06),
            slow: rate(0.12),
            polite: 0.3,
            duplicated: rate(0.25),
            undeleted: rate(0.05),
            unwell: rate(0.5),
            unrest: rate(0.6),
        }
    }

    /// Nothing goes wrong; calls still let each other go first.
    pub fn calm() -> Self {
        Self { polite: 0.1, ..Self::default() }
    }
}
