//! Keys and tokens, good and forged, against the verifier over in-memory keys and issuers on loopback.

mod fetch;
mod forged;
mod issuer;
mod key;
mod key_set;
mod vector;
mod world;
