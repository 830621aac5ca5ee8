//! Owns how an operator is told that a key cannot be used.
//! Never knows key material.

use std::fmt;

/// Why a key cannot be used: an operator's fault; a sentence with the remedy, without key
/// material. `FILE` in it stands for the file that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFault(pub String);

impl KeyFault {
    pub(super) fn new(sentence: impl Into<String>) -> KeyFault {
        KeyFault(sentence.into())
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyFault {}
