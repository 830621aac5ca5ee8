//! Owns a connection on which frames go out and come in.
//! Never knows what a message says.

use crate::frames::{self, CLOSE, PING, PONG, TEXT};
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// One end of a WebSocket.
pub(crate) struct Peer {
    stream: TlsStream<TcpStream>,
    /// Octets that came and make no whole frame yet.
    unread: Vec<u8>,
    /// A ping that is not answered yet.
    ping: Option<Vec<u8>>,
    close_code: Option<u16>,
}

impl Peer {
    /// `early`: octets that came behind the 101.
    pub(crate) fn new(stream: TlsStream<TcpStream>, early: Vec<u8>) -> Peer {
        Peer { stream, unread: early, ping: None, close_code: None }
    }

    /// What the server has closed with.
    pub(crate) fn close_code(&self) -> Option<u16> {
        self.close_code
    }

    /// Sends one text.
    pub(crate) async fn send(&mut self, text: &[u8]) -> io::Result<()> {
        self.send_frame(TEXT, text).await
    }

    /// Waits until something comes, tells each text of it, and answers pings.
    ///
    /// # Errors
    /// When the server ends the connection or breaks the protocol.
    pub(crate) async fn receive(&mut self, on_text: impl FnMut(&[u8])) -> io::Result<()> {
        self.read(on_text).await?;
        self.answer().await
    }

    /// The first half of `receive`: may be given up before its end, and nothing is lost.
    pub(crate) async fn read(&mut self, mut on_text: impl FnMut(&[u8])) -> io::Result<()> {
        self.unread.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.unread).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = &*self.unread;
        while let Some((frame, behind)) = frames::take(rest)? {
            match frame.opcode {
                TEXT => on_text(frame.payload),
                PING => self.ping = Some(frame.payload.to_vec()),
                CLOSE => {
                    self.close_code = frame.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                _ => {}
            }
            rest = behind;
        }
        let read = self.unread.len() - rest.len();
        self.unread.drain(..read);
        Ok(())
    }

    /// The second half.
    pub(crate) async fn answer(&mut self) -> io::Result<()> {
        match self.ping.take() {
            Some(payload) => self.send_frame(PONG, &payload).await,
            None => Ok(()),
        }
    }

    async fn send_frame(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut octets = Vec::with_capacity(payload.len() + 8);
        frames::put(opcode, payload, &mut octets)?;
        self.stream.write_all(&octets).await?;
        self.stream.flush().await
    }
}

/// Room for a read.
const READ_BYTES: usize = 4096;
