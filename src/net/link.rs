//! Owns one connection's socket and TLS, and what could not be sent yet.
//! Never knows what the octets mean.

use super::queued::Queued;
use crate::net::tls::{TlsState, TlsWire};
use bytes::Bytes;
use rustls_pki_types::CertificateDer;
use socket2::SockRef;
use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

/// Buffers that a worker lends to whichever connection is at work, so that an idle one
/// holds none.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Ciphertext as it is read.
    pub(super) cipher_in: Box<[u8]>,
    /// Plaintext as it is decrypted.
    pub(super) plain: Vec<u8>,
    /// Ciphertext as it is written.
    cipher_out: Vec<u8>,
}

/// One read takes at most this: a few records.
const READ_BYTES: usize = 64 << 10;

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch {
            cipher_in: vec![0; READ_BYTES].into(),
            plain: Vec::with_capacity(READ_BYTES),
            cipher_out: Vec::with_capacity(READ_BYTES),
        }
    }
}

/// The connection is of no use any more: reset, or a TLS fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// Octets, or nothing yet but progress.
    Octets,
    /// The end: nothing more will come.
    End,
}

/// What could not be sent yet. It exists only while the socket is full.
#[derive(Debug, Default)]
struct Backlog {
    /// Ciphertext that is begun: it must go out as it is.
    cipher: Vec<u8>,
    sent: usize,
    /// Plaintext behind it; a broadcast's is shared with all others that are behind.
    plain: VecDeque<Bytes>,
    plain_bytes: usize,
    /// Both.
    queued: Queued,
}

impl Backlog {
    fn recount(&mut self) {
        self.queued.set(self.cipher.len() - self.sent + self.plain_bytes);
    }
}

/// An established connection.
pub(super) struct Link {
    socket: TcpStream,
    tls: TlsWire,
    backlog: Option<Box<Backlog>>,
    /// The peer's close_notify came: the rest of the stream is no one's (RFC 8446 section 6.1).
    peer_ended: bool,
    write_ended: bool,
    fin_sent: bool,
}

impl Link {
    pub(super) fn new(socket: TcpStream, tls: TlsWire) -> Link {
        Link { socket, tls, backlog: None, peer_ended: false, write_ended: false, fin_sent: false }
    }

    /// The certificates that the peer has shown, its own first.
    pub(super) fn client_chain(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls.client_chain()
    }

    /// Octets that wait for the socket.
    pub(super) fn queued_bytes(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.queued.get())
    }

    /// Whether the socket is full.
    pub(super) fn is_blocked(&self) -> bool {
        self.backlog.is_some()
    }

    /// Sends what the socket takes; the rest waits. `keep` gives the octets for keeping,
    /// and is only asked where they must be kept.
    pub(super) fn send(
        &mut self,
        plain: &[u8],
        keep: impl FnOnce() -> Bytes,
        scratch: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        if self.write_ended || plain.is_empty() {
            return Ok(());
        }
        if let Some(backlog) = &mut self.backlog {
            backlog.plain_bytes += plain.len();
            backlog.plain.push_back(keep());
            backlog.recount();
            return Ok(());
        }
        let end = self.tls.write(plain, scratch, 0).map_err(|_| Broken)?;
        self.send_cipher(scratch.get(..end).unwrap_or_default())
    }

    /// As [`Link::send`], of octets that are not shared.
    pub(super) fn send_own(&mut self, plain: &[u8], scratch: &mut Scratch) -> Result<(), Broken> {
        self.send(plain, || Bytes::copy_from_slice(plain), &mut scratch.cipher_out)
    }

    /// As [`Link::send`], in the worker's buffer.
    pub(super) fn send_shared(
        &mut self,
        plain: &[u8],
        keep: impl FnOnce() -> Bytes,
        scratch: &mut Scratch,
    ) -> Result<(), Broken> {
        self.send(plain, keep, &mut scratch.cipher_out)
    }

    fn send_cipher(&mut self, cipher: &[u8]) -> Result<(), Broken> {
        let mut sent = 0;
        while let Some(rest) = cipher.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.socket.try_write(rest) {
                Ok(n) => sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut backlog = Box::new(Backlog { cipher: rest.to_vec(), ..Backlog::default() });
                    backlog.recount();
                    self.backlog = Some(backlog);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Broken),
            }
        }
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<Result<(), Broken>> {
        while let Some(backlog) = &mut self.backlog {
            match backlog.cipher.get(backlog.sent..).filter(|rest| !rest.is_empty()) {
                Some(rest) => {
                    ready!(self.socket.poll_write_ready(cx)).map_err(|_| Broken)?;
                    match self.socket.try_write(rest) {
                        Ok(n) => {
                            backlog.sent += n;
                            backlog.recount();
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(_) => return Poll::Ready(Err(Broken)),
                    }
                }
                None => match backlog.plain.pop_front() {
                    Some(plain) => {
                        backlog.plain_bytes -= plain.len();
                        let end = self.tls.write(&plain, &mut scratch.cipher_out, 0).map_err(|_| Broken)?;
                        backlog.cipher.clear();
                        backlog.cipher.extend_from_slice(scratch.cipher_out.get(..end).unwrap_or_default());
                        backlog.sent = 0;
                        backlog.recount();
                    }
                    None => self.backlog = None,
                },
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Forgets what waits, but for a record that is begun: what follows must be read first.
    pub(super) fn forget_queue(&mut self) {
        if let Some(backlog) = &mut self.backlog {
            backlog.plain = VecDeque::new();
            backlog.plain_bytes = 0;
            backlog.recount();
        }
    }

    /// One read: plaintext is left in `scratch.plain`.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<Result<Came, Broken>> {
        scratch.plain.clear();
        if self.peer_ended {
            return Poll::Ready(Ok(Came::End));
        }
        let mut buffer = ReadBuf::new(&mut scratch.cipher_in);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer)).map_err(|_| Broken)?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(Came::End));
        }
        let mut replies = Vec::new();
        let read = self.tls.read(buffer.filled_mut(), &mut scratch.plain, &mut replies);
        self.reply(&replies)?;
        Poll::Ready(match read {
            Ok(TlsState::PeerClosed) => {
                self.peer_ended = true;
                Ok(if scratch.plain.is_empty() { Came::End } else { Came::Octets })
            }
            Ok(TlsState::Established | TlsState::Handshaking) => Ok(Came::Octets),
            Err(_) => Err(Broken),
        })
    }

    /// What TLS itself has to say (alerts): behind what is begun, before what waits.
    fn reply(&mut self, cipher: &[u8]) -> Result<(), Broken> {
        match &mut self.backlog {
            Some(backlog) => {
                backlog.cipher.extend_from_slice(cipher);
                backlog.recount();
                Ok(())
            }
            None => self.send_cipher(cipher),
        }
    }

    /// Ends the write side once all is sent: close_notify, then FIN. The read side stays,
    /// so that nothing that was sent is lost to a reset.
    pub(super) fn end_write(&mut self) -> Result<(), Broken> {
        if self.backlog.is_some() || self.fin_sent {
            return Ok(());
        }
        if !self.write_ended {
            self.write_ended = true;
            let mut alert = Vec::new();
            self.tls.close_notify(&mut alert);
            self.send_cipher(&alert)?;
        }
        if self.backlog.is_none() {
            self.fin_sent = true;
            SockRef::from(&self.socket).shutdown(Shutdown::Write).map_err(|_| Broken)?;
        }
        Ok(())
    }
}
