//! What a configuration with consent does not do, though it may look as if it did: notes, and no mistakes.

use super::issue::Issue;
use super::raw::RawTenant;
use crate::event::own_type::CONFIRMING;
use crate::routing::TypeRule;

/// What is to be noted of the section `[consent]`.
pub fn consent_notes(raw: &RawTenant) -> Vec<Issue> {
    let Some(consent) = &raw.consent else { return Vec::new() };
    let note = |path: String, problem: &str| Issue { path, problem: problem.to_owned(), line_in_value: None };
    let mut notes = Vec::new();
    let takes = |text: &String| text.parse::<TypeRule>().is_ok_and(|rule| rule.takes(CONFIRMING));
    if !raw.sinks.iter().flat_map(|sink| &sink.types).any(takes) {
        let unheard = "no sink gets the event that asks the moderator, so that nobody can answer: name acequia.action.confirming (or acequia.*) \
                       in the types of the sink that is to have it; \"*\" does not take it";
        let own = consent.action_confirm.then(|| "consent.action_confirm".to_owned());
        let of_lists = consent.lists.iter().filter(|(_, list)| list.action_confirm == Some(true));
        let of_lists = of_lists.map(|(name, _)| format!("consent.lists.{name}.action_confirm"));
        notes.extend(own.into_iter().chain(of_lists).map(|path| note(path, unheard)));
    }
    // The address is what is sealed as a rule.
    if consent.subject.contains("email") && raw.mail.as_ref().is_some_and(|mail| mail.personal_key.is_some()) {
        let sealed = "it is filled from the message as it came: what is sealed in it is not there, whatever mail.personal_key opens for the mails";
        notes.push(note("consent.subject".to_owned(), sealed));
    }
    notes
}
