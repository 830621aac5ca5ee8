//! Owns TLS records that a test makes by hand, inside a connection whose handshake is done.
//! Never knows what they provoke.

use super::PATIENCE;
use super::conn::Conn;
use super::target::Place;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider};
use rustls::{
    ClientConfig, ConnectionTrafficSecrets, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// Content types (RFC 8446 section 5.1; 24 is the heartbeat of RFC 6520).
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;
pub(crate) const HEARTBEAT: u8 = 24;

/// A connection whose records a test writes and reads itself; `Read` and `Write` are of its
/// application data.
pub(crate) struct Records {
    socket: TcpStream,
    is_tls12: bool,
    sending: Half,
    receiving: Half,
    plain: Vec<u8>,
    /// The alerts that came: level and description.
    pub(crate) alerts: Vec<[u8; 2]>,
}

struct Half {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Records {
    /// A connection of this version. The handshake is rustls'; what follows is the test's.
    pub(crate) fn open(
        place: &Place,
        roots: RootCertStore,
        version: &'static SupportedProtocolVersion,
    ) -> Records {
        let provider = CryptoProvider {
            cipher_suites: vec![
                cipher_suite::TLS13_AES_128_GCM_SHA256,
                cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            ],
            ..default_provider()
        };
        let mut tls = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.enable_secret_extraction = true;
        let conn = Conn::try_open(place, &place.server_name, &Arc::new(tls)).expect("a TLS handshake");
        let (connection, socket) = conn.0.into_parts();
        let secrets = connection.dangerous_extract_secrets().expect("nothing is half-read");
        Records {
            socket,
            is_tls12: version.version == ProtocolVersion::TLSv1_2,
            sending: Half::new(secrets.tx),
            receiving: Half::new(secrets.rx),
            plain: Vec::new(),
            alerts: Vec::new(),
        }
    }

    /// Sends a record of this content type, sealed as any other; a peer that is gone is no fault.
    pub(crate) fn send(&mut self, content_type: u8, content: &[u8]) {
        let record = if self.is_tls12 {
            self.sealed_12(content_type, content)
        } else {
            self.sealed_13(content_type, content)
        };
        self.send_bare(&record);
        self.sending.sequence += 1;
    }

    /// Sends octets as they are.
    pub(crate) fn send_bare(&mut self, octets: &[u8]) {
        let _ = self.socket.write_all(octets);
    }

    fn sealed_13(&self, content_type: u8, content: &[u8]) -> Vec<u8> {
        let mut inner = [content, &[content_type]].concat();
        let header = header(APPLICATION_DATA, inner.len() + TAG);
        let Half { key, iv, sequence } = &self.sending;
        key.seal_in_place_append_tag(nonce_13(iv, *sequence), Aad::from(header), &mut inner).expect("sealed");
        [&header[..], &inner].concat()
    }

    fn sealed_12(&self, content_type: u8, content: &[u8]) -> Vec<u8> {
        let Half { key, iv, sequence } = &self.sending;
        let explicit = sequence.to_be_bytes();
        let mut sealed = content.to_vec();
        let aad = Aad::from(aad_12(*sequence, content_type, content.len()));
        key.seal_in_place_append_tag(nonce_12(iv, explicit), aad, &mut sealed).expect("sealed");
        [&header(content_type, explicit.len() + sealed.len())[..], &explicit, &sealed].concat()
    }

    /// The next record: its content type and content; none at the end of the stream.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let mut header = [0; 5];
        match self.socket.read_exact(&mut header) {
            Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        self.socket.read_exact(&mut body)?;
        let opened = if self.is_tls12 { self.opened_12(header, &body) } else { self.opened_13(header, body) };
        self.receiving.sequence += 1;
        let (content_type, content) =
            opened.ok_or_else(|| io::Error::other("a record that does not open"))?;
        if content_type == ALERT {
            self.alerts.push(content.as_slice().try_into().map_err(io::Error::other)?);
        }
        Ok(Some((content_type, content)))
    }

    fn opened_13(&self, header: [u8; 5], mut body: Vec<u8>) -> Option<(u8, Vec<u8>)> {
        let Half { key, iv, sequence } = &self.receiving;
        let inner = key.open_in_place(nonce_13(iv, *sequence), Aad::from(header), &mut body).ok()?;
        let end = inner.iter().rposition(|octet| *octet != 0)?;
        Some((inner[end], inner[..end].to_vec()))
    }

    fn opened_12(&self, header: [u8; 5], body: &[u8]) -> Option<(u8, Vec<u8>)> {
        let Half { key, iv, sequence } = &self.receiving;
        let (explicit, sealed) = body.split_first_chunk::<8>()?;
        let aad = Aad::from(aad_12(*sequence, header[0], sealed.len().checked_sub(TAG)?));
        let mut sealed = sealed.to_vec();
        let content = key.open_in_place(nonce_12(iv, *explicit), aad, &mut sealed).ok()?;
        Some((header[0], content.to_vec()))
    }

    /// Reads to the end of the connection, however it comes.
    pub(crate) fn read_to_end(&mut self) {
        self.socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        loop {
            match self.next() {
                Ok(Some(_)) => {}
                Err(fault) if super::conn::is_timeout(&fault) => panic!("the connection is still open"),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

impl Read for Records {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.plain.is_empty() {
            match self.next()? {
                Some((APPLICATION_DATA, content)) => self.plain = content,
                Some(_) => {}
                None => return Ok(0),
            }
        }
        let octets = into.len().min(self.plain.len());
        into[..octets].copy_from_slice(&self.plain[..octets]);
        self.plain.drain(..octets);
        Ok(octets)
    }
}

impl Half {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Half {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("the one suite is AES") };
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).expect("a key"));
        Half { key, iv: iv.as_ref().try_into().expect("12 octets"), sequence }
    }
}

/// RFC 8446 section 5.3.
fn nonce_13(iv: &[u8; 12], sequence: u64) -> Nonce {
    let mut nonce = *iv;
    for (octet, of_sequence) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
        *octet ^= of_sequence;
    }
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 5288 section 3.
fn nonce_12(iv: &[u8; 12], explicit: [u8; 8]) -> Nonce {
    let mut nonce = *iv;
    nonce[4..].copy_from_slice(&explicit);
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 5246 section 6.2.3.3.
fn aad_12(sequence: u64, content_type: u8, length: usize) -> [u8; 13] {
    let mut aad = [0; 13];
    aad[..8].copy_from_slice(&sequence.to_be_bytes());
    aad[8..].copy_from_slice(&header(content_type, length));
    aad
}

fn header(content_type: u8, length: usize) -> [u8; 5] {
    let [high, low] = u16::try_from(length).expect("a short record").to_be_bytes();
    [content_type, 3, 3, high, low]
}

const TAG: usize = 16;
