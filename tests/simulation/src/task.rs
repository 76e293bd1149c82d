//! A piece of work that is polled when it was woken, in an order that chance decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use futures::future::LocalBoxFuture;
use futures::task::ArcWake;

struct Flag(AtomicBool);

impl ArcWake for Flag {
    fn wake_by_ref(flag: &Arc<Self>) {
        flag.0.store(true, Ordering::Relaxed);
    }
}

/// Work under way.
pub struct Task<T> {
    work: LocalBoxFuture<'static, T>,
    ready: Arc<Flag>,
    waker: Waker,
}

impl<T> Task<T> {
    /// Work that can begin.
    pub fn new(work: LocalBoxFuture<'static, T>) -> Self {
        let ready = Arc::new(Flag(AtomicBool::new(true)));
        let waker = futures::task::waker(Arc::clone(&ready));
        Self { work, ready, waker }
    }

    /// Whether it can go on.
    pub fn is_ready(&self) -> bool {
        self.ready.0.load(Ordering::Relaxed)
    }

    /// Lets it go on until it waits for something.
    pub fn poll(&mut self) -> Poll<T> {
        self.ready.0.store(false, Ordering::Relaxed);
        self.work.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}
