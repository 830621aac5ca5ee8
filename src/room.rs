//! Owns the name of a room and the pattern that grants rooms.
//! Never knows who is in a room, nor which route it came by.

use std::fmt;
use std::sync::Arc;

/// The octets that a room name may have: unreserved ones of RFC 3986 and `:` `@`.
#[must_use]
pub const fn is_room_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'~' | b':' | b'@' | b'-')
}

/// The name of a room: 1 to 128 of `A-Z a-z 0-9 . _ ~ : @ -`.
///
/// ```
/// use portcullis::room::RoomName;
/// assert!(RoomName::parse("lobby").is_some());
/// assert!(RoomName::parse("a/b").is_none());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

/// The longest name of a room, in octets.
pub const ROOM_NAME_BYTES_MAX: usize = 128;

impl RoomName {
    /// Takes a name that is one; `None` for anything else.
    #[must_use]
    pub fn parse(name: &str) -> Option<RoomName> {
        let fits = (1..=ROOM_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_room_octet);
        fits.then(|| RoomName(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomName({})", self.0)
    }
}

/// What a grant names: one room, or every room whose name has a prefix (`chat-*`, `*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomPattern {
    /// This room.
    Exact(RoomName),
    /// Every room whose name starts so.
    Prefix(Box<str>),
}

impl fmt::Display for RoomPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RoomPattern::Exact(room) => f.write_str(room.as_str()),
            RoomPattern::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl RoomPattern {
    /// Takes a room name, or a prefix of one (also the empty one) and a `*` at its end.
    #[must_use]
    pub fn parse(pattern: &str) -> Option<RoomPattern> {
        let Some(prefix) = pattern.strip_suffix('*') else {
            return RoomName::parse(pattern).map(RoomPattern::Exact);
        };
        let fits = prefix.len() <= ROOM_NAME_BYTES_MAX && prefix.bytes().all(is_room_octet);
        fits.then(|| RoomPattern::Prefix(prefix.into()))
    }

    /// Whether the pattern grants this room.
    #[must_use]
    pub fn grants(&self, room: &RoomName) -> bool {
        match self {
            RoomPattern::Exact(name) => name == room,
            RoomPattern::Prefix(prefix) => room.as_str().starts_with(&**prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_name_has_1_to_128_of_its_octets() {
        assert!(RoomName::parse("").is_none());
        assert!(RoomName::parse(&"a".repeat(128)).is_some());
        assert!(RoomName::parse(&"a".repeat(129)).is_none());
        for bad in ["a b", "a/b", "a%20", "ä", "a*", "a\n"] {
            assert!(RoomName::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_grants_what_starts_with_it_and_a_name_only_itself() {
        let room = RoomName::parse("chat-1").expect("a room");
        for (pattern, grants) in [
            ("chat-1", true),
            ("chat-*", true),
            ("*", true),
            ("chat-", false),
            ("chat-11", false),
            ("Chat-*", false),
        ] {
            assert_eq!(RoomPattern::parse(pattern).expect(pattern).grants(&room), grants, "{pattern}");
        }
        for bad in ["", "a*b", "**", "a b*"] {
            assert!(RoomPattern::parse(bad).is_none(), "{bad:?}");
        }
    }
}
