//! Where a database is, and as whom it is entered: everything of a connection's URL but its password.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// `PostgreSQL`'s port.
const PORT: u16 = 5432;

/// A database of one server, and a user of it. Its text is `postgresql://user@host:port/database`: what a tenant's
/// stack must allow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseAddress {
    /// The host's name, which its certificate must have.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
}

/// What is wrong with an address. The text itself may hold a password, and is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// It is no URL of a database.
    #[error("it must read postgresql://USER@HOST:PORT/DATABASE")]
    Form,
    /// A password stands in it.
    #[error(
        "a password stands in it, and every version of the configuration would keep that: leave it out, and name the \
         secret that holds it in `password`"
    )]
    Password,
    /// Parameters stand in it.
    #[error("leave out what stands behind the ?: TLS is always asked for, and the server's name is always checked")]
    Parameters,
    /// The host is no name.
    #[error("the host must be a name: the server's certificate is checked against it")]
    Host,
    /// A user or a database of other letters.
    #[error("user and database have 1 to 63 letters, digits, _, - or . each")]
    Name,
}

impl FromStr for DatabaseAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let url = Url::parse(text).map_err(|_| InvalidAddress::Form)?;
        if !matches!(url.scheme(), "postgresql" | "postgres") || !url.has_host() {
            return Err(InvalidAddress::Form);
        }
        if url.password().is_some() {
            return Err(InvalidAddress::Password);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidAddress::Parameters);
        }
        // The URL's host is opaque in this scheme: `[::1]` and `1.2.3.4` are told apart by the parser of hosts.
        let Some(Ok(Host::Domain(host))) = url.host_str().map(Host::parse) else { return Err(InvalidAddress::Host) };
        let name = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            let is_name = (1..=63).contains(&text.len()) && text.bytes().all(fits);
            is_name.then(|| text.to_owned()).ok_or(InvalidAddress::Name)
        };
        let (user, database) = (name(url.username())?, name(url.path().trim_start_matches('/'))?);
        Ok(Self { host, port: url.port().unwrap_or(PORT), user, database })
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, user, database } = self;
        write!(f, "postgresql://{user}@{host}:{port}/{database}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_in_one_form() {
        for (text, written) in [
            ("postgres://acme@DB.example.org/crm", "postgresql://acme@db.example.org:5432/crm"),
            ("postgresql://postgres.ref@pooler.example:6543/p", "postgresql://postgres.ref@pooler.example:6543/p"),
        ] {
            assert_eq!(text.parse::<DatabaseAddress>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_address_says_what_to_do_and_repeats_no_password() {
        for (text, wants) in [
            ("", InvalidAddress::Form),
            ("https://a@b.example/c", InvalidAddress::Form),
            ("postgresql:a", InvalidAddress::Form),
            ("postgresql://u:hunter2@db.example/c", InvalidAddress::Password),
            ("postgresql://u@db.example/c?sslmode=disable", InvalidAddress::Parameters),
            ("postgresql://u@10.0.0.1/c", InvalidAddress::Host),
            ("postgresql://u@[::1]/c", InvalidAddress::Host),
            ("postgresql://db.example/c", InvalidAddress::Name),
            ("postgresql://u@db.example", InvalidAddress::Name),
            ("postgresql://u@db.example/a/b", InvalidAddress::Name),
            ("postgresql://u%2F@db.example/a", InvalidAddress::Name),
        ] {
            assert_eq!(text.parse::<DatabaseAddress>(), Err(wants), "{text}");
            assert!(!wants.to_string().contains("hunter2"));
        }
    }
}
