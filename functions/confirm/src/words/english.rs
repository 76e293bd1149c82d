//! English.

use super::{Say, Three, Why};

/// Before the name of what it is about.
pub(super) const ABOUT: &str = "It is about:";

/// The heading, the text and the button.
pub(super) fn words(say: Say) -> Three {
    match say {
        Say::Accept => (
            "Please confirm your signature",
            "With one click you confirm that it was you who signed.",
            "Yes, I confirm",
        ),
        Say::AcceptOptIn => (
            "Please confirm your signature",
            "With one click you confirm that it was you who signed, and that you want to get our news by e-mail.",
            "Yes, I confirm and want the news",
        ),
        Say::Reject => (
            "Was it not you?",
            "With one click your signature is taken back, and we write to you no more.",
            "No, take it back",
        ),
        Say::Unsubscribe => {
            ("No more mails?", "With one click you get no more mails from us.", "Send me no more mails")
        }
        Say::Approve => ("Approve this action?", "It is then passed on.", "Approve"),
        Say::Decline => ("Decline this action?", "It is then not passed on.", "Decline"),
        Say::Accepted => ("Thank you!", "Your confirmation has arrived.", ""),
        Say::Rejected => ("Done", "Your signature was taken back. You will not hear from us again about this.", ""),
        Say::Unsubscribed => ("Done", "You will get no more mails from us.", ""),
        Say::Approved => ("Approved", "The action is passed on.", ""),
        Say::Declined => ("Declined", "The action is not passed on.", ""),
        Say::AlreadyAccepted => ("All is well", "You have confirmed before. There is nothing left to do.", ""),
        Say::AlreadyRejected => {
            ("All is well", "Your signature was taken back before. There is nothing left to do.", "")
        }
        Say::AlreadyUnsubscribed => ("All is well", "You get no more mails from us already.", ""),
        Say::AlreadyDecided => ("Decided before", "Somebody has decided about this action before.", ""),
        Say::TooLate => (
            "Not any more",
            "You declined before, and that stays so. If you changed your mind, please write to us.",
            "",
        ),
        Say::Expired => ("This link is too old", "We can send you a new one.", "Send me a new mail"),
        Say::ExpiredForGood => ("This link is too old", "It cannot be used any more.", ""),
        Say::Renewed => ("A new mail is on its way", "It should be in your mailbox within a few minutes.", ""),
        Say::RenewedBefore => (
            "Nothing new to send",
            "Either you have answered before, or a mail was sent to you a moment ago. Please look into your mailbox.",
            "",
        ),
        Say::NotFound => (
            "This link does not work",
            "Maybe it was cut in two. Please copy the whole link from the mail, or press its button.",
            "",
        ),
        Say::Trouble => (
            "Something does not work here",
            "It is not your fault, and nothing was changed. Please try again in a minute.",
            "",
        ),
    }
}

/// The small print.
pub(super) fn why(why: Why) -> &'static str {
    match why {
        Why::Signed => {
            "{name} wrote to you because somebody signed with your e-mail address. If that was not you, close this page: without your click nothing counts."
        }
        Why::Writes => {
            "{name} writes to you because somebody signed with your e-mail address. Nothing changes before you press the button."
        }
        Why::Moderates => "{name} asks you to moderate. Nothing changes before you press the button.",
        Why::Old => "This link came in a mail from {name}. Links work for some time only, to keep you safe.",
        Why::Answered => "This is a page of {name}. You can close it now.",
    }
}
