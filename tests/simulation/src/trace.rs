//! What happened, line by line: always as a hash, so that two runs can be compared, and as text where a reader wants
//! it.

use std::fmt::{self, Write};
use std::time::Duration;

use jiff::Timestamp;

/// The trace of one run.
#[derive(Debug, Clone)]
pub struct Trace {
    hash: Hash,
    lines: Option<Vec<String>>,
}

/// FNV-1a: fast, and good enough to tell two traces apart.
#[derive(Debug, Clone, Copy)]
struct Hash(u64);

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

impl Trace {
    /// An empty trace; with `kept`, its lines can be read.
    pub fn new(kept: bool) -> Self {
        Self { hash: Hash(0xcbf2_9ce4_8422_2325), lines: kept.then(Vec::new) }
    }

    /// Adds a line: which invocation (by its number, 0 for the world itself) did what, `since` the beginning.
    pub fn note(&mut self, since: Duration, who: u64, what: fmt::Arguments<'_>) {
        // Writing into a hash or a text cannot fail.
        let _ = writeln!(self.hash, "{} {who} {what}", since.as_millis());
        if let Some(lines) = &mut self.lines {
            let millis = since.as_millis();
            lines.push(format!("{:>8}.{:03} s  {:>5}  {what}", millis / 1000, millis % 1000, Who(who)));
        }
    }

    /// The hash of all lines.
    pub fn hash(&self) -> u64 {
        self.hash.0
    }

    /// The lines, where they were kept.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

struct Who(u64);

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.pad("world") } else { f.pad(&format!("#{}", self.0)) }
    }
}

/// The time from one to the other; none where it lies before.
pub fn since(start: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(start)).unwrap_or_default()
}
