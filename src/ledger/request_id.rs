//! Owns the number by which a peer and an operator can speak of one request.
//! Never knows the request.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// 16 hexadecimal digits, different for each request of this process. It is a name, no
/// secret: nothing is granted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(u64);

static NEXT: AtomicU64 = AtomicU64::new(0);
static SCATTER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl RequestId {
    /// The next number: keyed, so that it does not tell how many requests there were.
    #[must_use]
    pub fn next() -> RequestId {
        RequestId(SCATTER.hash_one(NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// Takes a number as it is written: 16 hexadecimal digits in lower case.
    #[must_use]
    pub fn parse(text: &str) -> Option<RequestId> {
        let is_digit = |octet: u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
        let fits = text.len() == 16 && text.bytes().all(is_digit);
        fits.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(RequestId)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_it_is_written_and_in_no_other_way() {
        let id = RequestId::next();
        assert_eq!(RequestId::parse(&id.to_string()), Some(id));
        for bad in ["", "1", "+00000000000000a", "000000000000000A", "00000000000000000", "000000000000000g"]
        {
            assert_eq!(RequestId::parse(bad), None, "{bad:?}");
        }
    }
}
