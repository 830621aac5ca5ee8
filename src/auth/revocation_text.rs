//! Owns the text form of revocations, as they outlive a restart.
//! Never knows a file.

use super::revocation::{REVOCATIONS_MAX, Revocations, Set, Until};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One JSON object; times are in seconds since 1970-01-01.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u8,
    /// By identifier: until when it is remembered.
    tokens: BTreeMap<Box<str>, u64>,
    /// By subject.
    subjects: BTreeMap<Box<str>, SubjectText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectText {
    issued_up_to: u64,
    kept: u64,
}

const VERSION: u8 = 1;

impl Revocations {
    /// Everything that is remembered, as one JSON object and a line feed.
    #[must_use]
    pub fn to_text(&self) -> Vec<u8> {
        let set = self.set();
        let subject = |until: &Until| SubjectText { issued_up_to: until.issued_up_to, kept: until.kept };
        let text = Text {
            version: VERSION,
            tokens: set.tokens.iter().map(|(jti, kept)| (jti.clone(), *kept)).collect(),
            subjects: set.subjects.iter().map(|(name, until)| (name.clone(), subject(until))).collect(),
        };
        drop(set);
        let mut octets = serde_json::to_vec(&text).unwrap_or_default();
        octets.push(b'\n');
        octets
    }

    /// Takes what [`Revocations::to_text`] gave, whole or not at all: half a list would let
    /// revoked tokens in.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn from_text(octets: &[u8]) -> Result<Revocations, &'static str> {
        const TORN: &str = "is torn or no list of revocations: restore it, or remove it and revoke anew";
        let text: Text = serde_json::from_slice(octets).map_err(|_| TORN)?;
        if text.version != VERSION {
            return Err("was written by another version of portcullis");
        }
        if text.tokens.len() + text.subjects.len() > REVOCATIONS_MAX {
            return Err("holds more revocations than are ever remembered");
        }
        let subject = |(name, text): (Box<str>, SubjectText)| {
            (name, Until { issued_up_to: text.issued_up_to, kept: text.kept })
        };
        Ok(Revocations::of(Set {
            tokens: text.tokens.into_iter().collect(),
            subjects: text.subjects.into_iter().map(subject).collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revocations_come_back_as_they_were() {
        let before = Revocations::default();
        before.revoke_token("t-1", 1_800_000_000, 60).expect("room");
        before.revoke_subject("alice \"\\\n", 1_800_000_000, 60).expect("room");
        let after = Revocations::from_text(&before.to_text()).expect("what was written");
        assert_eq!(after.to_text(), before.to_text());
        assert_eq!(after.count(), 2);
    }

    #[test]
    fn a_torn_or_foreign_text_is_refused_whole() {
        let revocations = Revocations::default();
        revocations.revoke_token("t-1", 1_800_000_000, 60).expect("room");
        let text = revocations.to_text();
        for end in 0..text.len() - 1 {
            assert!(Revocations::from_text(&text[..end]).is_err(), "{end}");
        }
        for foreign in [
            &b"{}"[..],
            br#"{"version":2,"tokens":{},"subjects":{}}"#,
            br#"{"version":1,"tokens":{},"subjects":{},"more":1}"#,
        ] {
            assert!(Revocations::from_text(foreign).is_err());
        }
    }
}
