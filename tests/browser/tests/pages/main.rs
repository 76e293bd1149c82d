//! The pages of consent as people meet them: in Chromium, over HTTPS, with the tenant's own site and logo at their own
//! hosts.
//!
//! After a wanted change of how they look: `ACEQUIA_BLESS=1 cargo test -p browser --features chromium`, and look at
//! docs/images.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

mod access;
mod answer;
mod driver;
mod language;
mod look;
mod old;
mod picture;
mod policy;
mod site;
mod wcag;
mod world;
mod wrong;
