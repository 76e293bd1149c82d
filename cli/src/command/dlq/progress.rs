//! How far a command is: a bar on a terminal, a line now and then otherwise. Ctrl-C ends it after the step under way.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use acequia_core::redrive::Watch;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::note;

/// Without a terminal there is a line for each so many messages.
const LINE: u64 = 100;

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    dealt: AtomicU64,
    stopped: Arc<AtomicBool>,
}

impl Progress {
    /// Of about `total` messages.
    pub(super) fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} eta {eta}");
            ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, total, dealt: AtomicU64::new(0), stopped: Arc::default() }
    }

    /// Lets Ctrl-C and SIGTERM end the command in good order; a second one ends it at once.
    pub(super) fn stop_in_good_order(self) -> Self {
        let stopped = Arc::clone(&self.stopped);
        // Without a handler the signal kills, which is safe as well.
        let _ = ctrlc::set_handler(move || {
            if stopped.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            note("stopping after this step; once more stops at once");
        });
        self
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progress {
    fn dealt(&self, more: u64) {
        let before = self.dealt.fetch_add(more, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => bar.inc(more),
            None if before / LINE != (before + more) / LINE => note(&format!("{} of {}", before + more, self.total)),
            None => {}
        }
    }

    fn trouble(&self, text: &str) {
        self.say(text);
    }

    fn ends(&self) -> bool {
        self.is_stopped()
    }
}
