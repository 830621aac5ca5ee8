//! Owns the PROXY protocol header: where it ends, and whom the proxy speaks for.
//! Never knows whether the peer is a trusted proxy: only then it is asked.

use crate::peer::Peer;
use crate::rejection::Rejection;
use proxy_header::{ParseConfig, ProxyHeader};
use std::num::NonZeroUsize;

/// The signature of version 2; version 1 is never shorter.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version, family and length of version 2.
const FIXED_BYTES: usize = 16;
/// The longest version 1 header, as its specification says.
const VERSION_1_BYTES_MAX: usize = 107;
/// Addresses and some TLVs; a proxy that sends more is not one of ours.
const VERSION_2_BYTES_MAX: usize = 4096;

/// What the octets say that a trusted proxy sent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyWord {
    /// So many octets at least are still to come, all of them part of the header.
    Unfinished(NonZeroUsize),
    /// The header is whole. The client, or `None` where the proxy speaks for itself (v1
    /// UNKNOWN, v2 LOCAL).
    Client(Option<Peer>),
}

/// Judges what has come of a header of version 1 or 2. Whoever reads no more octets than it
/// asks for reads nothing behind the header, and at most 4,096 in all.
///
/// # Errors
///
/// [`Rejection::ProxyMalformed`] of what is no such header, and of octets behind one.
pub fn judge_proxy_header(octets: &[u8]) -> Result<ProxyWord, Rejection> {
    match NonZeroUsize::new(missing(octets)?) {
        Some(missing) => Ok(ProxyWord::Unfinished(missing)),
        None => client_in(octets).map(ProxyWord::Client),
    }
}

/// How many octets surely belong to the header that starts so and are not there yet.
fn missing(octets: &[u8]) -> Result<usize, Rejection> {
    let expected = if octets.len() < SIGNATURE.len() {
        SIGNATURE.len()
    } else if octets.starts_with(SIGNATURE) {
        match octets.get(..FIXED_BYTES).and_then(<[u8]>::last_chunk::<2>) {
            None => FIXED_BYTES,
            Some(length) => FIXED_BYTES + usize::from(u16::from_be_bytes(*length)),
        }
    } else if octets.starts_with(b"PROXY ") {
        // Octet by octet, as nothing behind it may be read; it is one short line.
        let ended = octets.ends_with(b"\r\n");
        if !ended && octets.len() >= VERSION_1_BYTES_MAX {
            return Err(Rejection::ProxyMalformed);
        }
        if ended { octets.len() } else { octets.len() + 1 }
    } else {
        return Err(Rejection::ProxyMalformed);
    };
    if expected > VERSION_2_BYTES_MAX {
        return Err(Rejection::ProxyMalformed);
    }
    Ok(expected.saturating_sub(octets.len()))
}

fn client_in(header: &[u8]) -> Result<Option<Peer>, Rejection> {
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };
    match ProxyHeader::parse(header, config) {
        Ok((parsed, used)) if used == header.len() => {
            Ok(parsed.proxied_address().map(|address| Peer::new(address.source.ip())))
        }
        Ok(_) | Err(_) => Err(Rejection::ProxyMalformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on a stream that is read as the judge asks, and how many octets were read.
    fn read(stream: &[u8]) -> (Result<Option<String>, Rejection>, usize) {
        let mut read = 0;
        loop {
            match judge_proxy_header(&stream[..read]) {
                Ok(ProxyWord::Unfinished(missing)) if read + missing.get() <= stream.len() => {
                    read += missing.get();
                }
                Ok(ProxyWord::Unfinished(_)) => return (Err(Rejection::HandshakeAbandoned), read),
                Ok(ProxyWord::Client(client)) => return (Ok(client.map(|peer| peer.to_string())), read),
                Err(reason) => return (Err(reason), read),
            }
        }
    }

    fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[0x20 | command, family], &length, addresses].concat()
    }

    const ADDRESSES: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 19, 136, 1, 187];

    #[test]
    fn both_versions_name_the_client_and_nothing_behind_them_is_read() {
        for (header, client) in [
            (&b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 443\r\n"[..], "192.0.2.1"),
            (b"PROXY TCP6 2001:db8::1 fd00::1 5000 443\r\n", "2001:db8::1"),
            (&version_2(1, 0x11, &ADDRESSES), "192.0.2.1"),
            (&version_2(1, 0x11, &[&ADDRESSES[..], b"\x04\0\x01x"].concat()), "192.0.2.1"),
        ] {
            for behind in [&b""[..], b"\x16\x03\x01", b"\r\n", b"PROXY "] {
                let stream = [header, behind].concat();
                assert_eq!(read(&stream), (Ok(Some(client.to_owned())), header.len()), "{stream:?}");
            }
        }
    }

    #[test]
    fn a_proxy_that_speaks_for_itself_names_nobody() {
        assert_eq!(read(b"PROXY UNKNOWN\r\n").0, Ok(None));
        assert_eq!(read(&version_2(0, 0, &[])).0, Ok(None));
        assert_eq!(read(&version_2(0, 0x11, &ADDRESSES)).0, Ok(None));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bad in [
            &b"PROXY TCP4 192.0.2.1 10.0.0.1 5000\r\n"[..],
            b"PROXY TCP4 192.0.2.999 10.0.0.1 5000 443\r\n",
            b"PROXY TCP5 192.0.2.1 10.0.0.1 5000 443\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0",
            &version_2(1, 0x11, &[1, 2, 3]),
            &version_2(2, 0x11, &ADDRESSES),
        ] {
            assert_eq!(read(bad).0, Err(Rejection::ProxyMalformed), "{bad:?}");
        }
    }

    #[test]
    fn octets_behind_a_header_are_no_part_of_it() {
        let line = b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 443\r\n";
        for octets in [[&line[..], b"x\r\n"].concat(), [&*version_2(1, 0x11, &ADDRESSES), b"x"].concat()] {
            assert_eq!(judge_proxy_header(&octets), Err(Rejection::ProxyMalformed), "{octets:?}");
        }
    }

    #[test]
    fn a_header_is_as_long_as_its_version_allows_and_no_longer() {
        let line = |bytes: usize| format!("PROXY UNKNOWN{}\r\n", "x".repeat(bytes - 15)).into_bytes();
        assert_eq!(read(&line(107)), (Ok(None), 107));
        assert_eq!(read(&line(108)), (Err(Rejection::ProxyMalformed), 107));
        assert_eq!(read(&version_2(0, 0, &[0; 4080])), (Ok(None), 4096));
        assert_eq!(read(&version_2(0, 0, &[0; 4081])), (Err(Rejection::ProxyMalformed), 16));
    }
}
