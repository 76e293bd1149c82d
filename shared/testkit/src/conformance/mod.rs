//! One suite per port, which the in-memory port and the real one both pass.
