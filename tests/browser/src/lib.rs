//! The pages of consent in a real browser.
