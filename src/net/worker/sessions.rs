//! Owns the sessions of one worker: their table, their rooms, their deadlines.
//! Never knows what a message means, nor another worker.

use super::super::clock::until;
use super::super::link::{Broken, Came, Scratch};
use super::super::opening::Opened;
use super::super::shared::{Drain, Shared};
use super::asking::JudgedMessage;
use super::held::{About, At, Held, INTERNAL_ERROR, Seat, ends_at};
use super::pace::to_be_closed;
use super::told::{matter, tell_message};
use crate::broadcast::{Delivery, LocalRooms, Member, Sender};
use crate::gate::Destination;
use crate::protocol::Transport;
use crate::rejection::Rejection;
use crate::relay::{self, MaskKeys};
use crate::session::{Ear, End, Heard, Opening, Passed, Session, Stage, Way};
use slab::Slab;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// Reads of one session before the others have their turn.
pub(super) const READS_A_TURN: usize = 4;

/// The sessions of one worker.
pub(super) struct Sessions {
    pub(super) worker: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) held: Slab<Held>,
    /// When each session is due, in milliseconds since `epoch`, by its key: looked at in
    /// one sweep, which for 100,000 sessions is cheaper than a timer each.
    due_ms: Vec<u64>,
    epoch: Instant,
    pub(super) rooms: LocalRooms,
    pub(super) scratch: Scratch,
    /// Frames for one session.
    pub(super) frames: Vec<u8>,
    /// Sessions that subscribe to updates.
    pub(super) subscribers: Vec<usize>,
    /// Sessions that something happened to while their room was written to.
    pub(super) unsettled: Vec<usize>,
    pub(super) serials: u64,
    /// Frames for the backend of one session.
    pub(super) onward: Vec<u8>,
    pub(super) keys: MaskKeys,
    /// Sessions that the drain has closed, of how many.
    drained: usize,
    to_drain: Option<usize>,
}

const NEVER: u64 = u64::MAX;

impl Sessions {
    pub(super) fn new(worker: usize, shared: Arc<Shared>) -> Sessions {
        Sessions {
            worker,
            shared,
            held: Slab::new(),
            due_ms: Vec::new(),
            epoch: Instant::now(),
            rooms: LocalRooms::default(),
            scratch: Scratch::new(),
            frames: Vec::new(),
            subscribers: Vec::new(),
            unsettled: Vec::new(),
            serials: 0,
            onward: Vec::new(),
            keys: MaskKeys::new(),
            drained: 0,
            to_drain: None,
        }
    }

    /// Takes over a connection: sends its 101 and seats it in its room in one step; its key.
    ///
    /// `None` where the token does not grant the room: that was judged before the 101, and
    /// the evidence of membership is made from the same grant here.
    pub(super) fn adopt(&mut self, opened: Opened, now: Instant) -> Option<usize> {
        let Opened { link, admitted, response, backend, place, permit, peer, client, request, early } =
            opened;
        let identity = admitted.identity();
        let route = admitted.route();
        let entry = self.held.vacant_entry();
        let key = entry.key();
        self.serials += 1;
        let (at, publisher) = match admitted.destination() {
            Destination::Room(room) => {
                let grant = identity.grant_within(room, admitted.narrowing().map(|less| &**less)).ok()?;
                let (mut subscriber, publisher) = self.shared.hub.join(&grant, self.worker);
                if admitted.deflates() {
                    subscriber.take_deflated();
                }
                let index = self.rooms.join(subscriber.room(), Member(key));
                (At::Room { subscriber, index }, publisher)
            }
            Destination::Backend(call) => (At::Backend { room: call.room().cloned() }, None),
        };
        let relay = backend.map(|answered| {
            let (dialled, backend) = *answered;
            relay::Link::new(dialled, backend, now)
        });
        let (relay, early_of_backend) = relay.unzip();
        let opening = Opening {
            policy: Arc::clone(&route.session),
            // Whoever reads a stream sends by POST.
            publisher: publisher.filter(|_| admitted.transport() == Transport::WebSocket),
            sender: Sender { worker: self.worker, key, serial: self.serials },
            transport: admitted.transport(),
            deflates: admitted.deflates(),
            authority_ends: ends_at(identity.authority(), client.as_deref()).map(|at| until(at, now)),
            way: if relay.is_some() { Way::Backend } else { Way::Room },
        };
        let about = About {
            request,
            peer,
            client,
            route: Arc::clone(&route.label),
            origin: admitted.origin().cloned(),
            from_cookie: admitted.from_cookie(),
            authority: identity.authority().clone(),
            narrowing: admitted.narrowing().cloned(),
            upstream: relay.as_ref().map(|relay| Arc::clone(relay.upstream())),
            fault: None,
            _permit: permit,
        };
        self.shared.ledger.sessions().enter();
        about.tell(|facts| self.shared.ledger.admitted(facts));
        if admitted.is_reported() {
            about.tell(|facts| self.shared.ledger.origin_would_be_refused(facts));
        }
        entry.insert(Held {
            link,
            session: Session::open(opening, now),
            seat: Some(Seat { place, at }),
            relay: relay.map(Box::new),
            sent_this_turn: false,
            waker: None,
            about: Box::new(about),
            asking: None,
        });
        if let Some(held) = self.held.get_mut(key) {
            held.say(&response, &mut self.scratch);
            held.tell_begin(&self.shared);
        }
        if !early.is_empty() {
            self.scratch.plain.clear();
            self.scratch.plain.extend_from_slice(&early);
            self.received(key, now);
        }
        if let Some(mut early) = early_of_backend.filter(|early| !early.is_empty()) {
            self.heard_backend(key, &mut early, now);
        }
        self.send_later(key);
        self.begin(key, now);
        Some(key)
    }

    /// Notes when a new session is due, and ends one that should not be there.
    pub(super) fn begin(&mut self, key: usize, now: Instant) {
        if self.due_ms.len() <= key {
            self.due_ms.resize(key + 1, NEVER);
        }
        self.settle(key, now);
        if let Some(reason) = self.held.get(key).and_then(|held| self.has_fallen(held)) {
            self.close(key, reason, now);
        }
    }

    /// Why a session that has just been admitted may not go on: its token may have been
    /// revoked, or the rules changed, since it was judged, and the order to end such sessions
    /// may have come before there was this one.
    pub(super) fn has_fallen(&self, held: &Held) -> Option<Rejection> {
        if self.shared.throttles.revocations.is_revoked(&held.about.authority) {
            return Some(Rejection::Revoked);
        }
        (!held.is_admitted_by(&self.shared.rules.load())).then_some(Rejection::NoLongerAdmitted)
    }

    /// Ends one session from our side.
    pub(super) fn close(&mut self, key: usize, reason: Rejection, now: Instant) {
        if let Some(held) = self.held.get_mut(key) {
            held.close(reason, now, &mut self.scratch);
        }
        self.settle(key, now);
    }

    /// Does what the socket of a session asks for; ready once its connection can go.
    pub(super) fn poll(&mut self, key: usize, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.poll_link(key, cx);
        if let (Poll::Ready(Err(Broken)), Some(held)) = (polled, self.held.get_mut(key)) {
            held.session.peer_gone();
        }
        if self.held.get(key).is_some_and(|held| held.relay.is_some()) {
            self.poll_backend(key, cx);
        }
        self.settle(key, Instant::now());
        match self.held.get(key).map(|held| held.session.stage()) {
            Some(Stage::Over(_)) | None => Poll::Ready(()),
            Some(Stage::Open | Stage::Closing { .. } | Stage::Answering(_) | Stage::Lingering { .. }) => {
                Poll::Pending
            }
        }
    }

    fn poll_link(&mut self, key: usize, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(held) = self.held.get_mut(key) else { return Poll::Ready(Ok(())) };
        held.remember(cx);
        if let Poll::Ready(Err(broken)) = held.link.poll_flush(cx, &mut self.scratch) {
            return Poll::Ready(Err(broken));
        }
        for _ in 0..READS_A_TURN {
            if self.shared.hub.is_congested() {
                break;
            }
            // Whoever waits for the backend's word reads nothing more: it stays in the socket.
            ready!(self.poll_asking(key, cx));
            let Some(held) = self.held.get_mut(key) else { return Poll::Ready(Ok(())) };
            if held.is_held_back(&self.onward) {
                // Sent first.
                return Poll::Pending;
            }
            match ready!(held.link.poll_read(cx, &mut self.scratch))? {
                Came::End => {
                    held.session.peer_gone();
                    return Poll::Ready(Ok(()));
                }
                Came::Octets => self.received(key, Instant::now()),
            }
        }
        // There may be more to read: after the others.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Gives the session what came, and the peer what the session says to it.
    fn received(&mut self, key: usize, now: Instant) {
        let Some(held) = self.held.get_mut(key) else { return };
        self.frames.clear();
        let counters = self.shared.ledger.worker(self.worker);
        let Held { session, seat, about, asking, relay, .. } = held;
        let (keys, onward) = (&mut self.keys, &mut self.onward);
        let Shared { events, authorize, .. } = &*self.shared;
        let listened = events.as_deref().and_then(|events| Some((events, events.messages()?)));
        let is_asked = authorize.as_ref().is_some_and(|asked| asked.asks_for_messages(&about.route));
        let mut hear = |opcode, octets: &[u8]| {
            if is_asked {
                asking.get_or_insert_default().keep(opcode, octets);
                return Heard::Kept;
            }
            if let Some((events, payload)) = listened {
                tell_message(events, about, seat.as_ref(), opcode, octets, payload);
            }
            Heard::Delivered
        };
        let ear: Ear<'_> = if is_asked || listened.is_some() { Some(&mut hear) } else { None };
        let pass = &mut |passed: Passed<'_>| {
            if let Some(relay) = relay {
                relay.pass(passed, keys, onward);
            }
        };
        session.receive(&mut self.scratch.plain, now, counters, ear, &mut self.frames, pass);
        held.say(&self.frames, &mut self.scratch);
        if held.asking.as_ref().is_some_and(|asking| asking.bytes() > held.session.policy().send_queue_bytes)
        {
            held.close(Rejection::MessageRate, now, &mut self.scratch);
        }
    }

    /// Ready once no message of the session waits for the backend's word. They are delivered in
    /// their order, until one is refused.
    fn poll_asking(&mut self, key: usize, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(held) = self.held.get_mut(key) else { return Poll::Ready(()) };
            let (Some(asking), Some(authorize), Some(seat)) =
                (&mut held.asking, &self.shared.authorize, &held.seat)
            else {
                return Poll::Ready(());
            };
            // Only who is in a room sends messages.
            let Some(room) = seat.subscriber() else { return Poll::Ready(()) };
            let about = &held.about;
            let Some(JudgedMessage { opcode, payload, verdict }) =
                ready!(asking.poll(cx, authorize, || matter(about, room)))
            else {
                held.asking = None;
                return Poll::Ready(());
            };
            let now = Instant::now();
            match verdict {
                Ok(()) => {
                    held.session.deliver(opcode, &payload, now);
                    if let Some((events, with_payload)) =
                        self.shared.events.as_deref().and_then(|events| Some((events, events.messages()?)))
                    {
                        tell_message(events, about, Some(seat), opcode, &payload, with_payload);
                    }
                }
                Err(reason) => {
                    held.asking = None;
                    held.close(reason, now, &mut self.scratch);
                }
            }
        }
    }

    /// After anything happened to a session: closes a slow reader, leaves the room once the
    /// session has ended, ends the write side once all is said, and notes when it is due.
    pub(super) fn settle(&mut self, key: usize, now: Instant) {
        let Some(held) = self.held.get_mut(key) else { return };
        if held.is_behind() {
            held.close(Rejection::SlowReader, now, &mut self.scratch);
        }
        if let Some(end) = held.session.stage().end()
            && let Some(seat) = held.seat.take()
        {
            // What still waits for a word has nobody any more who may say it.
            held.asking = None;
            held.tell_end(end, &seat, &self.shared);
            self.leave(seat);
            self.leave_backend(key, end);
        }
        let Some(held) = self.held.get_mut(key) else { return };
        if matches!(held.session.stage(), Stage::Lingering { .. }) && held.link.end_write().is_err() {
            held.session.peer_gone();
        }
        if matches!(held.session.stage(), Stage::Over(_)) {
            held.wake();
        }
        let due = held.next_due().saturating_duration_since(self.epoch).as_millis();
        if let Some(slot) = self.due_ms.get_mut(key) {
            *slot = u64::try_from(due).unwrap_or(NEVER);
        }
    }

    fn leave(&mut self, seat: Seat) {
        let Seat { place, at } = seat;
        drop(place);
        // Closing before no longer a session: a drain must not find neither.
        self.shared.ledger.closing().enter();
        self.shared.ledger.sessions().leave();
        let (subscriber, index) = match at {
            At::Room { subscriber, index } => (subscriber, index),
            At::Topics { index, .. } => return self.leave_topics(index),
            At::Backend { .. } => return,
        };
        let moved = self.rooms.leave(subscriber.room(), index);
        let moved = moved.and_then(|Member(key)| self.held.get_mut(key)?.seat.as_mut());
        if let Some(Seat { at: At::Room { index: place, .. }, .. }) = moved {
            *place = index;
        }
    }

    /// Writes what was delivered to the members of its rooms.
    pub(super) fn deliver(&mut self, deliveries: &[Delivery], now: Instant) {
        for delivery in deliveries {
            if self.rooms.deliver(delivery) {
                self.flush(now);
            }
        }
        self.flush(now);
    }

    fn flush(&mut self, now: Instant) {
        let Sessions { worker, held, rooms, scratch, frames, unsettled, shared, .. } = self;
        let counters = shared.ledger.worker(*worker);
        rooms.flush(|members, turn| {
            for sender in turn.senders().filter(|sender| sender.worker == *worker) {
                if let Some(held) = held.get_mut(sender.key).filter(|held| held.session.sender() == sender) {
                    held.sent_this_turn = true;
                }
            }
            for &Member(key) in members {
                let Some(held) = held.get_mut(key) else { continue };
                let form = match held.session.transport() {
                    Transport::WebSocket if held.session.deflates() => turn.deflating(),
                    Transport::WebSocket => turn.plain(),
                    Transport::Events | Transport::Updates => turn.events(),
                };
                if std::mem::take(&mut held.sent_this_turn) {
                    frames.clear();
                    form.without(held.session.sender(), frames);
                    held.say(frames, scratch);
                } else {
                    held.say_shared(form.octets(), || form.shared(), scratch);
                }
                if held.is_behind() || held.session.stage().end().is_some() {
                    unsettled.push(key);
                }
            }
            counters.flushed(members.len(), turn.plain().octets().len());
        });
        for key in std::mem::take(&mut self.unsettled) {
            self.settle(key, now);
        }
    }

    /// Does what the time asks of the sessions that are due.
    pub(super) fn look_at_deadlines(&mut self, now: Instant) {
        let now_ms = u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(NEVER);
        for key in 0..self.due_ms.len() {
            if self.due_ms.get(key).is_none_or(|due| *due > now_ms) {
                continue;
            }
            // Noted anew below: a session with a fault of ours must not end every tick before the
            // sessions behind it have had theirs.
            self.forget_due(key);
            if let Some(held) = self.held.get_mut(key) {
                self.frames.clear();
                held.session.due(now, &mut self.frames);
                held.say(&self.frames, &mut self.scratch);
                self.due_backend(key, now);
                self.settle(key, now);
            }
        }
    }

    /// The wall clock was set: tokens end by it, and everything else by the clock that never steps.
    pub(super) fn judge_expiry_anew(&mut self, now: Instant) {
        for (key, held) in &mut self.held {
            let ends_at = ends_at(&held.about.authority, held.about.client.as_deref());
            held.session.ends_with_authority(ends_at.map(|at| until(at, now)));
            if let Some(slot) = self.due_ms.get_mut(key) {
                *slot = 0;
            }
        }
    }

    /// Closes as many sessions as should be closed by now.
    pub(super) fn drain(&mut self, drain: &Drain, now: Instant) {
        let total =
            *self.to_drain.get_or_insert_with(|| self.held.iter().filter(|(_, h)| h.is_open()).count());
        let elapsed = now.saturating_duration_since(drain.began);
        let goal = to_be_closed(total, elapsed, drain.paced_over);
        let keys: Vec<usize> = self.held.iter().filter(|(_, h)| h.is_open()).map(|(key, _)| key).collect();
        for key in keys {
            if self.drained >= goal {
                break;
            }
            self.drained += 1;
            self.close(key, drain.reason, now);
        }
    }

    /// A fault of ours in one session: it is told, and logged, and the others go on.
    pub(super) fn fail(&mut self, key: usize) {
        self.shared.ledger.panicked("session");
        let Some(held) = self.held.get_mut(key) else { return };
        if let Some(seat) = held.seat.take() {
            let end = End { reason: Rejection::InternalError, code: INTERNAL_ERROR };
            held.tell_end(end, &seat, &self.shared);
            self.leave(seat);
        }
        // Last, as the fault may be in what says it.
        if let Some(held) = self.held.get_mut(key) {
            held.abandon(&mut self.scratch);
        }
    }

    /// Drops a session whose connection can go.
    pub(super) fn remove(&mut self, key: usize) {
        if let Some(seat) = self.held.get_mut(key).and_then(|held| held.seat.take()) {
            self.leave(seat);
        }
        if self.held.try_remove(key).is_some() {
            self.shared.ledger.closing().leave();
        }
        self.forget_due(key);
    }

    fn forget_due(&mut self, key: usize) {
        if let Some(slot) = self.due_ms.get_mut(key) {
            *slot = NEVER;
        }
    }
}
