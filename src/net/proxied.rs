//! Owns the reading of the PROXY protocol header that a trusted proxy sends before anything else.
//! Never knows what is in it, nor what follows it: exactly its octets are read.

use crate::gate::{ProxyWord, judge_proxy_header};
use crate::peer::Peer;
use crate::rejection::Rejection;
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

/// Reads the header; the client, or `None` where the proxy speaks for itself.
pub(super) async fn read_header(socket: &TcpStream) -> Result<Option<Peer>, Rejection> {
    let mut header = Vec::new();
    loop {
        match judge_proxy_header(&header)? {
            ProxyWord::Client(client) => return Ok(client),
            ProxyWord::Unfinished(missing) => {
                let had = header.len();
                header.resize(had.saturating_add(missing.get()), 0);
                read_exact(socket, header.get_mut(had..).unwrap_or_default()).await?;
            }
        }
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
