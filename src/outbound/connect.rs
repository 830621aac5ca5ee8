//! Owns how a connection to an endpoint is made, and when that is given up.
//! Never knows what is spoken over it.

use super::fault::OutboundError;
use super::resolve::resolve;
use super::stream::Stream;
use super::tls::Roots;
use crate::endpoint::{Endpoint, Place};
use crate::origin::HostName;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout_at;

/// Connects: resolves a name, tries one address after the other, each for its share of the time that
/// is left, and makes TLS of it where the scheme says so.
///
/// # Errors
///
/// Nothing came of it by the deadline. Where the scheme is one of TLS and there are no roots, nobody
/// is trusted.
pub async fn connect(
    endpoint: &Endpoint,
    roots: Option<&Roots>,
    deadline: Instant,
) -> Result<Stream, OutboundError> {
    let dialled = timeout_at(deadline.into(), dial(endpoint, roots, deadline)).await;
    dialled.unwrap_or(Err(OutboundError::Timeout))
}

async fn dial(
    endpoint: &Endpoint,
    roots: Option<&Roots>,
    deadline: Instant,
) -> Result<Stream, OutboundError> {
    let (host, port) = match endpoint.place() {
        Place::Unix(path) => {
            return UnixStream::connect(path).await.map(Stream::Unix).map_err(|_| OutboundError::Connect);
        }
        Place::Tcp { host, port } => (host, *port),
    };
    let addresses = match host {
        HostName::V4(address) => vec![SocketAddr::new(IpAddr::V4(*address), port)],
        HostName::V6(address) => vec![SocketAddr::new(IpAddr::V6(*address), port)],
        HostName::Name(name) => resolve(name, port).await?,
    };
    let socket = first_that_takes(&addresses, deadline).await?;
    // Frames and requests are written whole; waiting for more would only delay them.
    socket.set_nodelay(true).map_err(|_| OutboundError::Connect)?;
    match (endpoint.scheme().is_tls(), roots) {
        (false, _) => Ok(Stream::Tcp(socket)),
        (true, Some(roots)) => Box::pin(roots.secure(socket, host)).await,
        (true, None) => Err(OutboundError::Tls),
    }
}

async fn first_that_takes(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, OutboundError> {
    let mut fault = OutboundError::Resolve;
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / left;
        fault = match timeout_at((now + share).into(), TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(_)) => OutboundError::Connect,
            Err(_) => OutboundError::Timeout,
        };
    }
    Err(fault)
}
