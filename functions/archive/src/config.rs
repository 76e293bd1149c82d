//! What the archive function is told by its environment: what each function is that works with the archive.

pub use acequia_lambda::environment::ArchiveInstallation as Config;
