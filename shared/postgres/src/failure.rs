//! What an error comes to. Codes and names of the schema are told; the server's own words are not, for they hold values.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;

use acequia_core::port::TableError;
use acequia_core::table::{Verdict, described};
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

/// What the driver says where the server speaks no TLS.
const NO_TLS: &str = "does not support TLS";

/// What an error comes to, and whether the connection may still be used.
pub(crate) struct Failure {
    pub(crate) error: TableError,
    /// Whether the connection is lost: nobody knows what became of what was asked.
    pub(crate) is_lost: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.as_db_error() {
            Some(answer) => Self::of_answer(answer),
            None => Self { error: without_answer(&error), is_lost: true },
        }
    }
}

impl Failure {
    fn of_answer(answer: &DbError) -> Self {
        let code = answer.code().code();
        let mut text = format!("{} ({code}", described(code));
        for (what, name) in
            [("table", answer.table()), ("column", answer.column()), ("constraint", answer.constraint())]
        {
            if let Some(name) = name {
                let _ = write!(text, ", {what} {name}");
            }
        }
        text.push(')');
        let error = match Verdict::of(code) {
            Verdict::Later => TableError::Later(text),
            Verdict::Unready => TableError::Unready(text),
            Verdict::Row => TableError::Refused(text),
        };
        // A server that shuts down says so, and its connection does not look closed yet; one that became a replica
        // is to be looked for anew.
        let is_lost = code.starts_with("57P") || code.starts_with("08") || code == "25006";
        Self { error, is_lost }
    }
}

/// What there is to say of a connection that could not be made, or broke.
fn without_answer(error: &Error) -> TableError {
    if error.to_string().contains(NO_TLS) || error.source().is_some_and(|source| source.to_string().contains(NO_TLS)) {
        return TableError::Unready("the server takes no TLS".to_owned());
    }
    let mut cause = error.source();
    while let Some(source) = cause {
        if let Some(tls) = tls_of(source) {
            return match tls {
                rustls::Error::InvalidCertificate(problem) => {
                    TableError::Unready(format!("the server's certificate is not believed: {problem}"))
                }
                other => TableError::Later(format!("TLS was not agreed upon: {other}")),
            };
        }
        if let Some(error) = source.downcast_ref::<io::Error>() {
            return TableError::Later(format!("the server is not reached: {}", error.kind()));
        }
        cause = source.source();
    }
    TableError::Later("the connection broke".to_owned())
}

fn tls_of<'a>(source: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = source.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    source.downcast_ref().or_else(|| inner.and_then(|inner| inner.downcast_ref()))
}
