//! Owns the number by which a peer and an operator can speak of one request.
//! Never knows the request.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// 16 hexadecimal digits, different for each request of this process. It is a name, no
/// secret: nothing is granted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(u64);

static NEXT: AtomicU64 = AtomicU64::new(0);
static SCATTER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl RequestId {
    /// The next number: keyed, so that it does not tell how many requests there were.
    #[must_use]
    pub fn next() -> RequestId {
        RequestId(SCATTER.hash_one(NEXT.fetch_add(1, Ordering::Relaxed)))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
