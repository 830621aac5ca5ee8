//! Owns the masking keys of the frames that go to backends.
//! Never knows a frame.

use std::hash::{BuildHasher, RandomState};

/// Fresh keys, each used once, and not to be foreseen (RFC 6455 section 5.3). Random octets are taken
/// from the system for many keys at a time.
#[derive(Debug)]
pub struct MaskKeys {
    pool: Box<[u8]>,
    used: usize,
}

const POOL_BYTES: usize = 1 << 10;

impl MaskKeys {
    /// A source of its own, which holds no random octets yet.
    #[must_use]
    pub fn new() -> MaskKeys {
        MaskKeys { pool: vec![0; POOL_BYTES].into(), used: POOL_BYTES }
    }

    /// The next key.
    pub fn draw(&mut self) -> [u8; 4] {
        if self.used >= self.pool.len() {
            if aws_lc_rs::rand::fill(&mut self.pool).is_err() {
                // The library has its own generator, seeded by the system; std has another.
                for part in self.pool.chunks_mut(8) {
                    let octets = RandomState::new().hash_one(self.used).to_ne_bytes();
                    part.copy_from_slice(octets.get(..part.len()).unwrap_or_default());
                }
            }
            self.used = 0;
        }
        let key = self.pool.get(self.used..).and_then(|rest| rest.first_chunk()).copied();
        self.used += 4;
        key.unwrap_or_default()
    }
}

impl Default for MaskKeys {
    fn default() -> MaskKeys {
        MaskKeys::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_is_given_twice_in_a_row_nor_often_at_all() {
        let mut keys = MaskKeys::new();
        let given: HashSet<[u8; 4]> = (0..10_000).map(|_| keys.draw()).collect();
        // By chance some 0.01 of them would meet.
        assert!(given.len() > 9_990, "{}", given.len());
    }
}
