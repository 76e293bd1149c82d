//! How an endpoint answers, and the text that says so.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How an endpoint answers.
///
/// As text: `200`, `503 retry-after=2`, `302 location=http://...`, `hang`, `close`, `slow 250` (milliseconds),
/// `flaky 0.3 seed=7` (that share of requests gets 500).
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// With this status, and one more header perhaps.
    Status {
        /// The status code, 200 to 599.
        code: u16,
        /// A header beside it.
        header: Option<(&'static str, String)>,
    },
    /// Not at all: the connection stays open and silent.
    Hang,
    /// Not at all: the connection is closed.
    Close,
    /// With 200, after this time.
    Slow(Duration),
    /// With 500 for a share of the requests and with 200 for the others. The order follows from the seed.
    Flaky {
        /// The share of failures, 0 to 1.
        share: f64,
        /// What the order follows from.
        seed: u64,
    },
}

impl Default for Mode {
    fn default() -> Self {
        Self::Status { code: 200, header: None }
    }
}

/// A text that is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no mode: it must read 200..599 [retry-after=SECONDS | location=URL], hang, close, slow MILLISECONDS, or flaky SHARE [seed=N]"
)]
pub struct InvalidMode(String);

impl FromStr for Mode {
    type Err = InvalidMode;

    fn from_str(text: &str) -> Result<Self, InvalidMode> {
        let invalid = || InvalidMode(text.chars().take(100).collect());
        let words: Vec<&str> = text.split_whitespace().collect();
        match *words.as_slice() {
            ["hang"] => Ok(Self::Hang),
            ["close"] => Ok(Self::Close),
            ["slow", millis] => millis.parse().map(|ms| Self::Slow(Duration::from_millis(ms))).map_err(|_| invalid()),
            ["flaky", share] => flaky(share, "seed=1").ok_or_else(invalid),
            ["flaky", share, seed] => flaky(share, seed).ok_or_else(invalid),
            [code] => status(code, None).ok_or_else(invalid),
            [code, header] => status(code, Some(header)).ok_or_else(invalid),
            _ => Err(invalid()),
        }
    }
}

fn status(code: &str, header: Option<&str>) -> Option<Mode> {
    let code = code.parse().ok().filter(|code| (200..=599).contains(code))?;
    let header = match header.map(|header| header.split_once('=')) {
        None => None,
        Some(Some(("retry-after", value))) => Some(("retry-after", value.to_owned())),
        Some(Some(("location", value))) if value.bytes().all(|b| b.is_ascii_graphic()) => {
            Some(("location", value.to_owned()))
        }
        Some(_) => return None,
    };
    Some(Mode::Status { code, header })
}

fn flaky(share: &str, seed: &str) -> Option<Mode> {
    let share = share.parse().ok().filter(|share| (0.0..=1.0).contains(share))?;
    Some(Mode::Flaky { share, seed: seed.strip_prefix("seed=")?.parse().ok()? })
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { code, header: None } => write!(f, "{code}"),
            Self::Status { code, header: Some((name, value)) } => write!(f, "{code} {name}={value}"),
            Self::Hang => f.write_str("hang"),
            Self::Close => f.write_str("close"),
            Self::Slow(wait) => write!(f, "slow {}", wait.as_millis()),
            Self::Flaky { share, seed } => write!(f, "flaky {share} seed={seed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_reads_back_from_its_text() {
        for text in ["200", "204", "410", "503 retry-after=2", "302 location=http://a/b", "hang", "close", "slow 250"] {
            assert_eq!(text.parse::<Mode>().unwrap().to_string(), text);
        }
        assert_eq!("flaky 0.3".parse::<Mode>().unwrap().to_string(), "flaky 0.3 seed=1");
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in ["", "99", "600", "slow", "slow x", "flaky 2", "flaky 0.1 7", "200 x-a=1", "fine", "1 2 3"] {
            assert!(text.parse::<Mode>().is_err(), "{text:?} was taken");
        }
    }
}
