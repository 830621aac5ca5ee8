//! Owns the life of one admitted WebSocket: what it reads, answers and sends, and when it ends.
//! Never knows a socket, TLS, a token or a header: octets and `now` come in, octets go out.

mod stage;

pub use stage::{End, Stage};

use crate::broadcast::{Publisher, Sender};
use crate::codec::{self, Decoder, Event, MessageKind, Opcode, Piece, Side};
use crate::ledger::WorkerCounters;
use crate::protocol::{SessionPolicy, Transport, events};
use crate::rejection::{Answer, Rejection};
use crate::throttle::Bucket;
use bytes::Bytes;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the peer may take to answer our Close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a slow reader may take to get to our Close frame.
const SLOW_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long we read and drop after our last octet, so that it is not lost to a reset.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// One WebSocket, from the 101 to its end.
#[derive(Debug)]
pub struct Session {
    decoder: Decoder,
    stage: Stage,
    policy: Arc<SessionPolicy>,
    publisher: Option<Publisher>,
    sender: Sender,
    transport: Transport,
    messages: Bucket,
    pings: Bucket,
    bytes: Bucket,
    /// When its last message came, in milliseconds since `opened`.
    spoke_ms: u64,
    opened: Instant,
    heard: Instant,
    pinged: Option<Instant>,
    authority_ends: Option<Instant>,
}

/// Who hears each message before it is delivered, if anybody does.
pub type Ear<'a> = Option<&'a mut dyn FnMut(Opcode, &[u8]) -> Heard>;

/// What becomes of a message that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is delivered.
    Delivered,
    /// Whoever heard it delivers it later, or never.
    Kept,
}

/// What a session is opened with.
#[derive(Debug)]
pub struct Opening {
    /// What it may do.
    pub policy: Arc<SessionPolicy>,
    /// Its right to send into its room, if it has one.
    pub publisher: Option<Publisher>,
    /// Who it is to the rooms.
    pub sender: Sender,
    /// What it speaks.
    pub transport: Transport,
    /// Whether the handshake agreed on permessage-deflate.
    pub deflates: bool,
    /// When its token no longer carries it; `None` for a token without an expiry.
    pub authority_ends: Option<Instant>,
    /// Where its messages go.
    pub way: Way,
}

/// Where the messages of a session go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Into its room, whole.
    Room,
    /// To a backend, as they come.
    Backend,
}

/// What a session passes on to its backend.
#[derive(Debug)]
pub enum Passed<'a> {
    /// The next octets of a message.
    Piece(Piece<'a>),
    /// The peer closes, with its code and reason.
    Close(Option<(u16, &'a str)>),
}

impl Session {
    /// A session that has just been admitted.
    #[must_use]
    pub fn open(opening: Opening, now: Instant) -> Session {
        Session {
            decoder: match (opening.way, opening.deflates) {
                (Way::Backend, _) => Decoder::streaming(Side::Client),
                (Way::Room, true) => Decoder::inflating(),
                (Way::Room, false) => Decoder::default(),
            },
            stage: Stage::Open,
            policy: opening.policy,
            publisher: opening.publisher,
            sender: opening.sender,
            transport: opening.transport,
            messages: Bucket::default(),
            pings: Bucket::default(),
            bytes: Bucket::default(),
            spoke_ms: 0,
            opened: now,
            heard: now,
            pinged: None,
            authority_ends: opening.authority_ends,
        }
    }

    /// Where it is in its life.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// When its 101 was sent.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// What it may do.
    #[must_use]
    pub fn policy(&self) -> &SessionPolicy {
        &self.policy
    }

    /// Whether it takes compressed frames (RFC 7692).
    #[must_use]
    pub fn deflates(&self) -> bool {
        self.decoder.inflates()
    }

    /// What it speaks.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Who it is to the rooms.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender
    }

    /// Whether it may send into its room.
    #[must_use]
    pub fn may_publish(&self) -> bool {
        self.publisher.is_some()
    }

    /// Takes octets as they came (unmasking them in place); frames to send go to `out`, `ear` hears
    /// each message before it is delivered, and what goes to a backend is handed to `pass`.
    pub fn receive(
        &mut self,
        octets: &mut [u8],
        now: Instant,
        counters: &WorkerCounters,
        mut ear: Ear<'_>,
        out: &mut Vec<u8>,
        pass: &mut dyn FnMut(Passed<'_>),
    ) {
        if self.transport != Transport::WebSocket {
            // One request a connection: nothing that comes behind it has a meaning.
            return self.close(Rejection::StreamOctets, now, out);
        }
        self.heard = now;
        let mut decoder = std::mem::take(&mut self.decoder);
        let mut pong = None;
        let policy = Arc::clone(&self.policy);
        let fits =
            self.stage != Stage::Open || self.bytes.take_many(octets.len(), &policy.bytes, self.opened, now);
        let verdict = if fits {
            decoder.decode(&policy.codec, now, octets, &mut |event| {
                self.take(event, now, counters, &mut ear, &mut pong, pass)
            })
        } else {
            Err(Rejection::ByteRate)
        };
        self.decoder = decoder;
        // Of many pings only the last is answered (RFC 6455 section 5.5.3).
        if let (Some(payload), Stage::Open) = (&pong, self.stage) {
            codec::encode(Opcode::Pong, payload, out);
        }
        match (verdict, self.stage) {
            (Err(reason), Stage::Open) => {
                self.close(reason, now, out);
                // The decoder reads no further, so no answer of the peer can be awaited.
                if let Some(end) = self.stage.end() {
                    self.stage = Stage::Lingering { end, until: now + LINGER_TIMEOUT };
                }
            }
            (_, Stage::Answering(end)) => {
                codec::encode_close((end.code != NO_CODE).then_some(end.code), "", out);
                self.stage = Stage::Lingering { end, until: now + LINGER_TIMEOUT };
            }
            _ => {}
        }
    }

    fn take(
        &mut self,
        event: Event<'_>,
        now: Instant,
        counters: &WorkerCounters,
        ear: &mut Ear<'_>,
        pong: &mut Option<Vec<u8>>,
        pass: &mut dyn FnMut(Passed<'_>),
    ) -> ControlFlow<Rejection> {
        match (self.stage, event) {
            (Stage::Open, Event::Text(text)) => {
                self.message(Opcode::Text, text.as_bytes(), now, counters, ear)
            }
            (Stage::Open, Event::Binary(octets)) => self.message(Opcode::Binary, octets, now, counters, ear),
            (Stage::Open, Event::Piece(piece)) => self.piece(piece, now, counters, pass),
            (Stage::Open, Event::Ping(payload)) => {
                let verdict = self.control(now);
                if verdict.is_continue() {
                    *pong = Some(payload.to_vec());
                }
                verdict
            }
            (Stage::Open, Event::Pong(_)) => match self.pinged.take() {
                Some(_) => ControlFlow::Continue(()),
                None => self.control(now),
            },
            (Stage::Open, Event::Close(close)) => {
                let code = close.map_or(NO_CODE, |(code, _)| code);
                pass(Passed::Close(close));
                self.stage = Stage::Answering(End { reason: Rejection::PeerClosed, code });
                self.publisher = None;
                ControlFlow::Continue(())
            }
            (Stage::Closing { end, .. }, Event::Close(_)) => {
                self.stage = Stage::Lingering { end, until: now + LINGER_TIMEOUT };
                ControlFlow::Continue(())
            }
            // Nothing but a Close frame means anything any more (RFC 6455 section 1.4).
            (Stage::Closing { .. } | Stage::Answering(_) | Stage::Lingering { .. } | Stage::Over(_), _) => {
                ControlFlow::Continue(())
            }
        }
    }

    fn message(
        &mut self,
        kind: Opcode,
        payload: &[u8],
        now: Instant,
        counters: &WorkerCounters,
        ear: &mut Ear<'_>,
    ) -> ControlFlow<Rejection> {
        let taken = if kind == Opcode::Text { self.policy.text } else { self.policy.binary };
        if !taken {
            return ControlFlow::Break(Rejection::MessageKind);
        }
        if !self.messages.take(&self.policy.messages, self.opened, now) {
            return ControlFlow::Break(Rejection::MessageRate);
        }
        if self.publisher.is_none() {
            return ControlFlow::Break(Rejection::PublishNotGranted);
        }
        counters.message(payload.len());
        self.spoke_ms = millis(now.saturating_duration_since(self.opened));
        if let Some(ear) = ear
            && ear(kind, payload) == Heard::Kept
        {
            return ControlFlow::Continue(());
        }
        self.publish(kind, payload);
        ControlFlow::Continue(())
    }

    /// Delivers a message that was kept when it was heard.
    pub fn deliver(&mut self, kind: Opcode, payload: &[u8], now: Instant) {
        // Nothing was read meanwhile, so the peer cannot be blamed for its silence.
        self.heard = now;
        self.publish(kind, payload);
    }

    fn publish(&self, kind: Opcode, payload: &[u8]) {
        let Some(publisher) = &self.publisher else { return };
        let mut frame = Vec::with_capacity(codec::encoded_len(payload.len()));
        codec::encode(kind, payload, &mut frame);
        publisher.publish(&Bytes::from(frame), (!self.policy.echo).then_some(self.sender));
    }

    /// A message is judged by its beginning, and goes on as it comes.
    fn piece(
        &mut self,
        piece: Piece<'_>,
        now: Instant,
        counters: &WorkerCounters,
        pass: &mut dyn FnMut(Passed<'_>),
    ) -> ControlFlow<Rejection> {
        let taken = if piece.kind == MessageKind::Text { self.policy.text } else { self.policy.binary };
        if !taken {
            return ControlFlow::Break(Rejection::MessageKind);
        }
        if piece.first && !self.messages.take(&self.policy.messages, self.opened, now) {
            return ControlFlow::Break(Rejection::MessageRate);
        }
        self.spoke_ms = millis(now.saturating_duration_since(self.opened));
        counters.piece(piece.first, piece.octets.len());
        pass(Passed::Piece(piece));
        ControlFlow::Continue(())
    }

    /// Nothing is read from the peer for a while, and not for a fault of its own: it is neither
    /// silent nor slow.
    pub fn excuse(&mut self, now: Instant) {
        if self.stage == Stage::Open {
            self.heard = now;
            self.decoder.excuse(now);
        }
    }

    /// Ends it as its backend ended it: the code and the reason go on.
    pub fn close_as(&mut self, close: Option<(u16, &str)>, now: Instant, out: &mut Vec<u8>) {
        if self.stage != Stage::Open {
            return;
        }
        let (code, reason) = close.map_or((None, ""), |(code, reason)| (Some(code), reason));
        codec::encode_close(code, reason, out);
        let end = End { reason: Rejection::BackendClosed, code: code.unwrap_or(NO_CODE) };
        self.stage = Stage::Closing { end, until: now + CLOSE_TIMEOUT };
    }

    fn control(&mut self, now: Instant) -> ControlFlow<Rejection> {
        if self.pings.take(&self.policy.pings, self.opened, now) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(Rejection::PingRate)
        }
    }

    /// Stands on a new authority: until then, and with this right to send.
    pub fn renew(&mut self, publisher: Option<Publisher>, authority_ends: Option<Instant>) {
        if self.stage == Stage::Open {
            self.publisher = publisher.filter(|_| self.transport == Transport::WebSocket);
            self.authority_ends = authority_ends;
        }
    }

    /// When its token no longer carries it, where that has been judged anew.
    pub fn ends_with_authority(&mut self, authority_ends: Option<Instant>) {
        self.authority_ends = authority_ends;
    }

    /// Ends it from our side: a Close frame goes to `out`, and no message is taken any more.
    pub fn close(&mut self, reason: Rejection, now: Instant, out: &mut Vec<u8>) {
        if self.stage != Stage::Open {
            return;
        }
        let code = match reason.answer() {
            Answer::Close(code) => code,
            Answer::Refuse { .. } | Answer::Drop => INTERNAL_ERROR,
        };
        self.publisher = None;
        let end = End { reason, code };
        if self.transport != Transport::WebSocket {
            match self.transport {
                // Every event of a hub is a publisher's.
                Transport::Updates => events::encode_comment(reason.name(), out),
                Transport::Events | Transport::WebSocket => events::encode_close(code, reason.name(), out),
            }
            self.stage = Stage::Lingering { end, until: now + LINGER_TIMEOUT };
            return;
        }
        codec::encode_close(Some(code), reason.name(), out);
        self.stage = match code {
            // The peer did not break the protocol: it gets the time to answer.
            1000 | 1001 | 1012 | 3000..=3999 => Stage::Closing { end, until: now + CLOSE_TIMEOUT },
            1013 => Stage::Closing { end, until: now + SLOW_CLOSE_TIMEOUT },
            // What a peer says after a violation is of no interest (RFC 6455 section 7.1.7).
            _ => Stage::Lingering { end, until: now + LINGER_TIMEOUT },
        };
    }

    /// The peer's side of the connection has ended.
    pub fn peer_gone(&mut self) {
        self.publisher = None;
        self.stage = Stage::Over(match self.stage {
            // Whoever reads a stream has no other way to leave.
            Stage::Open if self.transport != Transport::WebSocket => {
                End { reason: Rejection::PeerClosed, code: NO_CODE }
            }
            Stage::Open => End { reason: Rejection::PeerGone, code: 1006 },
            Stage::Answering(end)
            | Stage::Closing { end, .. }
            | Stage::Lingering { end, .. }
            | Stage::Over(end) => end,
        });
    }

    /// When [`Session::due`] must be called next.
    #[must_use]
    pub fn next_due(&self) -> Instant {
        match self.stage {
            Stage::Open => {
                let silence = match self.pinged {
                    Some(at) => at + self.policy.pong_timeout,
                    None => self.heard + self.policy.ping_interval,
                };
                [
                    Some(self.opened + self.policy.max_session),
                    Some(self.idle_at()),
                    self.authority_ends,
                    self.decoder.deadline(&self.policy.codec),
                ]
                .into_iter()
                .flatten()
                .fold(silence, Instant::min)
            }
            Stage::Closing { until, .. } | Stage::Lingering { until, .. } => until,
            Stage::Answering(_) | Stage::Over(_) => self.heard,
        }
    }

    /// Does what the time asks for; frames to send go to `out`.
    pub fn due(&mut self, now: Instant, out: &mut Vec<u8>) {
        match self.stage {
            Stage::Open => self.due_while_open(now, out),
            Stage::Closing { end, until } if until <= now => {
                self.stage = Stage::Lingering { end, until: now + LINGER_TIMEOUT };
            }
            Stage::Lingering { end, until } if until <= now => self.stage = Stage::Over(end),
            Stage::Closing { .. } | Stage::Lingering { .. } | Stage::Answering(_) | Stage::Over(_) => {}
        }
    }

    /// When its peer has sent no message for too long.
    fn idle_at(&self) -> Instant {
        self.opened + Duration::from_millis(self.spoke_ms) + self.policy.idle_timeout
    }

    fn due_while_open(&mut self, now: Instant, out: &mut Vec<u8>) {
        let is_past = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_past(self.authority_ends) {
            return self.close(Rejection::AuthorityExpired, now, out);
        }
        if is_past(Some(self.opened + self.policy.max_session)) {
            return self.close(Rejection::MaxSession, now, out);
        }
        if is_past(Some(self.idle_at())) {
            return self.close(Rejection::Idle, now, out);
        }
        if is_past(self.decoder.deadline(&self.policy.codec)) {
            return self.close(Rejection::MessageSlow, now, out);
        }
        if self.transport != Transport::WebSocket {
            if self.heard + self.policy.ping_interval <= now {
                // No stream is answered: its heartbeat counts from the one before.
                self.heard = now;
                out.extend_from_slice(events::COMMENT);
            }
            return;
        }
        match self.pinged {
            // Anything that came since the ping shows that the peer is there.
            Some(at) if self.heard > at => self.pinged = None,
            Some(at) if at + self.policy.pong_timeout <= now => {
                return self.close(Rejection::NoPong, now, out);
            }
            Some(_) | None => {}
        }
        if self.pinged.is_none() && self.heard + self.policy.ping_interval <= now {
            codec::encode(Opcode::Ping, b"", out);
            self.pinged = Some(now);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The code of a Close frame that has none (RFC 6455 section 7.1.5); never sent.
const NO_CODE: u16 = 1005;
const INTERNAL_ERROR: u16 = 1011;

#[cfg(test)]
mod tests;
