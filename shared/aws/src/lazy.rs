//! A client that is made when it is first used.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use aws_config::SdkConfig;

/// A client of the SDK that is made at its first use, and then shared.
///
/// Each client reads its service's list of partitions when it is made: 0.4 million instructions, where a function's
/// whole start has two million (docs/PERFORMANCE.md). What only some invocations need, such as telling the operators,
/// is not made for all.
pub struct Lazy<C>(Arc<Made<C>>);

type Made<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send + Sync>>;

impl<C: 'static> Lazy<C> {
    pub(crate) fn new(config: &SdkConfig, make: fn(&SdkConfig) -> C) -> Self {
        let config = config.clone();
        Self(Arc::new(LazyLock::new(Box::new(move || make(&config)))))
    }
}

impl<C> Clone for Lazy<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for Lazy<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> fmt::Debug for Lazy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what is in it: to look would make it.
        f.write_str("Lazy")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static MADE: AtomicUsize = AtomicUsize::new(0);

    fn make(_: &SdkConfig) -> usize {
        MADE.fetch_add(1, Ordering::Relaxed)
    }

    #[test]
    fn it_is_made_at_its_first_use_and_shared_by_its_clones() {
        let client = Lazy::new(&SdkConfig::builder().build(), make);
        let clone = client.clone();
        let _ = format!("{client:?}");
        assert_eq!(MADE.load(Ordering::Relaxed), 0);
        assert_eq!((*clone, *client, MADE.load(Ordering::Relaxed)), (0, 0, 1));
    }
}
