//! Owns a connection that was made, whatever carries it.
//! Never knows where it leads.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A connection to an endpoint.
pub enum Stream {
    /// TCP alone.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
    /// A Unix socket.
    Unix(UnixStream),
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stream::Tcp(_) => "Stream::Tcp(..)",
            Stream::Tls(_) => "Stream::Tls(..)",
            Stream::Unix(_) => "Stream::Unix(..)",
        })
    }
}

impl Stream {
    /// The address at the other end; `None` of a Unix socket.
    #[must_use]
    pub fn peer_address(&self) -> Option<IpAddr> {
        let socket = match self {
            Stream::Tcp(socket) => socket,
            Stream::Tls(stream) => stream.get_ref().0,
            Stream::Unix(_) => return None,
        };
        socket.peer_addr().ok().map(|address| address.ip().to_canonical())
    }
}

/// Does the same with whatever carries the connection.
macro_rules! carried {
    ($stream:expr, $inner:ident => $act:expr) => {
        match $stream.get_mut() {
            Stream::Tcp(stream) => {
                let $inner = Pin::new(stream);
                $act
            }
            Stream::Tls(stream) => {
                let $inner = Pin::new(stream.as_mut());
                $act
            }
            Stream::Unix(stream) => {
                let $inner = Pin::new(stream);
                $act
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        carried!(self, inner => inner.poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        carried!(self, inner => inner.poll_write(context, octets))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        carried!(self, inner => inner.poll_write_vectored(context, octets))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried!(self, inner => inner.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried!(self, inner => inner.poll_shutdown(context))
    }
}
