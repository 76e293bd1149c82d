//! Answers the links of mails. **GET shows a page and changes nothing; the button's POST acts**, because mail scanners
//! follow links.
//!
//! Pages work without JavaScript and are accessible; they show the tenant's name, logo and colour, in the reader's
//! language. A link of another tenant, or of none, is answered like a page that does not exist, and leaves a line in
//! the audit log.

pub mod config;
mod confirm;
mod http;
mod page;
mod path;
mod words;

pub use acequia_lambda::http::HttpResponse as Response;
pub use confirm::Confirm;
pub use http::{Method, Request};
