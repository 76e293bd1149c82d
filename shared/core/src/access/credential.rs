//! What a request shows: its headers, read as far as it takes to know what kind of credential they hold.

use super::api_key::ApiKey;
use super::principal::Credential;
use super::refused::Refused;
use super::token::Token;

/// The headers of a request in which a credential can stand.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `X-Api-Key`.
    pub api_key: Option<&'a str>,
}

/// The credential that a request shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// The text of an API key.
    Key(&'a str),
    /// The text of a token.
    Token(&'a str),
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(..)",
            Self::Token(_) => "Token(..)",
        })
    }
}

impl<'a> Credentials<'a> {
    /// The credential: `Authorization: Bearer` and a key or a token
    /// (<https://www.rfc-editor.org/rfc/rfc6750#section-2.1>), or `X-Api-Key` and a key.
    ///
    /// # Errors
    /// [`Refused::NoCredential`], [`Refused::TwoCredentials`], [`Refused::MalformedHeader`] or
    /// [`Refused::MalformedKey`].
    pub fn presented(self) -> Result<Presented<'a>, Refused> {
        match (self.authorization, self.api_key) {
            (None, None) => Err(Refused::NoCredential),
            (Some(_), Some(_)) => Err(Refused::TwoCredentials),
            (None, Some(key)) if ApiKey::is_meant_by(key.trim()) => Ok(Presented::Key(key.trim())),
            (None, Some(_)) => Err(Refused::MalformedKey),
            (Some(header), None) => bearer(header).ok_or(Refused::MalformedHeader),
        }
    }

    /// What the credential says that it is, for the audit log of a request that was refused. Nothing of it is verified.
    pub fn claimed(self) -> Option<Credential> {
        match self.presented().ok()? {
            Presented::Key(text) => ApiKey::parse(text).ok().as_ref().map(Credential::from),
            Presented::Token(text) => Token::read(text).ok().and_then(|token| token.claims.credential().ok()),
        }
    }
}

fn bearer(header: &str) -> Option<Presented<'_>> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    let credential = rest.trim();
    // Of two headers the API makes one, with a comma between them.
    let is_one = !credential.is_empty() && credential.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    if !scheme.eq_ignore_ascii_case("bearer") || !is_one {
        return None;
    }
    Some(if ApiKey::is_meant_by(credential) { Presented::Key(credential) } else { Presented::Token(credential) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented<'a>(authorization: Option<&'a str>, api_key: Option<&'a str>) -> Result<Presented<'a>, Refused> {
        Credentials { authorization, api_key }.presented()
    }

    #[test]
    fn a_credential_stands_in_one_of_two_headers() {
        assert_eq!(presented(Some("Bearer a.b.c"), None), Ok(Presented::Token("a.b.c")));
        assert_eq!(presented(Some("bearer  acq_dev_x "), None), Ok(Presented::Key("acq_dev_x")));
        assert_eq!(presented(None, Some("acq_dev_x")), Ok(Presented::Key("acq_dev_x")));
    }

    #[test]
    fn none_two_and_a_header_of_another_form_are_told_apart() {
        assert_eq!(presented(None, None), Err(Refused::NoCredential));
        assert_eq!(presented(Some("Bearer a"), Some("acq_x")), Err(Refused::TwoCredentials));
        for header in
            ["", "Bearer", "Bearer ", "Basic YTpi", "a.b.c", "Bearer a b", "Bearer a,Bearer b", "Bearer \u{e4}"]
        {
            assert_eq!(presented(Some(header), None), Err(Refused::MalformedHeader), "{header:?}");
        }
        for key in ["", "a.b.c"] {
            assert_eq!(presented(None, Some(key)), Err(Refused::MalformedKey), "{key:?}");
        }
    }

    #[test]
    fn a_credential_is_told_by_its_beginning_and_never_shows() {
        let key = ApiKey::make(&"dev".parse().unwrap(), &"acme".parse().unwrap(), [1; 32], [2; 32]);
        let header = format!("Bearer {}", key.expose());
        let shown = Credentials { authorization: Some(&header), api_key: None };
        let told = shown.claimed().unwrap().to_string();
        assert_eq!(told, format!("acq_dev_acme_{}", key.id));
        assert!(!format!("{shown:?} {:?}", shown.presented()).contains(key.id.as_str()));
        assert_eq!(Credentials { authorization: Some("Bearer x"), api_key: None }.claimed(), None);
    }
}
