//! Owns one session together with its connection, its membership and its places.
//! Never knows another session.

use super::super::link::{Link, Scratch};
use super::super::listener::Permit;
use super::super::shared::{Rules, Shared};
use super::asking::Asking;
use super::told::{tell_begin, tell_end};
use crate::auth::{Authority, Narrowing};
use crate::broadcast::Subscriber;
use crate::codec;
use crate::ledger::{Facts, RequestId};
use crate::mercure::TopicSubscriber;
use crate::origin::Origin;
use crate::peer::{ClientCertificate, Peer};
use crate::rejection::Rejection;
use crate::relay::{self, Upstream};
use crate::room::RoomName;
use crate::session::{End, Session, Stage};
use crate::throttle::CountPermit;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

/// One session with its connection.
pub(super) struct Held {
    pub(super) link: Link,
    pub(super) session: Session,
    pub(super) seat: Option<Seat>,
    /// Its backend, where it has one and is open.
    pub(super) relay: Option<Box<relay::Link>>,
    /// Sent without an echo into the room whose turn is being flushed.
    pub(super) sent_this_turn: bool,
    pub(super) waker: Option<Waker>,
    pub(super) about: Box<About>,
    /// Messages that the backend is asked about.
    pub(super) asking: Option<Box<Asking>>,
}

/// Its membership, where it stands in the worker's list of the room, and its subject's place:
/// what it has while messages flow. Whoever has closed a session may open another.
pub(super) struct Seat {
    pub(super) place: CountPermit<Arc<str>>,
    pub(super) at: At,
}

/// What it is a member of.
pub(super) enum At {
    Room {
        subscriber: Subscriber,
        index: usize,
    },
    Topics {
        member: Box<TopicSubscriber>,
        index: usize,
    },
    /// It has a backend, and asked for the grant of this room.
    Backend {
        room: Option<RoomName>,
    },
}

impl Seat {
    /// The room, where it is in one.
    pub(super) fn subscriber(&self) -> Option<&Subscriber> {
        match &self.at {
            At::Room { subscriber, .. } => Some(subscriber),
            At::Topics { .. } | At::Backend { .. } => None,
        }
    }

    /// The room that it is in, or whose grant its backend asked for.
    pub(super) fn room(&self) -> Option<&RoomName> {
        match &self.at {
            At::Room { subscriber, .. } => Some(subscriber.room_name()),
            At::Backend { room } => room.as_ref(),
            At::Topics { .. } => None,
        }
    }
}

/// What its lines tell, and the place that its connection holds while it lasts.
pub(super) struct About {
    pub(super) request: RequestId,
    pub(super) peer: Peer,
    /// The certificate that the peer has shown.
    pub(super) client: Option<Box<ClientCertificate>>,
    pub(super) route: Arc<str>,
    pub(super) origin: Option<Origin>,
    pub(super) from_cookie: bool,
    pub(super) authority: Authority,
    /// How far its grants reach, where that is less than a token says.
    pub(super) narrowing: Option<Arc<Narrowing>>,
    /// Where its backend is, if it has one.
    pub(super) upstream: Option<Arc<Upstream>>,
    /// What its backend did, where that ended it.
    pub(super) fault: Option<&'static str>,
    pub(super) _permit: Permit,
}

impl About {
    /// Whether the session could be admitted by these rules, of whose connection nothing is known.
    fn is_admitted_by(&self, rules: &Rules) -> bool {
        let leads_there = match (&self.upstream, rules.gate.backend_of(&self.route)) {
            (None, None) => true,
            (Some(upstream), Some(id)) => {
                rules.backend(id).is_some_and(|backend| backend.has(upstream.endpoint()))
            }
            (None, Some(_)) | (Some(_), None) => false,
        };
        leads_there
            && rules.gate.still_admits(
                &self.route,
                self.origin.as_ref(),
                self.from_cookie,
                &self.authority,
                self.client.as_deref(),
            )
    }

    /// Hands the facts of its lines to `tell`.
    pub(super) fn tell(&self, tell: impl FnOnce(&Facts<'_>)) {
        let request = self.request.to_string();
        let upstream = self.upstream.as_ref().map(|upstream| upstream.endpoint().to_string());
        tell(&Facts {
            request_id: Some(&request),
            peer: Some(self.peer),
            client_certificate: self.client.as_deref(),
            route: Some(&self.route),
            origin: self.origin.as_ref().map(Origin::as_str),
            subject: self.authority.known_subject().map(|subject| &**subject),
            upstream: upstream.as_deref(),
            detail: self.fault,
            ..Facts::default()
        });
    }
}

/// When a session ends that nothing else ends: with its token, or the certificate of its peer.
pub(super) fn ends_at(authority: &Authority, client: Option<&ClientCertificate>) -> Option<u64> {
    let of_certificate = client.map(|client| client.not_after);
    authority.ends_at().into_iter().chain(of_certificate).min()
}

impl Held {
    /// Whether the session could be admitted by these rules.
    pub(super) fn is_admitted_by(&self, rules: &Rules) -> bool {
        self.about.is_admitted_by(rules) && rules.tls.still_takes(self.link.client_chain())
    }

    /// Keeps the waker by which its task is woken when it has something to wait for.
    pub(super) fn remember(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }

    /// Wakes its task.
    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Sends frames of its own; a connection that is broken ends the session.
    pub(super) fn say(&mut self, frames: &[u8], scratch: &mut Scratch) {
        let was_blocked = self.link.is_blocked();
        if self.link.send_own(frames, scratch).is_err() {
            self.session.peer_gone();
        }
        self.wake_if_newly(was_blocked);
    }

    /// Sends what its room got in a turn; `keep` shares it where it must wait.
    pub(super) fn say_shared(
        &mut self,
        frames: &[u8],
        keep: impl FnOnce() -> bytes::Bytes,
        scratch: &mut Scratch,
    ) {
        let was_blocked = self.link.is_blocked();
        if self.link.send_shared(frames, keep, scratch).is_err() {
            self.session.peer_gone();
        }
        self.wake_if_newly(was_blocked);
    }

    fn wake_if_newly(&self, was_blocked: bool) {
        // Only its task can wait for the socket.
        if !was_blocked && self.link.is_blocked() {
            self.wake();
        }
    }

    /// Whether messages flow.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.session.stage(), Stage::Open)
    }

    /// Whether the peer reads too slowly for what it gets.
    pub(super) fn is_behind(&self) -> bool {
        // A backend waits for its peer: nobody else does.
        self.relay.is_none() && self.link.queued_bytes() > self.session.policy().send_queue_bytes
    }

    /// Ends the session from our side.
    pub(super) fn close(&mut self, reason: Rejection, now: Instant, scratch: &mut Scratch) {
        if self.session.stage().end().is_some() {
            return;
        }
        if reason == Rejection::SlowReader {
            // What waits would only keep the Close frame from being read.
            self.link.forget_queue();
        }
        let mut frames = Vec::new();
        self.session.close(reason, now, &mut frames);
        self.say(&frames, scratch);
    }

    /// The last word after a fault of ours, without asking the session that had it.
    pub(super) fn abandon(&mut self, scratch: &mut Scratch) {
        let reason = Rejection::InternalError;
        let mut frames = Vec::new();
        codec::encode_close(Some(INTERNAL_ERROR), reason.name(), &mut frames);
        // The connection is closed in any case.
        let _ = self.link.send_own(&frames, scratch);
        let _ = self.link.end_write();
    }

    /// Its last line.
    pub(super) fn tell_end(&self, end: End, seat: &Seat, shared: &Shared) {
        self.about.tell(|facts| shared.ledger.closed(end.reason, end.code, facts));
        if let Some(events) = &shared.events {
            tell_end(events, &self.about, seat, end);
        }
    }

    /// Tells the backend that it has begun, where that is told.
    pub(super) fn tell_begin(&self, shared: &Shared) {
        if let (Some(events), Some(seat)) = (&shared.events, &self.seat) {
            tell_begin(events, &self.about, seat, self.session.may_publish());
        }
    }
}

pub(super) const INTERNAL_ERROR: u16 = 1011;
