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

    /// The secret in a file: its bytes less one newline at the end, which editors add.
    #[must_use]
    pub fn without_newline(mut self) -> Secret {
        if self.0.last() == Some(&b'\n') {
            self.0.pop();
        }
        self
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
    #[test]
    fn one_trailing_newline_of_a_secret_file_does_not_count() {
        for (file, secret) in [
            ("", ""),
            ("a", "a"),
            ("a\n", "a"),
            ("a\n\n", "a\n"),
            ("\n", ""),
            ("\na", "\na"),
            ("a\r\n", "a\r"),
        ] {
            let read = Secret::new(file.as_bytes().to_vec()).without_newline();
            assert_eq!(read.expose(), secret.as_bytes(), "{file:?}");
        }
    }
}
