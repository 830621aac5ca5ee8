//! Owns the attacks below HTTP: no TLS, old TLS, cleartext on its port.
//! Never knows HTTP or WebSocket.

use super::attack::Severity::{High, Medium};
use super::attack::{Attack, Attempt};

const WEAK: &str = "whoever is on the way can bring a connection down to what can be broken";
/// Suites that a server of those times had: ECDHE and RSA with AES-CBC, 3DES, RC4.
const OLD: &[u16] = &[0xC014, 0xC013, 0xC00A, 0xC009, 0x0035, 0x002F, 0x000A, 0x0005, 0x0004];

/// In the order in which they are tried.
pub(super) const TRANSPORT: &[Attack] = &[
    Attack {
        id: "tls-none",
        severity: High,
        what: "a URL of ws://",
        meaning: "token and messages are read and changed by whoever is on the way",
        reference: "RFC 6455 section 10.6, CWE-319",
        attempt: Attempt::NoTls,
    },
    Attack {
        id: "tls-cleartext",
        severity: High,
        what: "a handshake in cleartext on the port of TLS",
        meaning: "the endpoint does not need TLS, so a peer can be kept from using it",
        reference: "RFC 6455 section 10.6, CWE-319",
        attempt: Attempt::Cleartext,
    },
    Attack {
        id: "tls-1-0",
        severity: Medium,
        what: "TLS 1.0",
        meaning: WEAK,
        reference: "RFC 8996, CWE-327",
        attempt: Attempt::Hello(0x0301, OLD),
    },
    Attack {
        id: "tls-1-1",
        severity: Medium,
        what: "TLS 1.1",
        meaning: WEAK,
        reference: "RFC 8996, CWE-327",
        attempt: Attempt::Hello(0x0302, OLD),
    },
    Attack {
        id: "tls-suites",
        severity: Medium,
        what: "TLS 1.2 with RSA key exchange, CBC, 3DES and RC4 alone",
        meaning: WEAK,
        reference: "RFC 9325 section 4.1, CWE-327",
        attempt: Attempt::Hello(0x0303, &[0x009C, 0x009D, 0x003C, 0x0035, 0x002F, 0x000A, 0x0005, 0x0004]),
    },
];

/// A ClientHello (RFC 5246 section 7.4.1.2) for a server of this name.
pub(super) fn client_hello(version: u16, suites: &[u16], server_name: &str) -> Vec<u8> {
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let mut extensions = Vec::new();
    // An address is no server name (RFC 6066 section 3).
    if server_name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_err() {
        let named = [&[0][..], &vector(server_name.as_bytes())].concat();
        extensions.extend([&[0, 0][..], &vector(&vector(&named))].concat());
    }
    // Groups, point formats and signature algorithms of those times.
    extensions.extend([0, 10, 0, 8, 0, 6, 0, 29, 0, 23, 0, 24, 0, 11, 0, 2, 1, 0]);
    extensions.extend([0, 13, 0, 14, 0, 12, 4, 3, 4, 1, 8, 4, 5, 1, 2, 1, 2, 3]);
    let hello = [&version.to_be_bytes()[..], &[7; 32], &[0], &vector(&suites), &[1, 0], &vector(&extensions)];
    let hello = hello.concat();
    let message = [&[1, 0][..], &vector(&hello)].concat();
    [&[22, 3, 1][..], &vector(&message)].concat()
}

/// A vector with two octets of length; what is longer is not made here.
fn vector(octets: &[u8]) -> Vec<u8> {
    let length = u16::try_from(octets.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], octets].concat()
}

/// Whether this is a record with a ServerHello.
pub(super) fn is_server_hello(octets: &[u8]) -> bool {
    matches!(octets, [22, 3, _, _, _, 2, ..])
}
