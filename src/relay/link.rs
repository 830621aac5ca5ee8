//! Owns the connection to the backend of one session: frames both ways, and how it ends.
//! Never knows the peer's socket, nor the life of the session.

use super::backend::Backend;
use super::dial::Dialled;
use super::keys::MaskKeys;
use super::upstream::{Place, Upstream};
use crate::codec::{
    CLOSE_REASON_BYTES_MAX, Decoder, Event, Onward, Opcode, Side, encode_masked, encode_masked_close,
};
use crate::outbound::Stream;
use crate::rejection::Rejection;
use crate::session::Passed;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// More than this waiting for one side, and nothing is read from the other.
pub const QUEUE_BYTES_MAX: usize = 64 << 10;
/// How long a backend has to take what is left and our Close frame, and to end the connection.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);

/// How a backend ended a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendEnd {
    /// By a Close frame: its code and reason.
    Closed(Option<(u16, Box<str>)>),
    /// Without one.
    Gone,
    /// By breaking a rule or a limit.
    Violation(Rejection),
    /// It answers no ping.
    Silent,
}

impl BackendEnd {
    /// What the peer is told; `None` where the backend has said it itself.
    #[must_use]
    pub fn reason(&self) -> Option<Rejection> {
        match self {
            BackendEnd::Closed(_) => None,
            BackendEnd::Gone => Some(Rejection::BackendGone),
            BackendEnd::Violation(_) => Some(Rejection::BackendViolation),
            BackendEnd::Silent => Some(Rejection::BackendSilent),
        }
    }
}

/// The connection to a backend.
pub struct Link {
    stream: Stream,
    decoder: Decoder,
    /// The message that is on its way to the peer.
    inward: Onward,
    /// The message that is on its way to the backend.
    outward: Onward,
    /// What the socket has not taken.
    queue: Vec<u8>,
    sent: usize,
    heard: Instant,
    pinged: Option<Instant>,
    /// A Close frame is out.
    closed: bool,
    place: Place,
    backend: Arc<Backend>,
}

impl Link {
    /// Takes over a connection after its 101; what came behind that is to be given to
    /// [`Link::take`] first.
    #[must_use]
    pub fn new(dialled: Dialled, backend: Arc<Backend>, now: Instant) -> (Link, Vec<u8>) {
        let Dialled { stream, place, early, .. } = dialled;
        let link = Link {
            stream,
            decoder: Decoder::streaming(Side::Server),
            inward: Onward::default(),
            outward: Onward::default(),
            queue: Vec::new(),
            sent: 0,
            heard: now,
            pinged: None,
            closed: false,
            place,
            backend,
        };
        (link, early)
    }

    /// Where it leads.
    #[must_use]
    pub fn upstream(&self) -> &Arc<Upstream> {
        self.place.upstream()
    }

    /// Octets that wait for the socket.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queue.len() - self.sent
    }

    /// Whether so much waits that nothing more should be read from the peer.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queued_bytes() > QUEUE_BYTES_MAX
    }

    /// Takes what the session passes on; frames for the backend are appended to `out`.
    pub fn pass(&mut self, passed: Passed<'_>, keys: &mut MaskKeys, out: &mut Vec<u8>) {
        match passed {
            Passed::Piece(piece) => self.outward.piece(&piece, Some(keys.draw()), out),
            Passed::Close(close) => {
                let (code, reason) = close.map_or((None, ""), |(code, reason)| (Some(code), reason));
                encode_masked_close(code, reason, keys.draw(), out);
                self.closed = true;
            }
        }
    }

    /// Takes octets of the backend as they came; frames for the peer go to `to_peer`, those for the
    /// backend to `to_backend`.
    ///
    /// # Errors
    ///
    /// How the backend ended the session by them.
    pub fn take(
        &mut self,
        octets: &mut [u8],
        now: Instant,
        keys: &mut MaskKeys,
        to_peer: &mut Vec<u8>,
        to_backend: &mut Vec<u8>,
    ) -> Result<(), BackendEnd> {
        self.heard = now;
        let Link { decoder, inward, pinged, backend, .. } = self;
        let (mut ping, mut close) = (None, None);
        let verdict = decoder.decode(&backend.limits, now, octets, &mut |event| {
            match event {
                Event::Piece(piece) => inward.piece(&piece, None, to_peer),
                // Of many pings only the last is answered (RFC 6455 section 5.5.3).
                Event::Ping(payload) => ping = Some(payload.to_vec()),
                Event::Pong(_) => *pinged = None,
                Event::Close(said) => {
                    close = Some(said.map(|(code, reason)| (code, Box::from(reason))));
                }
                // A streaming decoder hands over no whole messages.
                Event::Text(_) | Event::Binary(_) => {}
            }
            ControlFlow::Continue(())
        });
        if let Some(payload) = ping {
            encode_masked(Opcode::Pong, &payload, keys.draw(), to_backend);
        }
        match (verdict, close) {
            (Err(reason), _) => Err(BackendEnd::Violation(reason)),
            (Ok(()), Some(close)) => Err(BackendEnd::Closed(close)),
            (Ok(()), None) => Ok(()),
        }
    }

    /// One read of the socket; how many octets came.
    ///
    /// # Errors
    ///
    /// The backend is gone.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, BackendEnd>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
        match (read, buffer.filled().len()) {
            (Err(_), _) | (Ok(()), 0) => Poll::Ready(Err(BackendEnd::Gone)),
            (Ok(()), came) => Poll::Ready(Ok(came)),
        }
    }

    /// Sends what waits and then these frames, as far as the socket takes them; the rest waits, and
    /// the task is woken when the socket takes more.
    ///
    /// # Errors
    ///
    /// The backend is gone.
    pub fn send(&mut self, cx: &mut Context<'_>, frames: &[u8]) -> Result<(), BackendEnd> {
        let gone = |_| BackendEnd::Gone;
        if self.queue.is_empty() {
            let sent = write(&mut self.stream, cx, frames).map_err(gone)?;
            self.queue.extend_from_slice(frames.get(sent..).unwrap_or_default());
            return Ok(());
        }
        self.queue.extend_from_slice(frames);
        let rest = self.queue.get(self.sent..).unwrap_or_default();
        self.sent += write(&mut self.stream, cx, rest).map_err(gone)?;
        if self.sent >= self.queue.len() {
            self.queue = Vec::new();
            self.sent = 0;
        } else if self.sent > QUEUE_BYTES_MAX {
            self.queue.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }

    /// Lets frames wait until the task of the session sends them.
    pub fn queue(&mut self, frames: &[u8]) {
        self.queue.extend_from_slice(frames);
    }

    /// Nothing is read from the backend for a while, and not for a fault of its own.
    pub fn excuse(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When [`Link::due`] must be called next.
    #[must_use]
    pub fn next_due(&self) -> Instant {
        match self.pinged {
            Some(at) => at + self.backend.pong_timeout,
            None => self.heard + self.backend.ping_interval,
        }
    }

    /// Does what the time asks for; whether a ping waits to be sent.
    ///
    /// # Errors
    ///
    /// The backend has been silent for too long.
    pub fn due(&mut self, now: Instant, keys: &mut MaskKeys) -> Result<bool, BackendEnd> {
        match self.pinged {
            // Anything that came since the ping shows that the backend is there.
            Some(at) if self.heard > at => self.pinged = None,
            Some(at) if at + self.backend.pong_timeout <= now => return Err(BackendEnd::Silent),
            Some(_) | None => {}
        }
        let is_due = self.pinged.is_none() && self.heard + self.backend.ping_interval <= now;
        if is_due {
            encode_masked(Opcode::Ping, b"", keys.draw(), &mut self.queue);
            self.pinged = Some(now);
        }
        Ok(is_due)
    }

    /// Ends the connection, when the session has ended: the backend gets what is left and a Close
    /// frame with this code and reason, if it has none yet, and a little time to end its side.
    pub async fn farewell(mut self, code: Option<u16>, reason: String, key: [u8; 4]) {
        if !self.closed {
            let end = reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX);
            let reason = reason.get(..end).unwrap_or_default();
            encode_masked_close(code, reason, key, &mut self.queue);
        }
        let goodbye = async {
            let rest = self.queue.get(self.sent..).unwrap_or_default();
            self.stream.write_all(rest).await?;
            self.stream.flush().await?;
            // The server ends the connection (RFC 6455 section 7.1.1); what it still sends is nobody's.
            let mut dropped = tokio::io::sink();
            tokio::io::copy(&mut self.stream, &mut dropped).await?;
            self.stream.shutdown().await
        };
        // A backend that does not end is left all the same.
        let _ = tokio::time::timeout(FAREWELL_TIMEOUT, goodbye).await;
    }
}

/// Writes what the socket takes.
fn write(stream: &mut Stream, cx: &mut Context<'_>, octets: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while let Some(rest) = octets.get(sent..).filter(|rest| !rest.is_empty()) {
        match Pin::new(&mut *stream).poll_write(cx, rest) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(n)) => sent += n,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => break,
        }
    }
    // TLS may hold a record back: then the task is woken when it can go.
    match (sent > 0, Pin::new(stream).poll_flush(cx)) {
        (true, Poll::Ready(Err(error))) => Err(error),
        (_, Poll::Ready(_) | Poll::Pending) => Ok(sent),
    }
}
