//! What may happen to a call: before its effect, instead of it, and after it. Every port call of the real code passes
//! here, so every point at which it waits is one where it can die, be slowed down or be lied to.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use std::{future, pin::Pin};

use acequia_core::port::{Clock, Unavailable};
use acequia_testkit::FixedClock;
use jiff::{SignedDuration, Timestamp};

use crate::dice::Dice;
use crate::weather::Weather;
use crate::world::World;

/// One instance of a function, with a clock of its own that goes wrong by `skew`.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The world that it runs in.
    pub world: World,
    skew: SignedDuration,
    invocation: Arc<AtomicU64>,
    crashed: Arc<AtomicBool>,
}

/// The clock of an instance.
#[derive(Debug, Clone)]
struct SkewedClock(FixedClock, SignedDuration);

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        self.0.now().checked_add(self.1).unwrap_or(Timestamp::MAX)
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.sleep(time)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Go,
    Yield,
    Sleep(Duration),
    Crash,
}

/// A call that goes through; what happens after its effect is decided already.
#[derive(Debug)]
pub struct Call {
    /// Whether the client repeats it, because the first answer was lost.
    pub repeated: bool,
    /// Which entries of a batch fail alone: the dice for each.
    entry: f64,
    lost: bool,
    after: Step,
}

impl Instance {
    /// A new instance.
    pub fn new(world: &World) -> Self {
        let skew = i64::try_from(world.lock().dice.below(2001)).unwrap_or(1000) - 1000;
        Self {
            world: world.clone(),
            skew: SignedDuration::from_millis(skew),
            invocation: Arc::default(),
            crashed: Arc::default(),
        }
    }

    /// Its clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SkewedClock(self.world.clock.clone(), self.skew))
    }

    /// The invocation that it runs.
    pub fn invocation(&self) -> u64 {
        self.invocation.load(Ordering::Relaxed)
    }

    /// Gives it an invocation to run.
    pub fn begin(&self, invocation: u64) {
        self.invocation.store(invocation, Ordering::Relaxed);
    }

    /// Whether its process has died.
    pub fn has_crashed(&self) -> bool {
        self.crashed.load(Ordering::Relaxed)
    }

    /// Begins a call; `None` where the service refuses it, and never answers where the process dies first.
    pub async fn call(&self, what: &'static str) -> Option<Call> {
        let who = self.invocation();
        let (before, refused, call) = {
            let state = &mut *self.world.lock();
            let (dice, weather) = (&mut state.dice, state.weather);
            let before = step(dice, &weather, weather.crash_before);
            let refused = dice.happens(weather.refused);
            let call = Call {
                repeated: dice.happens(weather.repeated),
                entry: weather.entry,
                lost: dice.happens(weather.lost),
                after: step(dice, &weather, weather.crash_after),
            };
            state.history.note(who, format_args!("calls {what}"));
            if before != Step::Go || refused {
                state.history.note(who, format_args!("  before: {before:?}{}", if refused { ", refused" } else { "" }));
            }
            (before, refused, call)
        };
        self.pass(before).await;
        (!refused).then_some(call)
    }

    /// Ends a call; false where its answer is lost, and never where the process dies first.
    pub async fn end(&self, call: &Call) -> bool {
        if call.after != Step::Go || call.lost || call.repeated {
            let lost = if call.lost { ", answer lost" } else { "" };
            let repeated = if call.repeated { ", done twice" } else { "" };
            self.world
                .lock()
                .history
                .note(self.invocation(), format_args!("  after: {:?}{lost}{repeated}", call.after));
        }
        self.pass(call.after).await;
        !call.lost
    }

    /// Whether one entry of a batch call fails alone.
    pub fn entry_fails(&self, call: &Call) -> bool {
        let state = &mut *self.world.lock();
        let fails = state.dice.happens(call.entry);
        if fails {
            state.history.note(self.invocation(), format_args!("  one entry fails"));
        }
        fails
    }

    /// The process dies of what it handles.
    pub async fn die(&self, event: usize) {
        self.world.lock().history.note(self.invocation(), format_args!("dies of event {event}"));
        self.pass(Step::Crash).await;
    }

    async fn pass(&self, step: Step) {
        match step {
            Step::Go => {}
            Step::Yield => yield_once().await,
            Step::Sleep(time) => self.world.clock.sleep(time).await,
            Step::Crash => {
                self.crashed.store(true, Ordering::Relaxed);
                future::pending::<()>().await;
            }
        }
    }
}

fn step(dice: &mut Dice, weather: &Weather, crash: f64) -> Step {
    if dice.happens(crash) {
        Step::Crash
    } else if dice.happens(weather.slow) {
        let most = match dice.below(10) {
            0 => 70_000,
            1..=3 => 15_000,
            _ => 3_000,
        };
        Step::Sleep(dice.between(Duration::from_millis(5), Duration::from_millis(most)))
    } else if dice.happens(weather.polite) {
        Step::Yield
    } else {
        Step::Go
    }
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What a refused call, or one whose answer is lost, comes to.
pub fn unavailable(operation: &'static str) -> Unavailable {
    Unavailable::new(operation, "the weather")
}
