//! Nothing but dependencies: with the features that only tests ask for, so that the functions of a local run and the
//! tests share what cargo has compiled (`Cargo.toml` beside this says how).
