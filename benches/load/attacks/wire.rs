//! Owns an attacker's connections and counts the octets that it sends on them.
//! Never knows what they mean.

use super::Stage;
use crate::Fault;
use crate::server::{ORIGIN, Server};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The server as an attacker sees it.
pub(crate) struct Target {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    pub(crate) token: String,
}

/// A connection that is kept.
pub(crate) struct Held {
    _stream: Box<dyn AsyncRead>,
    sent: Rc<Cell<u64>>,
}

impl Held {
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }
}

impl Target {
    pub(crate) fn of(server: &Server) -> Result<Target, Fault> {
        let provider = CryptoProvider {
            cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![kx_group::X25519],
            ..default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(server.roots.clone())
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        let name = ServerName::try_from("localhost")?;
        Ok(Target { address: server.address, config: Arc::new(config), name, token: server.token.clone() })
    }

    /// A good request head.
    pub(crate) fn head(&self) -> String {
        format!(
            "GET /chat/load HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {ORIGIN}\r\n\
             Authorization: Bearer {}\r\n\r\n",
            self.token
        )
    }

    /// A ClientHello, recorded: who sends it again pays nothing for it.
    pub(crate) fn hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        // What cannot be made is empty, and the attempts then fail.
        let _ = connection.map(|mut connection| connection.write_tls(&mut hello));
        hello
    }

    /// One attempt; how many octets it sent.
    pub(crate) async fn attempt(&self, stage: Stage, octets: &[u8]) -> io::Result<u64> {
        let attempt = tokio::time::timeout(PATIENCE, self.attempt_at_ease(stage, octets));
        attempt.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn attempt_at_ease(&self, stage: Stage, octets: &[u8]) -> io::Result<u64> {
        let socket = self.connect().await?;
        let sent = Rc::clone(&socket.sent);
        match stage {
            Stage::Tcp => {
                let mut socket = socket;
                let _ = socket.write_all(octets).await;
                let _ = socket.read(&mut [0; 4096]).await;
            }
            Stage::Tls => {
                let mut stream = self.tls(socket).await?;
                let _ = stream.write_all(octets).await;
                let _ = stream.flush().await;
                read_to_end(&mut stream).await;
            }
            Stage::Session | Stage::SessionLeft => {
                let mut stream = self.session(socket).await?;
                let _ = stream.write_all(octets).await;
                let _ = stream.flush().await;
                if matches!(stage, Stage::SessionLeft) {
                    stream.write_all(PING).await?;
                    stream.flush().await?;
                    read_until(&mut stream, LAST).await?;
                } else {
                    read_to_end(&mut stream).await;
                }
            }
        }
        Ok(sent.get())
    }

    /// One connection on which octets were sent, and nothing more comes.
    pub(crate) async fn hold(&self, stage: Stage, octets: &[u8]) -> io::Result<Held> {
        let mut socket = self.connect().await?;
        let sent = Rc::clone(&socket.sent);
        let stream: Box<dyn AsyncRead> = match stage {
            Stage::Tcp => {
                socket.write_all(octets).await?;
                Box::new(socket)
            }
            Stage::Tls => {
                let mut stream = self.tls(socket).await?;
                stream.write_all(octets).await?;
                stream.flush().await?;
                Box::new(stream)
            }
            Stage::Session | Stage::SessionLeft => {
                let mut stream = self.session(socket).await?;
                stream.write_all(octets).await?;
                stream.flush().await?;
                Box::new(stream)
            }
        };
        Ok(Held { _stream: stream, sent })
    }

    async fn connect(&self) -> io::Result<Counted> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        // Closing resets, so that no port is left in TIME_WAIT.
        socket.set_zero_linger()?;
        Ok(Counted { socket, sent: Rc::default() })
    }

    async fn tls(&self, socket: Counted) -> io::Result<TlsStream<Counted>> {
        TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), socket).await
    }

    async fn session(&self, socket: Counted) -> io::Result<TlsStream<Counted>> {
        let mut stream = self.tls(socket).await?;
        stream.write_all(self.head().as_bytes()).await?;
        stream.flush().await?;
        read_until(&mut stream, b"\r\n\r\n").await?;
        Ok(stream)
    }
}

async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) {
    let mut piece = [0; 4096];
    while stream.read(&mut piece).await.is_ok_and(|count| count > 0) {}
}

async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &[u8]) -> io::Result<()> {
    let mut octets = Vec::new();
    while !octets.windows(end.len()).any(|window| window == end) {
        if stream.read_buf(&mut octets).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// A socket that counts what goes out.
struct Counted {
    socket: TcpStream,
    sent: Rc<Cell<u64>>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, from);
        if let Poll::Ready(Ok(count)) = written {
            self.sent.set(self.sent.get() + u64::try_from(count).unwrap_or_default());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
/// Masked with zeros.
const PING: &[u8] = b"\x89\x84\0\0\0\0last";
/// What it is answered with.
const LAST: &[u8] = b"last";
