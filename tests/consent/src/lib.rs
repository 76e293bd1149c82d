//! Tests of consent as a whole: the real router, outbox, email, forward, confirm and feedback functions over one set of
//! in-memory ports.
//!
//! `tests/whole/scenario.rs` lets a thousand people sign and counts what each sink has; `faults.rs` lets every single
//! call fail once, or lose its answer, and compares the end.
