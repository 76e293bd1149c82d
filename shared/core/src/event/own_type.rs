//! The types of the platform's own events, such as `acequia.consent.rejected`: a sink gets them only if it names them.
//!
//! One of them, the event that asks a moderator, has an event in it that is not released yet, and the links that
//! release it. A sink that takes everything did not ask for that.

/// What the types of the platform's own events begin with.
pub const OWN_TYPES: &str = "acequia.";

/// The source of the events of consent.
pub const SOURCE: &str = "/acequia/consent";
/// A subject declined, or was declined for.
pub const REJECTED: &str = "acequia.consent.rejected";
/// What is known of a subject's address changed.
pub const EMAIL_STATUS: &str = "acequia.consent.email_status";
/// An action waits for a moderator.
pub const CONFIRMING: &str = "acequia.action.confirming";

/// Whether events of this type are the platform's own.
pub fn is_own(kind: &str) -> bool {
    // Whatever the case: a receiver may not look at it.
    kind.get(..OWN_TYPES.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_TYPES))
}

/// Whether a rule for every type (`*`) takes this one: all that a producer may send.
pub(crate) fn any_takes(kind: &str) -> bool {
    !is_own(kind)
}

#[cfg(test)]
mod tests {
    use crate::event::own_type::{CONFIRMING, EMAIL_STATUS, REJECTED};
    use crate::routing::TypeRule;

    #[test]
    fn the_platforms_own_events_go_to_rules_that_name_them_and_not_to_those_for_everything() {
        for kind in [CONFIRMING, EMAIL_STATUS, REJECTED] {
            let prefix = kind.rsplit_once('.').unwrap().0;
            for (rule, takes) in [
                ("*", false),
                ("acequia.*", true),
                (kind, true),
                (&format!("{prefix}.*"), true),
                ("acequia", false),
                ("action.*", false),
                ("acequia.other.*", false),
            ] {
                assert_eq!(rule.parse::<TypeRule>().unwrap().takes(kind), takes, "{rule} and {kind}");
            }
        }
        for kind in ["acequia", "acequiax.y", "my.acequia.consent"] {
            assert!(TypeRule::Any.takes(kind), "{kind} is a producer's");
        }
    }
}
