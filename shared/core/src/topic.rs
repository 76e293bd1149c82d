//! Names of Kafka's topics.

use std::fmt;
use std::str::FromStr;

/// The name of a topic: what Kafka takes as one, which is a part of a parameter's name as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

/// A text that is not the name of a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a topic's name has 1 to 249 letters, digits, dots, underscores and hyphens")]
pub struct InvalidTopic;

impl Topic {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        let fits = (1..=249).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && !matches!(text, "." | "..");
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidTopic) }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_name_is_what_kafka_takes_and_leads_nowhere_else() {
        for good in ["orders", "acme.orders-v2_x", &"t".repeat(249)] {
            assert_eq!(good.parse::<Topic>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "../x", "a/b", "a b", "é", &"t".repeat(250)] {
            assert!(bad.parse::<Topic>().is_err(), "{bad}");
        }
    }
}
