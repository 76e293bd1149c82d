//! German.

use super::{Say, Three, Why};

/// Before the name of what it is about.
pub(super) const ABOUT: &str = "Es geht um:";

/// The heading, the text and the button.
pub(super) fn words(say: Say) -> Three {
    match say {
        Say::Accept => (
            "Bitte bestätigen Sie Ihre Unterschrift",
            "Mit einem Klick bestätigen Sie, dass Sie es waren, der unterschrieben hat.",
            "Ja, ich bestätige",
        ),
        Say::AcceptOptIn => (
            "Bitte bestätigen Sie Ihre Unterschrift",
            "Mit einem Klick bestätigen Sie, dass Sie unterschrieben haben und unsere Neuigkeiten per E-Mail bekommen möchten.",
            "Ja, ich bestätige und möchte die Neuigkeiten",
        ),
        Say::Reject => (
            "Waren Sie es nicht?",
            "Mit einem Klick nehmen wir Ihre Unterschrift zurück und schreiben nicht mehr.",
            "Nein, zurücknehmen",
        ),
        Say::Unsubscribe => {
            ("Keine Mails mehr?", "Mit einem Klick bekommen Sie keine Mails mehr von uns.", "Keine Mails mehr an mich")
        }
        Say::Approve => ("Diese Aktion freigeben?", "Sie wird dann weitergegeben.", "Freigeben"),
        Say::Decline => ("Diese Aktion ablehnen?", "Sie wird dann nicht weitergegeben.", "Ablehnen"),
        Say::Accepted => ("Danke!", "Ihre Bestätigung ist angekommen.", ""),
        Say::Rejected => {
            ("Erledigt", "Ihre Unterschrift wurde zurückgenommen. Sie hören hierzu nichts mehr von uns.", "")
        }
        Say::Unsubscribed => ("Erledigt", "Sie bekommen keine Mails mehr von uns.", ""),
        Say::Approved => ("Freigegeben", "Die Aktion wird weitergegeben.", ""),
        Say::Declined => ("Abgelehnt", "Die Aktion wird nicht weitergegeben.", ""),
        Say::AlreadyAccepted => ("Alles in Ordnung", "Sie haben schon bestätigt. Es ist nichts mehr zu tun.", ""),
        Say::AlreadyRejected => {
            ("Alles in Ordnung", "Ihre Unterschrift wurde schon zurückgenommen. Es ist nichts mehr zu tun.", "")
        }
        Say::AlreadyUnsubscribed => ("Alles in Ordnung", "Sie bekommen schon keine Mails mehr von uns.", ""),
        Say::AlreadyDecided => ("Schon entschieden", "Über diese Aktion wurde schon entschieden.", ""),
        Say::TooLate => (
            "Nicht mehr möglich",
            "Sie haben vorher abgelehnt, und dabei bleibt es. Wenn Sie es sich anders überlegt haben, schreiben Sie uns bitte.",
            "",
        ),
        Say::Expired => ("Dieser Link ist zu alt", "Wir können Ihnen einen neuen schicken.", "Neue Mail schicken"),
        Say::ExpiredForGood => ("Dieser Link ist zu alt", "Er kann nicht mehr verwendet werden.", ""),
        Say::Renewed => ("Eine neue Mail ist unterwegs", "Sie sollte in wenigen Minuten ankommen.", ""),
        Say::RenewedBefore => (
            "Nichts Neues zu schicken",
            "Entweder haben Sie schon geantwortet, oder eine Mail ging eben erst an Sie. Bitte sehen Sie in Ihrem Postfach nach.",
            "",
        ),
        Say::NotFound => (
            "Dieser Link funktioniert nicht",
            "Vielleicht wurde er zerteilt. Bitte kopieren Sie den ganzen Link aus der Mail, oder drücken Sie ihren Knopf.",
            "",
        ),
        Say::Trouble => (
            "Hier funktioniert etwas nicht",
            "Es liegt nicht an Ihnen, und nichts wurde geändert. Bitte versuchen Sie es in einer Minute noch einmal.",
            "",
        ),
    }
}

/// The small print.
pub(super) fn why(why: Why) -> &'static str {
    match why {
        Why::Signed => {
            "{name} hat Ihnen geschrieben, weil jemand mit Ihrer E-Mail-Adresse unterschrieben hat. Wenn Sie es nicht waren, schließen Sie diese Seite: Ohne Ihren Klick zählt nichts."
        }
        Why::Writes => {
            "{name} schreibt Ihnen, weil jemand mit Ihrer E-Mail-Adresse unterschrieben hat. Nichts ändert sich, bevor Sie auf den Knopf drücken."
        }
        Why::Moderates => "{name} bittet Sie zu moderieren. Nichts ändert sich, bevor Sie auf den Knopf drücken.",
        Why::Old => {
            "Dieser Link kam in einer Mail von {name}. Zu Ihrer Sicherheit funktionieren Links nur eine Zeit lang."
        }
        Why::Answered => "Dies ist eine Seite von {name}. Sie können sie jetzt schließen.",
    }
}
