//! Ctrl-C and SIGTERM: a command that is stopped says how far it came, and leaves nothing half done.
//!
//! A command that works in steps says so by an [`InGoodOrder`]: while it lives, the first signal is only noted, and the
//! command ends after the step under way. At all other times the signal ends the process at once, with what was told to
//! [`listen`]. A second signal always does.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{complain, note};

/// How many parts of the command end in good order now.
static ORDERLY: AtomicUsize = AtomicUsize::new(0);
/// The exit code of the signal that was noted; zero while there was none.
static NOTED: AtomicU8 = AtomicU8::new(0);

/// That the command ends in good order while this lives.
#[derive(Debug)]
pub(crate) struct InGoodOrder(());

impl InGoodOrder {
    pub(crate) fn begin() -> Self {
        ORDERLY.fetch_add(1, Ordering::SeqCst);
        Self(())
    }

    /// How the command is to end, where a signal asked for it.
    #[expect(clippy::unused_self, reason = "nobody but who ends in good order may go by what was only noted")]
    pub(crate) fn stopped(&self) -> Option<Exit> {
        [Exit::Interrupted, Exit::Terminated].into_iter().find(|exit| *exit as u8 == NOTED.load(Ordering::SeqCst))
    }
}

impl Drop for InGoodOrder {
    fn drop(&mut self) {
        ORDERLY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Listens from now on. `so_far` says what a command that ends at once has done.
pub(crate) fn listen(so_far: String) {
    // Without a handler the signal kills, which is safe as well, and silent.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let exit = if signal == SIGTERM { Exit::Terminated } else { Exit::Interrupted };
            let first = NOTED.swap(exit as u8, Ordering::SeqCst) == 0;
            if first && ORDERLY.load(Ordering::SeqCst) > 0 {
                note("stopping after this step; once more stops at once");
                continue;
            }
            complain(&Failure::Stopped { exit, so_far: so_far.clone() });
            std::process::exit(i32::from(exit as u8));
        }
    });
}
