//! Tests of the architecture: which crate may know which, and what the templates must say. The crate itself is empty.
