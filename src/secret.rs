//! Owns bytes that must not be shown: they are wiped when dropped and never formatted.
//! Never knows what they are for.

use std::fmt;
use zeroize::Zeroizing;

/// Secret bytes: no `Clone`, no content in `Debug`, wiped on drop.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// The bytes, for the one call that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_its_bytes() {
        assert_eq!(format!("{:?}", Secret::new(b"swordfish".to_vec())), "Secret(..)");
    }
}
