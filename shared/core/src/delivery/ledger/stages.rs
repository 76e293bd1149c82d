//! What one request over HTTP spent its time on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What one request over HTTP spent its time on, each in milliseconds; nothing where it did not come to that, or went
/// over a connection that stood already.
///
/// As text, in the ledger's rows, the four stand in this order between slashes: `3/12/25/40`, or `///40`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Stages {
    /// To find the addresses of the host's name.
    pub dns_ms: Option<u32>,
    /// To connect to one of them.
    pub connect_ms: Option<u32>,
    /// To agree on TLS.
    pub tls_ms: Option<u32>,
    /// From the connection to the first byte of the answer.
    pub first_byte_ms: Option<u32>,
}

/// That a text says nothing of a request's stages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no four numbers of milliseconds between slashes")]
pub struct InvalidStages;

impl Stages {
    fn all(self) -> [Option<u32>; 4] {
        [self.dns_ms, self.connect_ms, self.tls_ms, self.first_byte_ms]
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, stage) in self.all().into_iter().enumerate() {
            if place > 0 {
                f.write_str("/")?;
            }
            if let Some(stage) = stage {
                write!(f, "{stage}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Stages {
    type Err = InvalidStages;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/').map(|part| match part {
            "" => Ok(None),
            part => part.parse().map(Some).map_err(|_| InvalidStages),
        });
        let mut next = || parts.next().unwrap_or(Err(InvalidStages));
        let read = Self { dns_ms: next()?, connect_ms: next()?, tls_ms: next()?, first_byte_ms: next()? };
        if parts.next().is_some() { Err(InvalidStages) } else { Ok(read) }
    }
}

impl From<Stages> for String {
    fn from(stages: Stages) -> Self {
        stages.to_string()
    }
}

impl TryFrom<String> for Stages {
    type Error = InvalidStages;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_read_back_from_their_text() {
        let whole = Stages { dns_ms: Some(3), connect_ms: Some(12), tls_ms: Some(25), first_byte_ms: Some(40) };
        let kept = Stages { first_byte_ms: Some(40), ..Stages::default() };
        for (stages, text) in [(whole, "3/12/25/40"), (kept, "///40"), (Stages::default(), "///")] {
            assert_eq!((stages.to_string().as_str(), text.parse()), (text, Ok(stages)));
        }
        for wrong in ["", "1", "1/2/3", "1/2/3/4/5", "a///", "-1///"] {
            assert_eq!(wrong.parse::<Stages>(), Err(InvalidStages), "{wrong}");
        }
    }
}
