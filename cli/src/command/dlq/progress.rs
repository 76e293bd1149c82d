//! How far a command is: a bar on a terminal, a line now and then otherwise. Ctrl-C and SIGTERM end it after the step
//! under way.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};

use acequia_core::flow::redrive::Observer;
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::Exit;
use crate::interrupt::InGoodOrder;
use crate::output::note;

/// Without a terminal there is a line for each so many messages; so few need no bar either.
const LINE: u64 = 100;

pub(in crate::command) struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    dealt: AtomicU64,
    orderly: InGoodOrder,
}

impl Progress {
    /// Of about `total` messages.
    pub(super) fn new(total: u64) -> Self {
        let bar = (total > LINE && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} eta {eta}");
            ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, total, dealt: AtomicU64::new(0), orderly: InGoodOrder::begin() }
    }

    /// Of nobody knows how many.
    pub(in crate::command) fn silent() -> Self {
        Self { bar: None, total: 0, dealt: AtomicU64::new(0), orderly: InGoodOrder::begin() }
    }

    /// How the command is to end, where a signal ended it.
    pub(in crate::command) fn stopped(&self) -> Option<Exit> {
        self.orderly.stopped()
    }

    /// So many of so many, in words.
    pub(super) fn so_far(&self) -> String {
        let dealt = self.dealt.load(Ordering::Relaxed);
        format!("{dealt} of about {}", self.total.max(dealt))
    }

    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    pub(in crate::command) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn dealt(&self, more: u64) {
        let before = self.dealt.fetch_add(more, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => bar.inc(more),
            None if self.total > 0 && before / LINE != (before + more) / LINE => {
                note(&format!("{} of {}", before + more, self.total));
            }
            None => {}
        }
    }

    fn trouble(&self, text: &str) {
        self.say(text);
    }

    fn ends(&self) -> bool {
        self.stopped().is_some()
    }
}
