//! Tests of the pages of consent in a real browser: headless Chromium, driven by `WebDriver`, before the real confirm
//! function.
//!
//! `tests/pages/site.rs` is the HTTP API before the function and the rest of the internet; `driver.rs` is the browser;
//! `world.rs` has the tenants, the links and what is known of consents; `wcag.rs` judges a page. The others are the
//! tests.
