//! What the pages say, in the languages that they speak.

use acequia_core::mail::Locale;

/// The words of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    /// The button to agree.
    Accept,
    /// The button to agree, with the newsletter.
    AcceptOptIn,
    /// The button to decline.
    Reject,
    /// The button to end all mails.
    Unsubscribe,
    /// The moderator's buttons.
    Approve,
    /// As above.
    Decline,
    /// It is done.
    Accepted,
    /// As above.
    Rejected,
    /// As above.
    Unsubscribed,
    /// As above.
    Approved,
    /// As above.
    Declined,
    /// It was so before.
    AlreadyAccepted,
    /// As above.
    AlreadyRejected,
    /// As above.
    AlreadyUnsubscribed,
    /// As above, for a moderator.
    AlreadyDecided,
    /// It cannot be done any more, because the reader declined before.
    TooLate,
    /// The link is too old; the button asks for a new mail.
    Expired,
    /// The link is too old, and cannot be renewed.
    ExpiredForGood,
    /// A new mail is on its way.
    Renewed,
    /// A new mail was asked for a moment ago.
    RenewedBefore,
    /// There is no such page.
    NotFound,
    /// It does not work now. There is no button: who only looked must not act by trying again.
    Trouble,
}

/// A page's heading, its text, and the label of its button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) heading: &'static str,
    pub(crate) text: &'static str,
    pub(crate) button: &'static str,
}

/// The languages of the pages. The first is for everybody else.
const LANGUAGES: [&str; 3] = ["en", "fr", "de"];

/// The language of the pages that suits the reader best: what `Accept-Language` asks for, in its order, or else the tenant's own.
pub(crate) fn language(wanted: &str, tenants: Option<&Locale>) -> &'static str {
    let known = |tag: &str| LANGUAGES.into_iter().find(|known| *known == tag);
    let asked = wanted.split(',').take(10).filter_map(|part| part.split(';').next()?.parse::<Locale>().ok());
    let wanted = asked.flat_map(|locale| locale.chain().map(str::to_owned).collect::<Vec<_>>());
    let own = tenants.into_iter().flat_map(|locale| locale.chain().map(str::to_owned).collect::<Vec<_>>());
    wanted.chain(own).find_map(|tag| known(&tag)).unwrap_or("en")
}

/// The words for a page in one of [`LANGUAGES`].
pub(crate) fn words(say: Say, language: &str) -> Words {
    let (heading, text, button) = match language {
        "fr" => french(say),
        "de" => german(say),
        _ => english(say),
    };
    Words { heading, text, button }
}

type Three = (&'static str, &'static str, &'static str);

fn english(say: Say) -> Three {
    match say {
        Say::Accept => ("Please confirm", "With one click you confirm that it was you who signed.", "Yes, I confirm"),
        Say::AcceptOptIn => (
            "Please confirm",
            "With one click you confirm that it was you who signed, and that you want to get our news by e-mail.",
            "Yes, I confirm and want the news",
        ),
        Say::Reject => {
            ("Was it not you?", "With one click we take your signature back, and write no more.", "No, take it back")
        }
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

fn french(say: Say) -> Three {
    match say {
        Say::Accept => {
            ("Merci de confirmer", "D’un clic, vous confirmez que c’est bien vous qui avez signé.", "Oui, je confirme")
        }
        Say::AcceptOptIn => (
            "Merci de confirmer",
            "D’un clic, vous confirmez que c’est bien vous qui avez signé et que vous souhaitez recevoir nos nouvelles par e-mail.",
            "Oui, je confirme et je veux les nouvelles",
        ),
        Say::Reject => (
            "Ce n’était pas vous ?",
            "D’un clic, nous retirons votre signature et ne vous écrivons plus.",
            "Non, retirez-la",
        ),
        Say::Unsubscribe => {
            ("Plus d’e-mails ?", "D’un clic, vous ne recevrez plus d’e-mails de notre part.", "Ne plus m’écrire")
        }
        Say::Approve => ("Approuver cette action ?", "Elle sera alors transmise.", "Approuver"),
        Say::Decline => ("Refuser cette action ?", "Elle ne sera alors pas transmise.", "Refuser"),
        Say::Accepted => ("Merci !", "Votre confirmation nous est bien parvenue.", ""),
        Say::Rejected => ("C’est fait", "Votre signature a été retirée. Nous ne vous écrirons plus à ce sujet.", ""),
        Say::Unsubscribed => ("C’est fait", "Vous ne recevrez plus d’e-mails de notre part.", ""),
        Say::Approved => ("Approuvée", "L’action est transmise.", ""),
        Say::Declined => ("Refusée", "L’action n’est pas transmise.", ""),
        Say::AlreadyAccepted => ("Tout va bien", "Vous avez déjà confirmé. Il n’y a plus rien à faire.", ""),
        Say::AlreadyRejected => ("Tout va bien", "Votre signature a déjà été retirée. Il n’y a plus rien à faire.", ""),
        Say::AlreadyUnsubscribed => ("Tout va bien", "Vous ne recevez déjà plus d’e-mails de notre part.", ""),
        Say::AlreadyDecided => ("Déjà décidé", "Quelqu’un a déjà décidé de cette action.", ""),
        Say::TooLate => (
            "Ce n’est plus possible",
            "Vous avez refusé auparavant, et cela reste ainsi. Si vous avez changé d’avis, écrivez-nous.",
            "",
        ),
        Say::Expired => {
            ("Ce lien est trop ancien", "Nous pouvons vous en envoyer un nouveau.", "M’envoyer un nouvel e-mail")
        }
        Say::ExpiredForGood => ("Ce lien est trop ancien", "Il ne peut plus être utilisé.", ""),
        Say::Renewed => ("Un nouvel e-mail est en route", "Il devrait arriver dans quelques minutes.", ""),
        Say::RenewedBefore => (
            "Rien de nouveau à envoyer",
            "Soit vous avez déjà répondu, soit un e-mail vient de vous être envoyé. Regardez votre boîte aux lettres.",
            "",
        ),
        Say::NotFound => (
            "Ce lien ne fonctionne pas",
            "Il a peut-être été coupé. Copiez le lien entier de l’e-mail, ou appuyez sur son bouton.",
            "",
        ),
        Say::Trouble => (
            "Quelque chose ne fonctionne pas",
            "Ce n’est pas votre faute, et rien n’a été changé. Réessayez dans une minute.",
            "",
        ),
    }
}

fn german(say: Say) -> Three {
    match say {
        Say::Accept => (
            "Bitte bestätigen",
            "Mit einem Klick bestätigen Sie, dass Sie es waren, der unterschrieben hat.",
            "Ja, ich bestätige",
        ),
        Say::AcceptOptIn => (
            "Bitte bestätigen",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_speaks_what_its_reader_prefers_or_else_what_its_tenant_does() {
        let french: Locale = "fr-CA".parse().unwrap();
        for (wanted, tenants, found) in [
            ("de-AT,de;q=0.9,en;q=0.8", None, "de"),
            ("pt-BR, fr;q=0.5", None, "fr"),
            ("*", Some(&french), "fr"),
            ("", Some(&french), "fr"),
            ("en", Some(&french), "en"),
            ("", None, "en"),
            ("<script>", None, "en"),
        ] {
            assert_eq!(language(wanted, tenants), found, "{wanted}");
        }
    }
}
