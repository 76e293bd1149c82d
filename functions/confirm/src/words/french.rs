//! French.

use super::{Say, Three, Why};

/// Before the name of what it is about.
pub(super) const ABOUT: &str = "Il s’agit de :";

/// The heading, the text and the button.
pub(super) fn words(say: Say) -> Three {
    match say {
        Say::Accept => (
            "Merci de confirmer votre signature",
            "D’un clic, vous confirmez que c’est bien vous qui avez signé.",
            "Oui, je confirme",
        ),
        Say::AcceptOptIn => (
            "Merci de confirmer votre signature",
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

/// The small print.
pub(super) fn why(why: Why) -> &'static str {
    match why {
        Why::Signed => {
            "{name} vous a écrit parce que quelqu’un a signé avec votre adresse e-mail. Si ce n’était pas vous, fermez cette page : sans votre clic, rien ne compte."
        }
        Why::Writes => {
            "{name} vous écrit parce que quelqu’un a signé avec votre adresse e-mail. Rien ne change avant que vous n’appuyiez sur le bouton."
        }
        Why::Moderates => "{name} vous demande de modérer. Rien ne change avant que vous n’appuyiez sur le bouton.",
        Why::Old => {
            "Ce lien vient d’un e-mail de {name}. Pour votre sécurité, les liens ne fonctionnent qu’un certain temps."
        }
        Why::Answered => "Ceci est une page de {name}. Vous pouvez la fermer.",
    }
}
