//! Pacing: so many messages a second and no more.

use std::time::Duration;

/// How many messages go in one step, and how long a step takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The most messages of one step.
    pub(crate) step: usize,
    rate: Option<u32>,
}

impl Pace {
    /// Steps of at most `most` messages, and at most `rate` messages a second.
    pub(crate) fn new(rate: Option<u32>, most: usize) -> Self {
        // Five steps a second are even enough, and let batches be batches.
        let step = rate.map_or(most, |rate| usize::try_from(rate / 5).unwrap_or(most).clamp(1, most));
        Self { step, rate }
    }

    /// Waits for as long as `count` messages may take.
    pub(crate) async fn wait(self, count: usize) {
        if let Some(time) = self.time_of(count) {
            tokio::time::sleep(time).await;
        }
    }

    fn time_of(self, count: usize) -> Option<Duration> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.rate.map(|rate| Duration::from_secs(1).saturating_mul(count) / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_gives_each_step_its_time() {
        let pace = Pace::new(Some(100), 1_000);
        assert_eq!((pace.step, pace.time_of(20)), (20, Some(Duration::from_millis(200))));
        assert_eq!(Pace::new(Some(1), 10).step, 1);
        let free = Pace::new(None, 10);
        assert_eq!((free.step, free.time_of(10)), (10, None));
    }
}
