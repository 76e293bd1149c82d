//! What takes several calls of ports: the loops of which each step is decided elsewhere in this crate, and done by a
//! port.

pub mod consent;
pub mod link_key;
pub mod order;
pub mod redrive;
