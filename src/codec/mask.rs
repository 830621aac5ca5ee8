//! Owns the masking key of a frame and its place in the payload (RFC 6455 section 5.3).
//! Never knows what the octets mean.

/// A masking key, turned so that its first octet is the next one to be used.
#[derive(Clone, Copy)]
pub(super) struct Mask([u8; 4]);

impl Mask {
    /// The key as it stands in a header.
    pub(super) fn new(key: [u8; 4]) -> Mask {
        Mask(key)
    }

    /// Unmasks the next octets of the payload, eight at a time.
    #[inline]
    pub(super) fn apply(&mut self, octets: &mut [u8]) {
        // A server's frame has none.
        if self.0 == [0; 4] {
            return;
        }
        let [a, b, c, d] = self.0;
        let key = [a, b, c, d, a, b, c, d];
        let wide = u64::from_ne_bytes(key);
        let (blocks, tail) = octets.as_chunks_mut::<8>();
        for block in blocks {
            *block = (u64::from_ne_bytes(*block) ^ wide).to_ne_bytes();
        }
        for (octet, key) in tail.iter_mut().zip(key) {
            *octet ^= key;
        }
        self.0.rotate_left(octets.len() % 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_in_pieces_is_the_octet_by_octet_rule_of_the_standard() {
        let key = [0x12, 0x34, 0x56, 0x78];
        let plain: Vec<u8> = (0..=255).collect();
        let expected: Vec<u8> = plain.iter().enumerate().map(|(i, octet)| octet ^ key[i % 4]).collect();
        for step in 1..40 {
            let (mut octets, mut mask) = (plain.clone(), Mask::new(key));
            octets.chunks_mut(step).for_each(|piece| mask.apply(piece));
            assert_eq!(octets, expected, "in pieces of {step}");
        }
    }
}
