//! Owns the attacks whose cost is measured: at least one of each group of the catalogue of SECURITY.md
//! that costs the server anything before it ends.
//! Never knows how an octet gets to the server.

use super::Stage::{Session, SessionLeft, Tcp, Tls};
use super::wire::Target;
use super::{Attack, Stage};

/// In the order of the stages.
pub(crate) const ATTACKS: &[Attack] = &[
    again("TLS: five octets of garbage", Tcp, |_| vec![0xFF; 5]),
    again("TLS: an HTTP request in cleartext", Tcp, |_| b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    again("TLS: a hello of TLS 1.1", Tcp, |_| old_hello(0x0302)),
    again("TLS: a recorded hello, then a reset", Tcp, Target::hello),
    again("TLS: a hello of 60 KiB", Tcp, |_| {
        [&[22, 3, 1, 0x40, 0, 1, 0, 0xF0, 0][..], &[3; 16 << 10]].concat()
    }),
    again("head: two octets of garbage", Tls, |_| b"\r\n".to_vec()),
    again("head: HTTP/1.0", Tls, |target| target.head().replace("HTTP/1.1", "HTTP/1.0").into_bytes()),
    again("head: 16 KiB and more", Tls, |_| {
        format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(17 << 10)).into_bytes()
    }),
    again("head: 65 fields", Tls, |_| {
        format!("GET / HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(65)).into_bytes()
    }),
    again("Host: not served", Tls, |target| field(target, "Host: localhost", "Host: evil.example")),
    again("Origin: foreign", Tls, |target| field(target, "Origin: ", "Origin: https://evil.example/")),
    again("key: malformed", Tls, |target| field(target, "dGhlIHNh", "dGhl")),
    again("subprotocols: 1,000", Tls, |target| {
        let many: Vec<String> = (0..1000).map(|index| format!("p{index}")).collect();
        field(target, "Origin: ", &format!("Sec-WebSocket-Protocol: {}\r\nOrigin: ", many.join(",")))
    }),
    again("credential: none", Tls, |target| field(target, "Authorization", "X-Authorization")),
    again("token: no token", Tls, |target| field(target, &target.token, "a.b.c")),
    again("token: another signature", Tls, |target| {
        // Two numbers in range, so that the curve has to be asked.
        let (signed, signature) = target.token.rsplit_once('.').unwrap_or_default();
        let other = signature.chars().rev().skip(4).chain("AAAA".chars()).collect::<String>();
        field(target, &target.token, &format!("{signed}.{other}"))
    }),
    again("token: 4 KiB of nested JSON", Tls, |target| {
        // {"alg":"ES256","kid":"load","typ":"JWT"} before, and 1,000 times {"a": in base64url.
        let header = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImxvYWQiLCJ0eXAiOiJKV1QifQ";
        field(target, &target.token, &format!("{header}.{}.AAAA", "eyJhIjp7ImEiOnsiYSI6".repeat(190)))
    }),
    again("session: opened, then a reset", SessionLeft, |_| Vec::new()),
    again("frames: a reserved bit", Session, |_| vec![0xC1, 0x80, 0, 0, 0, 0]),
    again("frames: 1,023 empty fragments", SessionLeft, |_| {
        [&[0x01, 0x80, 0, 0, 0, 0][..], &[0, 0x80, 0, 0, 0, 0].repeat(1022), &[0x80, 0x80, 0, 0, 0, 0]]
            .concat()
    }),
    again("frames: fragments of one octet until closed", Session, |_| {
        [&[0x01, 0x81, 0, 0, 0, 0, b'a'][..], &[0, 0x81, 0, 0, 0, 0, b'a'].repeat(1100)].concat()
    }),
    again("frames: pings until closed", Session, |_| [0x89, 0x80, 0, 0, 0, 0].repeat(200)),
    again("frames: 1,000 messages of one octet", SessionLeft, |_| {
        [0x82, 0x81, 0, 0, 0, 0, b'a'].repeat(1000)
    }),
    held("TLS: no octet but one", Tcp, |_| vec![22]),
    held("TLS: half a hello of 60 KiB", Tcp, |_| {
        [&[22, 3, 1, 0x40, 0, 1, 0, 0xF0, 0][..], &[3; 12 << 10]].concat()
    }),
    held("head: one octet", Tls, |_| b"G".to_vec()),
    held("head: 15 KiB", Tls, |_| format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(15 << 10)).into_bytes()),
    held("session: idle", Session, |_| Vec::new()),
    held("session: half a message of 60 KiB", Session, |_| {
        [&[0x02, 0xFE, 0xF0, 0, 0, 0, 0, 0][..], &vec![b'a'; 60 << 10]].concat()
    }),
    held("session: a header that announces 64 KiB", Session, |_| {
        vec![0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    }),
    held("session: 1,000 empty fragments", Session, |_| {
        [&[0x01, 0x80, 0, 0, 0, 0][..], &[0, 0x80, 0, 0, 0, 0].repeat(999)].concat()
    }),
];

const fn again(name: &'static str, stage: Stage, octets: fn(&Target) -> Vec<u8>) -> Attack {
    Attack { name, stage, is_held: false, octets }
}

const fn held(name: &'static str, stage: Stage, octets: fn(&Target) -> Vec<u8>) -> Attack {
    Attack { name, stage, is_held: true, octets }
}

/// The good head with something in the place of something else.
fn field(target: &Target, from: &str, to: &str) -> Vec<u8> {
    target.head().replacen(from, to, 1).into_bytes()
}

/// A hello of this version with one suite and no extension.
fn old_hello(version: u16) -> Vec<u8> {
    let hello = [&version.to_be_bytes()[..], &[7; 32], &[0, 0, 2, 0xC0, 0x13, 1, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap_or_default();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()
}
