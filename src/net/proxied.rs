//! Owns the PROXY protocol header that a trusted proxy sends before anything else.
//! Never knows what follows it: exactly its octets are read.

use crate::peer::Peer;
use crate::rejection::Rejection;
use proxy_header::{ParseConfig, ProxyHeader};
use std::io;
use tokio::net::TcpStream;

/// How a proxy tells whom it speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Not by the PROXY protocol.
    Off,
    /// By a header of version 1 or 2 before TLS; a connection without one is closed.
    Required,
}

/// The signature of version 2; version 1 is never shorter.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version, family and length of version 2.
const FIXED_BYTES: usize = 16;
/// The longest version 1 header, as its specification says.
const VERSION_1_BYTES_MAX: usize = 107;
/// Addresses and some TLVs; a proxy that sends more is not one of ours.
const VERSION_2_BYTES_MAX: usize = 4096;

/// Reads the header; the client, or `None` where the proxy speaks for itself (v1 UNKNOWN,
/// v2 LOCAL).
pub(super) async fn read_header(socket: &TcpStream) -> Result<Option<Peer>, Rejection> {
    let mut header = vec![0; SIGNATURE.len()];
    read_exact(socket, &mut header).await?;
    if header == SIGNATURE {
        header.resize(FIXED_BYTES, 0);
        read_exact(socket, header.get_mut(SIGNATURE.len()..).unwrap_or_default()).await?;
        let Some([high, low]) = header.last_chunk::<2>() else { return Err(Rejection::ProxyMalformed) };
        let whole = FIXED_BYTES + usize::from(u16::from_be_bytes([*high, *low]));
        if whole > VERSION_2_BYTES_MAX {
            return Err(Rejection::ProxyMalformed);
        }
        header.resize(whole, 0);
        read_exact(socket, header.get_mut(FIXED_BYTES..).unwrap_or_default()).await?;
    } else if header.starts_with(b"PROXY ") {
        // Octet by octet, as nothing behind it may be read; it is one short line.
        while !header.ends_with(b"\r\n") {
            if header.len() >= VERSION_1_BYTES_MAX {
                return Err(Rejection::ProxyMalformed);
            }
            let mut next = [0];
            read_exact(socket, &mut next).await?;
            header.extend_from_slice(&next);
        }
    } else {
        return Err(Rejection::ProxyMalformed);
    }
    client_in(&header)
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

async fn read_exact(socket: &TcpStream, mut into: &mut [u8]) -> Result<(), Rejection> {
    while !into.is_empty() {
        socket.readable().await.map_err(|_| Rejection::HandshakeAbandoned)?;
        match socket.try_read(into) {
            Ok(0) => return Err(Rejection::HandshakeAbandoned),
            Ok(n) => into = into.get_mut(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Rejection::HandshakeAbandoned),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: &[u8]) -> Result<Option<String>, Rejection> {
        client_in(header).map(|peer| peer.map(|peer| peer.to_string()))
    }

    fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u8::try_from(addresses.len()).expect("short");
        [&SIGNATURE[..], &[0x20 | command, family, 0, length], addresses].concat()
    }

    #[test]
    fn both_versions_name_the_client() {
        let is = |address: &str| Ok(Some(address.to_owned()));
        assert_eq!(client(b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 443\r\n"), is("192.0.2.1"));
        assert_eq!(client(b"PROXY TCP6 2001:db8::1 fd00::1 5000 443\r\n"), is("2001:db8::1"));
        let addresses = [192, 0, 2, 1, 10, 0, 0, 1, 19, 136, 1, 187];
        assert_eq!(client(&version_2(1, 0x11, &addresses)), is("192.0.2.1"));
    }

    #[test]
    fn a_proxy_that_speaks_for_itself_names_nobody() {
        assert_eq!(client(b"PROXY UNKNOWN\r\n"), Ok(None));
        assert_eq!(client(&version_2(0, 0, &[])), Ok(None));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bad in [
            &b"PROXY TCP4 192.0.2.1 10.0.0.1 5000\r\n"[..],
            b"PROXY TCP4 192.0.2.999 10.0.0.1 5000 443\r\n",
            b"PROXY TCP5 192.0.2.1 10.0.0.1 5000 443\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 443\r\nGET",
            &version_2(1, 0x11, &[1, 2, 3]),
        ] {
            assert_eq!(client(bad), Err(Rejection::ProxyMalformed), "{bad:?}");
        }
    }
}
