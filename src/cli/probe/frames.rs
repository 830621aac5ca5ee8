//! Owns the attacks inside an open session: frames that RFC 6455 section 5 does not allow.
//! Never knows how a session is opened.

use super::attack::Severity::{Low, Medium};
use super::attack::{Attack, Attempt, Severity};

/// What a ping holds that is sent behind each violation.
pub(super) const PING: &[u8] = b"portcullis-probe";
/// What another one holds, a moment later: its answer shows that the session goes on.
pub(super) const LAST_PING: &[u8] = b"portcullis-probe-still-there";

const LAX: &str = "the endpoint reads as a message what is none, and two parts of a system may read two";
const COST: &str = "an admitted peer makes the endpoint work or hold memory at almost no cost of its own";

/// In the order in which they are tried.
pub(super) const FRAMES: &[Attack] = &[
    frame("frame-unmasked", Medium, "a frame without a mask", LAX, "RFC 6455 section 5.1", || {
        [&[0x89, 5][..], b"probe"].concat()
    }),
    frame("frame-reserved-bit", Medium, "RSV1 without an extension", LAX, "RFC 6455 section 5.2", || {
        masked(0x80 | 0x40 | 0x9, b"probe")
    }),
    frame("frame-opcode", Medium, "opcode 11", LAX, "RFC 6455 section 5.2", || masked(0x8B, b"")),
    frame("frame-length", Low, "a length that is not minimal", LAX, "RFC 6455 section 5.2", || {
        [&[0x89, 0xFE, 0, 5, 0, 0, 0, 0][..], b"probe"].concat()
    }),
    frame(
        "frame-length-huge",
        Medium,
        "a length of 2^63 octets",
        COST,
        "RFC 6455 section 5.2, CWE-770",
        || vec![0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ),
    frame(
        "message-huge",
        Medium,
        "a message of 1 TiB announced",
        COST,
        "RFC 6455 section 10.4, CWE-770",
        || vec![0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ),
    frame("frame-control-long", Low, "a ping of 126 octets", LAX, "RFC 6455 section 5.5", || {
        [&[0x89, 0xFE, 0, 126, 0, 0, 0, 0][..], &[b'p'; 126]].concat()
    }),
    frame("frame-control-fragment", Low, "a ping in fragments", LAX, "RFC 6455 section 5.5", || {
        masked(0x09, b"probe")
    }),
    frame("frame-sequence", Medium, "a continuation of nothing", LAX, "RFC 6455 section 5.4", || {
        masked(0x80, b"probe")
    }),
    frame("text-not-utf8", Medium, "text that is not UTF-8", LAX, "RFC 6455 section 8.1, CWE-20", || {
        masked(0x81, b"\xC0\xAF")
    }),
    frame(
        "fragments-endless",
        Medium,
        "5,000 empty fragments",
        COST,
        "RFC 6455 section 10.4, CWE-770",
        || [masked(0x01, b""), masked(0x00, b"").repeat(5_000)].concat(),
    ),
    frame("pings-many", Low, "500 pings at once", COST, "CWE-770", || masked(0x89, b"x").repeat(500)),
    Attack {
        id: "close-code",
        severity: Low,
        what: "opcode 11, and what is said about it",
        meaning: "a peer cannot tell a fault of its own from a network that broke, and tries again for ever",
        reference: "RFC 6455 section 7.1.7",
        attempt: Attempt::CloseCode(|| masked(0x8B, b""), 1002),
    },
    Attack {
        id: "close-echo",
        severity: Low,
        what: "a Close frame",
        meaning: "a closing handshake that is not answered leaves both ends in doubt of what arrived",
        reference: "RFC 6455 section 5.5.1",
        attempt: Attempt::CloseEcho,
    },
];

/// A short masked frame; the mask is 0, which is a mask.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(0) & 0x7F;
    [&[first, 0x80 | length, 0, 0, 0, 0][..], payload].concat()
}

const fn frame(
    id: &'static str,
    severity: Severity,
    what: &'static str,
    meaning: &'static str,
    reference: &'static str,
    octets: fn() -> Vec<u8>,
) -> Attack {
    Attack { id, severity, what, meaning, reference, attempt: Attempt::Frames(octets) }
}
