//! What a request for one of the pages wants, and the form that comes with it.

use std::collections::BTreeMap;

use acequia_lambda::http::HttpRequest;

/// The largest body that is read: a form of ours has two short fields.
const MAX_BODY_BYTES: usize = 4096;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To look.
    Get,
    /// To look without seeing.
    Head,
    /// To act.
    Post,
    /// Something that is not done here.
    Other,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it wants.
    pub method: Method,
    /// The parts of its path.
    pub path: Vec<String>,
    /// The fields of its form.
    pub form: BTreeMap<String, String>,
    /// The languages that the reader prefers, as the header has them.
    pub languages: String,
}

impl Request {
    /// Reads a request as the API hands it over.
    ///
    /// # Errors
    /// When it is none of an HTTP API's.
    pub fn read(event: serde_json::Value) -> Result<Self, serde_json::Error> {
        HttpRequest::read(event).map(Self::from)
    }
}

impl From<HttpRequest> for Request {
    fn from(request: HttpRequest) -> Self {
        let method = match request.method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            _ => Method::Other,
        };
        let header = |name| request.header(name).unwrap_or_default();
        Self {
            method,
            path: request.path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            form: form(request.body.as_bytes().unwrap_or_default(), header("content-type")),
            languages: header("accept-language").to_owned(),
        }
    }
}

fn form(body: &[u8], kind: &str) -> BTreeMap<String, String> {
    if body.len() > MAX_BODY_BYTES {
        return BTreeMap::new();
    }
    match boundary(kind) {
        Some(boundary) => parts(&String::from_utf8_lossy(body), boundary),
        None => url::form_urlencoded::parse(body).into_owned().collect(),
    }
}

/// What stands between the parts of a form in `multipart/form-data`, which is how mail programs should send theirs
/// (<https://www.rfc-editor.org/rfc/rfc8058#section-3.2>).
fn boundary(kind: &str) -> Option<&str> {
    let mut parts = kind.split(';').map(str::trim);
    let is_multipart = parts.next()?.eq_ignore_ascii_case("multipart/form-data");
    let boundary =
        parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("boundary"));
    boundary.map(|(_, value)| value.trim_matches('"')).filter(|value| is_multipart && !value.is_empty())
}

/// The short texts of such a form; what stands before the first boundary is none. Mail programs write the head of a
/// part in many ways: with and without quotation marks and spaces, in small and capital letters, and with bare line
/// feeds.
fn parts(body: &str, boundary: &str) -> BTreeMap<String, String> {
    let field = |part: &str| {
        let part = part.replace("\r\n", "\n");
        let (head, value) = part.split_once("\n\n")?;
        let disposition = head.lines().find_map(|line| {
            line.split_once(':').filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        });
        let mut parameters = disposition?.1.split(';').filter_map(|parameter| parameter.split_once('='));
        let (_, name) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("name"))?;
        Some((name.trim().trim_matches('"').to_owned(), value.strip_suffix('\n').unwrap_or(value).to_owned()))
    };
    body.split(&format!("--{boundary}")).skip(1).filter_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_with_its_form_in_both_its_forms_and_under_any_stage() {
        for (body, encoded) in [("do=act&x=%C3%A9", false), ("ZG89YWN0Jng9JUMzJUE5", true)] {
            let event = serde_json::json!({"rawPath": "/live/c/acme/links.a.b", "requestContext": {"stage": "live", "http": {"method": "POST"}},
                "headers": {"Accept-Language": "fr-CA,fr;q=0.9"}, "body": body, "isBase64Encoded": encoded});
            let request = Request::read(event).unwrap();
            assert_eq!((request.method, request.path.join("/")), (Method::Post, "c/acme/links.a.b".to_owned()));
            assert_eq!((request.form["do"].as_str(), request.form["x"].as_str()), ("act", "é"));
            assert_eq!(request.languages, "fr-CA,fr;q=0.9");
        }
        assert!(Request::read(serde_json::json!({"Records": []})).is_err());
        assert!(form(&[b'x'; 5000], "").is_empty());
    }

    #[test]
    fn a_mail_programs_form_in_parts_is_read() {
        let body = "--xyz\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--xyz--\r\n";
        for kind in ["multipart/form-data; boundary=xyz", "Multipart/Form-Data; charset=utf-8; Boundary=\"xyz\""] {
            assert_eq!(
                form(body.as_bytes(), kind).get("List-Unsubscribe").map(String::as_str),
                Some("One-Click"),
                "{kind}"
            );
        }
        for kind in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=abc",
            "text/plain; boundary=xyz",
        ] {
            assert_eq!(form(body.as_bytes(), kind).get("List-Unsubscribe"), None, "{kind}");
        }
    }

    #[test]
    fn the_head_of_a_part_is_read_however_it_is_written() {
        for head in [
            "Content-Disposition: form-data; name=List-Unsubscribe",
            "Content-Disposition: form-data;name=\"List-Unsubscribe\"",
            "Content-Disposition: form-data; NAME=\"List-Unsubscribe\"",
            "content-disposition:form-data ; name = \"List-Unsubscribe\"",
            "Content-Type: text/plain; name=\"x\"\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"",
            "Content-Disposition: form-data; filename=\"name=x\"; name=\"List-Unsubscribe\"",
        ] {
            let body = format!("--x\r\n{head}\r\n\r\nOne-Click\r\n--x--\r\n");
            for body in [body.replace("\r\n", "\n"), body] {
                let read = form(body.as_bytes(), "multipart/form-data; boundary=x");
                assert_eq!(read.get("List-Unsubscribe").map(String::as_str), Some("One-Click"), "{body:?}");
            }
        }
        let file = "--x\r\nContent-Disposition: form-data; filename=a\r\n\r\nOne-Click\r\n--x--";
        assert!(form(file.as_bytes(), "multipart/form-data; boundary=x").is_empty());
    }
}
