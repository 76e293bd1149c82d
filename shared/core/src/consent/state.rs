//! The states of the state machine, and the settings that it obeys.

use serde::{Deserialize, Serialize};

/// Where a subject stands on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectState {
    /// Never seen.
    #[default]
    New,
    /// Asked, and has not answered.
    Confirming,
    /// Agreed, or nobody asks.
    Accepted,
    /// Declined, or cannot be reached. This is final.
    Rejected,
}

impl SubjectState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::New, Self::Confirming, Self::Accepted, Self::Rejected];

    /// The word for it in events and in what the operator's command prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Confirming => "confirming",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// Where an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionState {
    /// Has come, and may be waiting for its subject.
    #[default]
    New,
    /// Waits for a moderator.
    Confirming,
    /// A moderator took it; it waits for its subject.
    Accepted,
    /// Goes to no sink. This is final.
    Rejected,
    /// Was released to the sinks.
    Delivered,
    /// Was released to the sinks, and is not the subject's first on this list.
    Repeat,
}

impl ActionState {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::New, Self::Confirming, Self::Accepted, Self::Rejected, Self::Delivered, Self::Repeat];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Confirming => "confirming",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Delivered => "delivered",
            Self::Repeat => "repeat",
        }
    }

    /// Whether the sinks have it.
    pub fn is_released(self) -> bool {
        matches!(self, Self::Delivered | Self::Repeat)
    }

    /// Whether its bytes are still needed: it may be released yet.
    pub fn is_open(self) -> bool {
        matches!(self, Self::New | Self::Confirming | Self::Accepted)
    }
}

/// What is known of writing to the subject, in the words that Proca's messages use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailStatus {
    /// Nothing.
    #[default]
    None,
    /// The subject asked for the newsletter, from the mailbox itself.
    DoubleOptIn,
    /// The subject wants no more of it.
    Unsub,
    /// The address does not exist.
    Bounce,
    /// The subject called a mail spam.
    Spam,
}

impl EmailStatus {
    /// All that we set. A producer's messages may hold further ones, which pass through.
    pub const ALL: [Self; 5] = [Self::None, Self::DoubleOptIn, Self::Unsub, Self::Bounce, Self::Spam];

    /// The word for it, in Proca's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::DoubleOptIn => "double_opt_in",
            Self::Unsub => "unsub",
            Self::Bounce => "bounce",
            Self::Spam => "spam",
        }
    }
}

/// Where an action, its subject and the subject's address stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Standing {
    /// The action.
    pub action: ActionState,
    /// Its subject.
    pub subject: SubjectState,
    /// The subject's address.
    pub email: EmailStatus,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_stored_form() {
        for state in SubjectState::ALL {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.as_str()));
        }
        for state in ActionState::ALL {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.as_str()));
        }
        for status in EmailStatus::ALL {
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{}\"", status.as_str()));
        }
    }
}
