//! Tests that what is told of a run holds nothing of what is in its events. The crate itself is empty.
