//! Owns what the two versions of the protocol call differently.
//! Never knows a request.

/// Which version of the protocol a hub speaks: one of them, never both, so that no token of the one
/// is read by the rules of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Hub 0.x: `topic`, the claim `mercure`.
    #[default]
    Zero,
    /// 1.0 (draft-dunglas-mercure-08): `match`, access tokens of RFC 9068.
    One,
}

impl Version {
    /// The version of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Version> {
        match name {
            "0.x" => Some(Version::Zero),
            "1.0" => Some(Version::One),
            _ => None,
        }
    }

    /// The cookie that has the token.
    #[must_use]
    pub fn cookie(self) -> &'static str {
        match self {
            Version::Zero => "mercureAuthorization",
            Version::One => "__Secure-mercure_access_token",
        }
    }

    /// Whether a parameter of this name says which update was read last.
    #[must_use]
    pub fn is_last_event_id(self, name: &str) -> bool {
        match self {
            Version::Zero => {
                name.eq_ignore_ascii_case("lastEventID") || name.eq_ignore_ascii_case("last-event-id")
            }
            Version::One => name == "last_event_id",
        }
    }

    /// The member of a subscription that is told which says what is wanted.
    #[must_use]
    pub(super) fn topic_member(self) -> &'static str {
        match self {
            Version::Zero => "topic",
            Version::One => "match",
        }
    }

    /// The field of a response that says from where on updates are sent.
    #[must_use]
    pub fn last_event_id_field(self) -> &'static str {
        match self {
            Version::Zero => "last-event-id",
            Version::One => "mercure-last-event-id",
        }
    }
}
