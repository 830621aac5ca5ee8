//! Owns the fault that a test asks for, as none can be brought about from outside.
//! Never part of the program.

use std::sync::atomic::{AtomicUsize, Ordering};

const NONE: usize = usize::MAX;

static KEY: AtomicUsize = AtomicUsize::new(NONE);

/// The next turn of this session of a worker panics.
pub(crate) fn panic_in(key: usize) {
    KEY.store(key, Ordering::SeqCst);
}

pub(super) fn panic_if_asked(key: usize) {
    if KEY.compare_exchange(key, NONE, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        panic!("a test asked for it");
    }
}
