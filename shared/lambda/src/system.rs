//! The real clock, chance and standard output: the only place where functions touch them.

use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::time::Duration;

use acequia_core::port::{Chance, Clock, Lines};
use jiff::Timestamp;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else takes as a port")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// The operating system's chance.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn unit(&self) -> f64 {
        rand::random()
    }

    fn token(&self) -> String {
        format!("{:032x}", rand::random::<u128>())
    }

    fn bytes(&self) -> [u8; 32] {
        rand::random()
    }
}

/// The process's standard output, which Lambda sends to the function's log group.
#[derive(Debug, Clone, Copy, Default)]
pub struct StandardOutput;

impl Lines for StandardOutput {
    fn write(&self, line: &str) {
        let mut whole = String::with_capacity(line.len() + 1);
        whole.push_str(line);
        whole.push('\n');
        if let Err(error) = std::io::stdout().lock().write_all(whole.as_bytes()) {
            tracing::error!(error = %error, "a line of metrics could not be written");
        }
    }
}
