//! How the command can end: the documented exit codes.

use std::process::ExitCode;

/// The exit codes, for scripts. Also in the help text ([`crate::args`]) and in docs/CLI.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    /// It was done in part or not at all.
    Failed = 1,
    /// The command line is wrong. (clap ends with this code, too.)
    Usage = 2,
    /// A file or an event is not valid.
    Invalid = 3,
    /// There is no such tenant, sink, event, queue or file.
    NotFound = 4,
    /// Another author changed it, or it is there already.
    Conflict = 5,
    /// AWS cannot be reached, or refuses.
    Aws = 6,
    /// It was ended by Ctrl-C: 128 and the signal's number, as shells say it.
    Interrupted = 130,
    /// It was ended by SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The name of the signal that a command ends by.
    pub(crate) fn signal(self) -> &'static str {
        if self == Self::Terminated { "SIGTERM" } else { "Ctrl-C" }
    }
}
