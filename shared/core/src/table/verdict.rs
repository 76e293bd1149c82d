//! What a code of `PostgreSQL`'s says of a batch (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

/// What is done with a batch that the database did not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It comes back, and loses no attempt: the server is restarting, full, or was in the way of somebody else.
    Later,
    /// It comes back by its schedule: the database is not as the sink needs it, and somebody must change that.
    Unready,
    /// One of its rows will never be taken as it is.
    Row,
}

impl Verdict {
    /// What a code says.
    pub fn of(code: &str) -> Self {
        match code.get(..2).unwrap_or_default() {
            // Values: a text that is no number, a number too large; a null, a foreign key, a unique key, a check.
            "22" | "23" => Self::Row,
            // The check of a view says it of a row, not of the table.
            "44" => Self::Row,
            // Authorisation, no such database, syntax, no such table or column, no privilege, a feature that is not
            // there, a function of theirs that raises.
            "28" | "3D" | "3F" | "42" | "0A" | "0L" | "0P" | "P0" | "38" | "39" | "2B" | "21" => Self::Unready,
            // Connections, resources, operators, deadlocks, serialization, time-outs, and what is new.
            _ => Self::Later,
        }
    }
}

/// What a code means, in our words: the server's own text may hold the value that it refuses.
pub fn described(code: &str) -> &'static str {
    match code {
        "22001" => "a text is longer than its column takes",
        "22003" => "a number is larger than its column takes",
        "22007" | "22008" => "a value is no time or date",
        "22021" | "22P05" => "a text has a character that the database does not store",
        "22P02" => "a value is not of its column's type",
        "23502" => "a column that must have a value has none",
        "23503" => "a row that it refers to does not exist",
        "23505" => "another row has the same unique key",
        "23514" => "a check of the table refuses it",
        "23P01" => "an exclusion of the table refuses it",
        "28000" | "28P01" => "the user may not enter with this password or token",
        "3D000" => "the database does not exist",
        "3F000" => "the schema does not exist",
        "40001" | "40P01" => "it was in the way of another transaction",
        "42501" => "the user lacks a privilege",
        "42703" => "a column does not exist",
        "42P01" => "a table does not exist: `acequia table init` prints inbox and outbox",
        "42P10" => "no unique index has the columns of `key`",
        "42804" | "42846" => "a column's type cannot be had from a text",
        "25006" => "the server takes no writes: it is a replica",
        "53100" => "the server's disk is full",
        "53300" => "the server has too many connections",
        "55P03" => "a lock was not to be had in time",
        "57014" => "it took longer than the time for one statement",
        "57P01" | "57P02" | "57P03" => "the server is restarting",
        _ => match Verdict::of(code) {
            Verdict::Row => "the database refuses a value of the row",
            Verdict::Unready => "the database is not as the sink needs it",
            Verdict::Later => "the database does not take it now",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_of_codes_has_its_verdict() {
        for (verdict, codes) in [
            (Verdict::Row, &["22001", "22003", "22007", "22P02", "22021", "23502", "23503", "23505", "23514"][..]),
            (Verdict::Unready, &["28P01", "28000", "3D000", "42P01", "42703", "42501", "42804", "42P10"][..]),
            (
                Verdict::Later,
                &[
                    "08006", "40001", "40P01", "53100", "53300", "55P03", "57014", "57P01", "57P03", "58030", "XX000",
                    "", "é",
                ][..],
            ),
        ] {
            for code in codes {
                assert_eq!(Verdict::of(code), verdict, "{code}");
                assert!(!described(code).is_empty());
            }
        }
    }

    /// A replica becomes the primary again, or the tenant's address is changed: a person looks at it, and it comes back.
    #[test]
    fn a_server_that_was_demoted_is_waited_for() {
        assert_eq!(Verdict::of("25006"), Verdict::Later);
    }
}
