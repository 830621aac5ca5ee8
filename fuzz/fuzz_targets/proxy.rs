//! The PROXY protocol header, read as the judge asks from a stream that goes on behind it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::gate::{ProxyWord, judge_proxy_header};
use portcullis::peer::Peer;
use portcullis::rejection::Rejection;
use std::net::IpAddr;

fuzz_target!(|stream: &[u8]| {
    let mut read = 0;
    let client = loop {
        match judge_proxy_header(&stream[..read]) {
            Ok(ProxyWord::Client(client)) => break client,
            Ok(ProxyWord::Unfinished(missing)) => read += missing.get(),
            Err(reason) => return assert_eq!(reason, Rejection::ProxyMalformed),
        }
        assert!(read <= 4096, "a peer decides how much is read");
        if read > stream.len() {
            return;
        }
    };
    let header = &stream[..read];
    assert_eq!(client, expected(header), "{header:?}");
    // A header is one: nothing can stand behind it, and nothing can be cut off it.
    assert!(judge_proxy_header(&[header, b"x\r\n"].concat()).is_err());
    assert!(matches!(judge_proxy_header(&header[..read - 1]), Ok(ProxyWord::Unfinished(_))));
});

/// Whom a header that was taken speaks for, read by its specification alone.
fn expected(header: &[u8]) -> Option<Peer> {
    let address: IpAddr = if let Some(line) = header.strip_prefix(b"PROXY ") {
        let line = std::str::from_utf8(line.strip_suffix(b"\r\n").expect("a whole line"));
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        match line.map(words).unwrap_or_default().as_slice() {
            [family, source, destination, ..] if family == "TCP4" || family == "TCP6" => {
                let is_v4 = family == "TCP4";
                let address: IpAddr = source.parse().expect("an address");
                let other: IpAddr = destination.parse().expect("an address");
                assert!(address.is_ipv4() == is_v4 && other.is_ipv4() == is_v4);
                address
            }
            _ => {
                assert!(header.starts_with(b"PROXY UNKNOWN"), "another family");
                return None;
            }
        }
    } else {
        let rest = header.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n").expect("a signature");
        let [command, family, high, low, body @ ..] = rest else { panic!("too short") };
        assert_eq!(usize::from(u16::from_be_bytes([*high, *low])), body.len());
        match (command, family) {
            (0x21, 0x11 | 0x12) => IpAddr::from(*body.first_chunk::<4>().expect("an address")),
            (0x21, 0x21 | 0x22) => IpAddr::from(*body.first_chunk::<16>().expect("an address")),
            (0x20, _) | (0x21, 0x00 | 0x31 | 0x32) => return None,
            other => panic!("neither version 2 nor a command: {other:?}"),
        }
    };
    Some(Peer::new(address))
}
