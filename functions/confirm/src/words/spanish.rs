//! Spanish.

use super::{Say, Three, Why};

/// Before the name of what it is about.
pub(super) const ABOUT: &str = "Se trata de:";

/// The heading, the text and the button.
pub(super) fn words(say: Say) -> Three {
    match say {
        Say::Accept => {
            ("Confirme su firma, por favor", "Con un clic confirma que fue usted quien firmó.", "Sí, confirmo")
        }
        Say::AcceptOptIn => (
            "Confirme su firma, por favor",
            "Con un clic confirma que fue usted quien firmó y que desea recibir nuestras noticias por correo electrónico.",
            "Sí, confirmo y quiero las noticias",
        ),
        Say::Reject => ("¿No fue usted?", "Con un clic retiramos su firma y no le escribimos más.", "No, retírenla"),
        Say::Unsubscribe => {
            ("¿No quiere más correos?", "Con un clic dejará de recibir nuestros correos.", "No quiero más correos")
        }
        Say::Approve => ("¿Aprobar esta acción?", "Entonces se transmitirá.", "Aprobar"),
        Say::Decline => ("¿Rechazar esta acción?", "Entonces no se transmitirá.", "Rechazar"),
        Say::Accepted => ("¡Gracias!", "Su confirmación ha llegado.", ""),
        Say::Rejected => ("Hecho", "Su firma ha sido retirada. No volveremos a escribirle sobre este asunto.", ""),
        Say::Unsubscribed => ("Hecho", "No recibirá más correos nuestros.", ""),
        Say::Approved => ("Aprobada", "La acción se transmite.", ""),
        Say::Declined => ("Rechazada", "La acción no se transmite.", ""),
        Say::AlreadyAccepted => ("Todo está bien", "Ya confirmó antes. No queda nada por hacer.", ""),
        Say::AlreadyRejected => ("Todo está bien", "Su firma ya fue retirada antes. No queda nada por hacer.", ""),
        Say::AlreadyUnsubscribed => ("Todo está bien", "Ya no recibe correos nuestros.", ""),
        Say::AlreadyDecided => ("Ya decidido", "Alguien ya decidió sobre esta acción.", ""),
        Say::TooLate => {
            ("Ya no es posible", "Usted la rechazó antes, y así queda. Si ha cambiado de opinión, escríbanos.", "")
        }
        Say::Expired => ("Este enlace es demasiado antiguo", "Podemos enviarle uno nuevo.", "Enviarme un nuevo correo"),
        Say::ExpiredForGood => ("Este enlace es demasiado antiguo", "Ya no se puede usar.", ""),
        Say::Renewed => ("Un nuevo correo está en camino", "Debería llegar en pocos minutos.", ""),
        Say::RenewedBefore => (
            "Nada nuevo que enviar",
            "O ya respondió antes, o acabamos de enviarle un correo. Mire en su buzón, por favor.",
            "",
        ),
        Say::NotFound => {
            ("Este enlace no funciona", "Quizá se cortó. Copie el enlace entero del correo, o pulse su botón.", "")
        }
        Say::Trouble => {
            ("Algo no funciona aquí", "No es culpa suya, y nada ha cambiado. Inténtelo de nuevo en un minuto.", "")
        }
    }
}

/// The small print.
pub(super) fn why(why: Why) -> &'static str {
    match why {
        Why::Signed => {
            "{name} le escribió porque alguien firmó con su dirección de correo. Si no fue usted, cierre esta página: sin su clic no cuenta nada."
        }
        Why::Writes => {
            "{name} le escribe porque alguien firmó con su dirección de correo. Nada cambia antes de que pulse el botón."
        }
        Why::Moderates => "{name} le pide que modere. Nada cambia antes de que pulse el botón.",
        Why::Old => {
            "Este enlace llegó en un correo de {name}. Por su seguridad, los enlaces solo funcionan durante un tiempo."
        }
        Why::Answered => "Esta es una página de {name}. Ya puede cerrarla.",
    }
}
