//! Which version this is: the same word in `acequia --version`, in the first line of a function's log, and in a stage's
//! parameter `/acequia/<stage>/version`.

/// The workspace's version and the commit, such as `0.1.0-1f2482f1a2b3`; `-modified` behind it where files differed
/// from the commit, and `dev` in the commit's place in a development build.
pub const VERSION: &str = env!("ACEQUIA_VERSION");
