//! Owns the backend's side of a relayed session: its reads, its writes, its deadlines, its end.
//! Never knows what a message means, nor how a backend was found.

use super::held::Held;
use super::sessions::{READS_A_TURN, Sessions};
use crate::rejection::Rejection;
use crate::relay::{BackendEnd, QUEUE_BYTES_MAX};
use crate::session::End;
use std::task::{Context, Poll};
use std::time::Instant;

impl Held {
    /// When something is to be done for it.
    pub(super) fn next_due(&self) -> Instant {
        let due = self.session.next_due();
        self.relay.as_ref().map_or(due, |relay| due.min(relay.next_due()))
    }

    /// Whether so much waits for the backend, and is to go `onward` to it, that the peer is not read.
    pub(super) fn is_held_back(&self, onward: &[u8]) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.is_full() || onward.len() > QUEUE_BYTES_MAX)
    }

    /// Whether the peer has so much to read that its backend has to wait.
    fn peer_is_full(&self) -> bool {
        self.link.queued_bytes() > QUEUE_BYTES_MAX
    }
}

impl Sessions {
    /// Sends to the backend what the peer said, and to the peer what the backend said.
    pub(super) fn poll_backend(&mut self, key: usize, cx: &mut Context<'_>) {
        let was_held_back = self.is_held_back(key);
        let ended = self.send_onward(key, cx).and_then(|()| self.read_backend(key, cx));
        // Pongs, and what the peer sent while its backend was read.
        if let Err(end) = ended.and_then(|()| self.send_onward(key, cx)) {
            self.backend_ended(key, &end, Instant::now());
        }
        // The peer's socket was left alone in this turn, so it wakes nobody; nor does a backend's that
        // has taken all.
        if was_held_back && !self.is_held_back(key) {
            cx.waker().wake_by_ref();
        }
    }

    fn is_held_back(&self, key: usize) -> bool {
        self.held.get(key).is_some_and(|held| held.is_held_back(&self.onward))
    }

    fn send_onward(&mut self, key: usize, cx: &mut Context<'_>) -> Result<(), BackendEnd> {
        let Some(relay) = self.held.get_mut(key).and_then(|held| held.relay.as_mut()) else { return Ok(()) };
        let sent = relay.send(cx, &self.onward);
        self.onward.clear();
        self.onward.shrink_to(QUEUE_BYTES_MAX);
        sent
    }

    fn read_backend(&mut self, key: usize, cx: &mut Context<'_>) -> Result<(), BackendEnd> {
        for _ in 0..READS_A_TURN {
            let Some(held) = self.held.get_mut(key).filter(|held| !held.peer_is_full()) else {
                return Ok(());
            };
            let Some(relay) = held.relay.as_mut().filter(|relay| !relay.is_full()) else { return Ok(()) };
            let mut buffer = std::mem::take(&mut self.scratch.cipher_in);
            let read = relay.poll_read(cx, &mut buffer);
            let heard = match read {
                Poll::Pending => Ok(false),
                Poll::Ready(Err(end)) => Err(end),
                Poll::Ready(Ok(came)) => {
                    let octets = buffer.get_mut(..came).unwrap_or_default();
                    self.hear_backend(key, octets, Instant::now()).map(|()| true)
                }
            };
            self.scratch.cipher_in = buffer;
            if !heard? {
                return Ok(());
            }
        }
        // There may be more to read: after the others.
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Gives the backend's octets to the codec, and its messages to the peer.
    fn hear_backend(&mut self, key: usize, octets: &mut [u8], now: Instant) -> Result<(), BackendEnd> {
        let Some(held) = self.held.get_mut(key) else { return Ok(()) };
        let Some(relay) = held.relay.as_mut() else { return Ok(()) };
        self.frames.clear();
        let heard = relay.take(octets, now, &mut self.keys, &mut self.frames, &mut self.onward);
        // What came before it broke a rule was right.
        if held.is_open() {
            held.say(&self.frames, &mut self.scratch);
        }
        heard
    }

    /// The same of what came with its 101.
    pub(super) fn heard_backend(&mut self, key: usize, octets: &mut [u8], now: Instant) {
        if let Err(end) = self.hear_backend(key, octets, now) {
            self.backend_ended(key, &end, now);
        }
    }

    /// Lets what is to be sent to the backend wait for the task of the session.
    pub(super) fn send_later(&mut self, key: usize) {
        if let Some(relay) = self.held.get_mut(key).and_then(|held| held.relay.as_mut()) {
            relay.queue(&self.onward);
        }
        self.onward.clear();
    }

    /// Does what the time asks of the backend's side.
    pub(super) fn due_backend(&mut self, key: usize, now: Instant) {
        let Some(held) = self.held.get_mut(key) else { return };
        let peer_is_full = held.peer_is_full();
        let Some(relay) = held.relay.as_mut() else { return };
        // Who is not read because the other one does not read is not silent by a fault of its own.
        // Where neither is read, the peer has to show that it is there.
        if peer_is_full {
            relay.excuse(now);
        } else if relay.is_full() {
            held.session.excuse(now);
        }
        match relay.due(now, &mut self.keys) {
            Ok(true) => held.wake(),
            Ok(false) => {}
            Err(end) => self.backend_ended(key, &end, now),
        }
    }

    /// The backend has ended the session, one way or another.
    fn backend_ended(&mut self, key: usize, end: &BackendEnd, now: Instant) {
        let Some(held) = self.held.get_mut(key).filter(|held| held.is_open()) else { return };
        let Some(reason) = end.reason() else {
            let close = match end {
                BackendEnd::Closed(Some((code, reason))) => Some((*code, &**reason)),
                BackendEnd::Closed(None)
                | BackendEnd::Gone
                | BackendEnd::Violation(_)
                | BackendEnd::Silent => None,
            };
            self.frames.clear();
            held.session.close_as(close, now, &mut self.frames);
            held.say(&self.frames, &mut self.scratch);
            return self.settle(key, now);
        };
        held.about.fault = match end {
            BackendEnd::Violation(rule) => Some(rule.name()),
            BackendEnd::Closed(_) | BackendEnd::Gone | BackendEnd::Silent => None,
        };
        if let Some(relay) = &held.relay {
            relay.upstream().broke();
        }
        self.close(key, reason, now);
    }

    /// The session has ended: its backend is told, and has a little time to end too.
    pub(super) fn leave_backend(&mut self, key: usize, end: End) {
        let Some(relay) = self.held.get_mut(key).and_then(|held| held.relay.take()) else { return };
        let (code, reason) = if end.reason == Rejection::BackendClosed {
            // Its own Close frame is answered (RFC 6455 section 5.5.1).
            ((end.code != NO_CODE).then_some(end.code), "")
        } else if end.reason == Rejection::BackendViolation {
            (Some(PROTOCOL_ERROR), "")
        } else {
            (Some(GOING_AWAY), end.reason.name())
        };
        let mut relay = *relay;
        relay.queue(&self.onward);
        self.onward.clear();
        let farewell = relay.farewell(code, reason.to_owned(), self.keys.draw());
        tokio::task::spawn_local(farewell);
    }
}

const NO_CODE: u16 = 1005;
const PROTOCOL_ERROR: u16 = 1002;
const GOING_AWAY: u16 = 1001;
