//! The people of the scenario: what each will do with the mail that asks, and the events that say that they signed.

use serde_json::json;

/// What a person does when asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Says yes.
    Accept,
    /// Says that another person signed.
    Reject,
    /// Never answers.
    Nothing,
    /// Has an address that does not exist.
    Bounce,
}

/// In every so many people the shares are exact: 70 % accept, 10 % reject, 15 % never answer, 5 % bounce.
pub(super) const CYCLE: u32 = 20;

/// One in so many signs twice, as a producer's own retry makes it.
const REPEATED: usize = 20;

/// A person who signs.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// Which one, from 0.
    pub(super) number: u32,
    /// The address. SES's mailbox simulator bounces what comes to such an address.
    pub(super) address: String,
    /// What they do.
    pub(super) answer: Answer,
}

/// As many people, in shares that are exact for multiples of [`CYCLE`].
pub(super) fn people(count: u32) -> Vec<Person> {
    let of = |number: u32| {
        let (answer, address) = match number % CYCLE {
            0..14 => (Answer::Accept, format!("supporter-{number}@example.org")),
            14..16 => (Answer::Reject, format!("supporter-{number}@example.org")),
            16..19 => (Answer::Nothing, format!("supporter-{number}@example.org")),
            _ => (Answer::Bounce, format!("bounce+{number}@simulator.amazonses.com")),
        };
        Person { number, address, answer }
    };
    (0..count).map(of).collect()
}

/// How many do that.
pub(super) fn count(people: &[Person], answer: Answer) -> usize {
    people.iter().filter(|person| person.answer == answer).count()
}

/// The events, one line each; 5 % of them come twice.
pub(super) fn lines(people: &[Person]) -> Vec<String> {
    let line = |person: &Person| {
        json!({
            "specversion": "1.0",
            "id": format!("signature-{}", person.number),
            "source": "https://actions.dalia.example",
            "type": "action.signed",
            "time": "2026-05-01T12:00:00Z",
            "data": {
                "email": person.address,
                "first_name": format!("Ada{}", person.number),
                "campaign": "water",
                "locale": if person.number.is_multiple_of(3) { "es-MX" } else { "en" },
            },
        })
        .to_string()
    };
    let mut lines: Vec<String> = people.iter().map(line).collect();
    let again: Vec<String> = lines.iter().step_by(REPEATED).cloned().collect();
    lines.extend(again);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_thousand_seven_hundred_accept_a_hundred_reject_150_never_answer_and_50_bounce() {
        let people = people(1000);
        let counts = [Answer::Accept, Answer::Reject, Answer::Nothing, Answer::Bounce].map(|a| count(&people, a));
        assert_eq!(counts, [700, 100, 150, 50]);
        assert_eq!(lines(&people).len(), 1050);
    }
}
