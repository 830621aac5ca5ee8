//! Owns the way in: TCP, TLS 1.3 with one suite, the opening handshake.
//! Never knows what is sent on the connection afterwards.

use crate::Fault;
use crate::peer::Peer;
use crate::server::{ORIGIN, Server};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls_pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// The one group that is offered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyExchange {
    /// The classic one.
    X25519,
    /// The hybrid with ML-KEM, which browsers offer first.
    X25519MlKem768,
}

/// Enters the room of a server, as often as it is asked.
#[derive(Clone)]
pub(crate) struct Entrance {
    address: SocketAddr,
    tls: TlsConnector,
    server_name: ServerName<'static>,
    request: Arc<[u8]>,
}

impl Entrance {
    /// Every handshake is a full one: no session is resumed.
    pub(crate) fn of(server: &Server, key_exchange: KeyExchange) -> Result<Entrance, Fault> {
        Entrance::with_token(server, key_exchange, &server.token)
    }

    /// The same, as whom the token says.
    pub(crate) fn with_token(
        server: &Server,
        key_exchange: KeyExchange,
        token: &str,
    ) -> Result<Entrance, Fault> {
        let provider = CryptoProvider {
            cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![key_exchange.group()],
            ..default_provider()
        };
        let mut tls = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(server.roots.clone())
            .with_no_client_auth();
        tls.resumption = Resumption::disabled();
        let request = format!(
            "GET /chat/load HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nOrigin: {ORIGIN}\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        Ok(Entrance {
            address: server.address,
            tls: TlsConnector::from(Arc::new(tls)),
            server_name: ServerName::try_from("localhost")?,
            request: request.into_bytes().into(),
        })
    }

    /// Opens a connection and enters the room.
    pub(crate) async fn enter(&self) -> io::Result<Peer> {
        let patience = tokio::time::timeout(PATIENCE, self.enter_at_ease()).await;
        patience.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn enter_at_ease(&self) -> io::Result<Peer> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        // Closing resets, so that no port is left in TIME_WAIT.
        socket.set_zero_linger()?;
        let mut stream = self.tls.connect(self.server_name.clone(), socket).await?;
        stream.write_all(&self.request).await?;
        stream.flush().await?;

        let mut octets = Vec::with_capacity(HEAD_BYTES_MAX);
        let head_bytes = loop {
            if let Some(at) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if octets.len() >= HEAD_BYTES_MAX {
                return Err(io::Error::other("the head of the answer is too long"));
            }
            if stream.read_buf(&mut octets).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let early = octets.split_off(head_bytes);
        let head = String::from_utf8_lossy(&octets);
        if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
            let line = head.lines().next().unwrap_or_default().to_owned();
            return Err(io::Error::other(format!("not admitted: {line}")));
        }
        Ok(Peer::new(stream, early))
    }

    /// Enters so many times, some at once.
    pub(crate) async fn enter_many(&self, count: u32) -> io::Result<Vec<Peer>> {
        let mut peers = Vec::new();
        let mut entering = JoinSet::new();
        for _ in 0..count {
            if entering.len() >= AT_ONCE
                && let Some(entered) = entering.join_next().await
            {
                peers.push(entered??);
            }
            let entrance = self.clone();
            entering.spawn_local(async move { entrance.enter().await });
        }
        while let Some(entered) = entering.join_next().await {
            peers.push(entered??);
        }
        Ok(peers)
    }
}

impl KeyExchange {
    fn group(self) -> &'static dyn SupportedKxGroup {
        match self {
            KeyExchange::X25519 => kx_group::X25519,
            KeyExchange::X25519MlKem768 => kx_group::X25519MLKEM768,
        }
    }
}

/// How many are opened at once.
pub(crate) const AT_ONCE: usize = 8;

const PATIENCE: Duration = Duration::from_secs(20);
const HEAD_BYTES_MAX: usize = 4096;
/// The example of RFC 6455 section 1.3, and what it is answered with.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
