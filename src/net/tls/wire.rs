//! Owns one TLS connection as octets in and octets out (rustls' unbuffered API).
//! Never knows a socket: ciphertext and plaintext come and go in buffers of the worker.
//!
//! The buffered API keeps 4 KiB of read buffer for every idle connection and copies each
//! broadcast once more; this one keeps nothing while no record is half-read.

use super::{Material, client_certificate, server_name};
use crate::peer::ClientCertificate;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError};
use rustls::{CertificateError, Error, ServerConfig};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;

/// Why a TLS connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// What came is not TLS, and looks like HTTP in the clear.
    Plaintext,
    /// A server name that is not served.
    ServerName,
    /// No certificate of the peer where one is required.
    CertificateMissing,
    /// A certificate of the peer that its authority has revoked.
    CertificateRevoked,
    /// A certificate of the peer that is not good: of a stranger, run out, without proof, or of
    /// which it cannot be known whether it is revoked.
    CertificateInvalid,
    /// Anything else: version, suite, ALPN, a broken record, an alert of the peer.
    Protocol,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsState {
    /// More is needed from the peer.
    Handshaking,
    /// Plaintext may be sent.
    Established,
    /// The peer will send nothing more (close_notify).
    PeerClosed,
}

/// The server's side of one TLS connection.
pub struct TlsWire {
    connection: Box<UnbufferedServerConnection>,
    /// Octets of what has not come whole, a record or a message over several records; without a
    /// buffer otherwise. rustls remembers places in it, so it is given to every call.
    half_record: Vec<u8>,
    peer_closed: bool,
    /// A fault has been told: nothing follows its alert (RFC 8446 section 6.2).
    is_faulty: bool,
    server_name: Option<Box<str>>,
}

/// More than a record's header, tag and content type add to its content (RFC 8446 section 5.2).
const RECORD_OVERHEAD_BYTES: usize = 64;
/// The most content of one record.
const RECORD_CONTENT_BYTES: usize = 16 << 10;
/// Most messages of a handshake; a longer one (a long chain) says what it needs.
const HANDSHAKE_MESSAGE_BYTES: usize = 2 << 10;
/// The most that is kept of what has not come whole: a ClientHello of the size that rustls takes.
const HALF_RECORD_BYTES_MAX: usize = 80 << 10;

impl TlsWire {
    /// A connection that waits for its ClientHello.
    pub fn accept(material: &Material) -> Result<TlsWire, TlsFault> {
        TlsWire::new(Arc::clone(material.config()))
    }

    fn new(config: Arc<ServerConfig>) -> Result<TlsWire, TlsFault> {
        let connection = UnbufferedServerConnection::new(config).map_err(|_| TlsFault::Protocol)?;
        Ok(TlsWire {
            connection: Box::new(connection),
            half_record: Vec::new(),
            peer_closed: false,
            is_faulty: false,
            server_name: None,
        })
    }

    /// The name that the peer asked for (SNI, RFC 6066), taken once: it is not kept for a
    /// session's life.
    pub fn take_server_name(&mut self) -> Option<Box<str>> {
        self.server_name.take()
    }

    /// What the peer's certificate says of it, where one was asked for, shown and found good.
    #[must_use]
    pub fn client_certificate(&self) -> Option<ClientCertificate> {
        self.connection.peer_certificates()?.first().map(client_certificate::read)
    }

    /// All that the peer has shown, its own certificate first.
    #[must_use]
    pub fn client_chain(&self) -> Option<&[CertificateDer<'static>]> {
        self.connection.peer_certificates()
    }

    /// Takes ciphertext as it came: plaintext goes to `plain`, what must be sent to `out`
    /// (also on a fault: the alert).
    pub fn read(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<TlsState, TlsFault> {
        if self.half_record.is_empty() {
            let (used, state) = self.process(input, plain, out)?;
            self.half_record.extend_from_slice(input.get(used..).unwrap_or_default());
            return Ok(state);
        }
        let mut whole = std::mem::take(&mut self.half_record);
        whole.extend_from_slice(input);
        let (used, state) = self.process(&mut whole, plain, out)?;
        if used < whole.len() {
            if whole.len() - used > HALF_RECORD_BYTES_MAX {
                return Err(TlsFault::Protocol);
            }
            whole.drain(..used);
            self.half_record = whole;
        }
        Ok(state)
    }

    fn process(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(usize, TlsState), TlsFault> {
        let mut at = 0;
        loop {
            let rest = input.get_mut(at..).unwrap_or_default();
            let looks_like_http = rest.first().is_some_and(u8::is_ascii_uppercase);
            let status = self.connection.process_tls_records(rest);
            if let Some(name) = server_name::take() {
                self.server_name = Some(name);
            }
            let mut used = status.discard;
            let state = match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|_| TlsFault::Protocol)?;
                        used += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    None
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(out, &mut data)?;
                    None
                }
                // The caller sends `out` before anything else, so it counts as sent here.
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::BlockedHandshake) => Some(TlsState::Handshaking),
                Ok(ConnectionState::WriteTraffic(_)) => Some(TlsState::Established),
                Ok(ConnectionState::PeerClosed) => {
                    self.peer_closed = true;
                    None
                }
                Ok(ConnectionState::Closed) => Some(TlsState::PeerClosed),
                // Early data is off (`max_early_data_size` 0), and a state that rustls may
                // add later is one that we do not know how to serve.
                Ok(_) => return Err(TlsFault::Protocol),
                Err(error) => {
                    self.is_faulty = true;
                    self.alert(out);
                    return Err(fault(&error, looks_like_http));
                }
            };
            at += used;
            if let Some(state) = state {
                let closed = self.peer_closed && state == TlsState::Established;
                return Ok((at, if closed { TlsState::PeerClosed } else { state }));
            }
        }
    }

    /// After a fault rustls holds the alert that the peer is to get. It is asked while it holds one,
    /// and not once more: it would judge again what it found at fault.
    fn alert(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(&mut []);
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else { return };
            if encode(out, &mut data).is_err() {
                return;
            }
        }
    }

    /// Encrypts `plain` into `buffer` from `start` on, and returns where it ends. The buffer
    /// only grows: on the way of a broadcast it is the worker's, and zeroed once.
    pub fn write(&mut self, plain: &[u8], buffer: &mut Vec<u8>, start: usize) -> Result<usize, TlsFault> {
        let records = plain.len() / RECORD_CONTENT_BYTES + 1;
        let mut start = start;
        let mut room_bytes = plain.len() + records * RECORD_OVERHEAD_BYTES;
        if self.is_faulty {
            return Err(TlsFault::Protocol);
        }
        loop {
            let status = self.connection.process_tls_records(&mut self.half_record);
            let used = status.discard;
            match status.state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    if buffer.len() < start + room_bytes {
                        buffer.resize(start + room_bytes, 0);
                    }
                    match traffic.encrypt(plain, buffer.get_mut(start..).unwrap_or_default()) {
                        Ok(used) => return Ok(start + used),
                        Err(EncryptError::InsufficientSize(size)) if size.required_size > room_bytes => {
                            room_bytes = size.required_size;
                        }
                        Err(_) => return Err(TlsFault::Protocol),
                    }
                }
                // A key update of the peer is answered in the same breath.
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    buffer.truncate(start);
                    encode(buffer, &mut data)?;
                    start = buffer.len();
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.peer_closed = true,
                Ok(_) | Err(_) => return Err(TlsFault::Protocol),
            }
            self.half_record.drain(..used);
        }
    }

    /// Appends the close_notify alert: nothing is sent after it (RFC 8446 section 6.1).
    pub fn close_notify(&mut self, out: &mut Vec<u8>) {
        if self.is_faulty {
            return;
        }
        let status = self.connection.process_tls_records(&mut self.half_record);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state {
            let start = out.len();
            out.resize(start + RECORD_OVERHEAD_BYTES * 4, 0);
            let used = traffic.queue_close_notify(out.get_mut(start..).unwrap_or_default()).unwrap_or(0);
            out.truncate(start + used);
        }
    }
}

/// Lets rustls encode one message behind what `out` holds.
fn encode(out: &mut Vec<u8>, data: &mut EncodeTlsData<'_, ServerConnectionData>) -> Result<(), TlsFault> {
    let start = out.len();
    let mut room_bytes = HANDSHAKE_MESSAGE_BYTES;
    loop {
        out.resize(start + room_bytes, 0);
        match data.encode(out.get_mut(start..).unwrap_or_default()) {
            Ok(used) => {
                out.truncate(start + used);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(size)) if size.required_size > room_bytes => {
                room_bytes = size.required_size;
            }
            Err(_) => {
                out.truncate(start);
                return Err(TlsFault::Protocol);
            }
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls' errors are not exhaustive; the rest is one case")]
fn fault(error: &Error, looks_like_http: bool) -> TlsFault {
    match error {
        Error::InvalidMessage(_) if looks_like_http => TlsFault::Plaintext,
        // There is no other certificate that a server judges.
        Error::NoCertificatesPresented => TlsFault::CertificateMissing,
        Error::InvalidCertificate(CertificateError::Revoked) => TlsFault::CertificateRevoked,
        Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_) => TlsFault::CertificateInvalid,
        // What rustls says when the resolver has no certificate for the name.
        Error::General(_) => TlsFault::ServerName,
        _ => TlsFault::Protocol,
    }
}
