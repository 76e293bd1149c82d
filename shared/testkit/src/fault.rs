//! Switches that make an operation of an in-memory port fail.

use std::collections::BTreeSet;

use acequia_core::port::Unavailable;

use crate::shared::Shared;

#[derive(Debug, Default)]
struct State {
    down: bool,
    hangs_from: Option<usize>,
    next: usize,
    number: Option<usize>,
    entries: BTreeSet<usize>,
    calls: usize,
}

/// The switches of one operation.
#[derive(Debug, Clone, Default)]
pub struct Faults(Shared<State>);

impl Faults {
    /// Every call fails from now on.
    pub fn go_down(&self) {
        self.0.lock().down = true;
    }

    /// No call answers from now on, where the port can wait.
    pub fn hang(&self) {
        self.hang_from(0);
    }

    /// No call answers from the one of this number on (1-based, from the beginning), where the port can wait.
    pub fn hang_from(&self, number: usize) {
        self.0.lock().hangs_from = Some(number);
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        let mut state = self.0.lock();
        let calls = state.calls;
        *state = State { calls, ..State::default() };
    }

    /// The next `calls` calls fail, then it works again.
    pub fn fail_next(&self, calls: usize) {
        self.0.lock().next = calls;
    }

    /// The call of this number (1-based, from the beginning) fails, and no other.
    pub fn fail_call(&self, number: usize) {
        self.0.lock().number = Some(number);
    }

    /// The entry of this index (0-based) fails in every call, while its neighbours do not.
    pub fn fail_entry(&self, index: usize) {
        self.0.lock().entries.insert(index);
    }

    /// How many calls there were, failed ones included.
    pub fn calls(&self) -> usize {
        self.0.lock().calls
    }

    /// Ends at once, or never where a switch says so.
    pub(crate) async fn answers(&self) {
        let hangs = {
            let state = self.0.lock();
            state.hangs_from.is_some_and(|number| state.calls + 1 >= number)
        };
        if hangs {
            std::future::pending::<()>().await;
        }
    }

    /// One call: fails where a switch says so.
    pub(crate) fn call(&self, operation: &'static str) -> Result<(), Unavailable> {
        let mut state = self.0.lock();
        state.calls += 1;
        let fails = state.down || state.next > 0 || state.number == Some(state.calls);
        state.next = state.next.saturating_sub(1);
        if fails { Err(unavailable(operation)) } else { Ok(()) }
    }

    /// One entry of a call that itself came through.
    pub(crate) fn entry(&self, operation: &'static str, index: usize) -> Result<(), Unavailable> {
        if self.0.lock().entries.contains(&index) { Err(unavailable(operation)) } else { Ok(()) }
    }
}

fn unavailable(operation: &'static str) -> Unavailable {
    Unavailable::new(operation, "switched off by the test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_works_until_it_is_mended() {
        let faults = Faults::default();
        faults.go_down();
        faults.fail_entry(1);
        assert!(faults.call("x").is_err());
        assert!(faults.entry("x", 1).is_err() && faults.entry("x", 0).is_ok());
        faults.mend();
        assert!(faults.call("x").is_ok() && faults.entry("x", 1).is_ok());
        assert_eq!(faults.calls(), 2);
    }

    #[test]
    fn the_next_calls_fail_and_the_ones_after_do_not() {
        let faults = Faults::default();
        faults.fail_next(2);
        let failed: Vec<bool> = (0..3).map(|_| faults.call("x").is_err()).collect();
        assert_eq!(failed, [true, true, false]);
    }
}
