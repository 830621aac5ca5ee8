//! Owns the subscribers of updates that a worker has, and writes to them.
//! Never knows what an update says, nor who may read it.

use super::super::clock::until;
use super::super::opening::Subscribed;
use super::held::{About, At, Held, Seat, ends_at};
use super::sessions::Sessions;
use crate::broadcast::Sender;
use crate::mercure::{Numbered, Subscription, Update};
use crate::protocol::{Transport, events};
use crate::rejection::Rejection;
use crate::session::{Opening, Session, Way};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

impl Sessions {
    /// Takes over a connection that subscribes: its response, what it has missed, and from then on
    /// every update, in one step; its key.
    pub(super) fn adopt_subscriber(&mut self, opened: Subscribed, now: Instant) -> usize {
        let Subscribed { link, subscribing, mut response, place, permit, peer, client, request, is_early } =
            opened;
        let authority = subscribing.authority().clone();
        let route = Arc::clone(subscribing.route());
        let origin = subscribing.origin().cloned();
        let (wanted, claim, last_event_id) = subscribing.into_wish();
        let name = self.shared.updates.fresh_id();
        let subscription = Arc::new(Subscription::new(name, wanted, claim));
        let begun = self.shared.updates.subscribe(subscription, self.worker, last_event_id.as_deref());
        if let Some(before) = &begun.before {
            // INVARIANT: an id has no control characters, so it ends no line.
            let version = route.mercure.as_ref().map(|hub| hub.version).unwrap_or_default();
            let field = version.last_event_id_field();
            response.extend_from_slice(format!("{field}: {before}\r\n").as_bytes());
        }
        response.extend_from_slice(b"\r\n");
        response.extend_from_slice(events::COMMENT);
        let is_cut = add_missed(&begun.missed, route.session.send_queue_bytes, &mut response);

        let key = self.held.vacant_key();
        self.serials += 1;
        let opening = Opening {
            policy: Arc::clone(&route.session),
            publisher: None,
            sender: Sender { worker: self.worker, key, serial: self.serials },
            transport: Transport::Updates,
            deflates: false,
            authority_ends: ends_at(&authority, client.as_deref()).map(|at| until(at, now)),
            way: Way::Room,
        };
        let about = About {
            request,
            peer,
            client,
            route: Arc::clone(&route.label),
            origin,
            // A hub never reports an origin: it refuses it.
            from_cookie: false,
            authority,
            narrowing: None,
            upstream: None,
            fault: None,
            _permit: permit,
        };
        self.shared.ledger.sessions().enter();
        about.tell(|facts| self.shared.ledger.admitted(facts));
        let at = At::Topics { member: Box::new(begun.member), index: self.subscribers.len() };
        self.subscribers.push(key);
        let _ = self.held.insert(Held {
            link,
            session: Session::open(opening, now),
            seat: Some(Seat { place, at }),
            relay: None,
            sent_this_turn: false,
            waker: None,
            about: Box::new(about),
            asking: None,
        });
        if let Some(held) = self.held.get_mut(key) {
            held.say(&response, &mut self.scratch);
            held.tell_begin(&self.shared);
        }
        self.begin(key, now);
        if is_early {
            self.close(key, Rejection::StreamOctets, now);
        } else if is_cut {
            self.close(key, Rejection::MoreMissed, now);
        }
        key
    }

    /// Writes updates to those who subscribe to them, each once a turn.
    pub(super) fn deliver_updates(&mut self, updates: &[Numbered], now: Instant) {
        let Sessions { held, subscribers, scratch, frames, unsettled, shared, worker, .. } = self;
        for &key in subscribers.iter() {
            let Some(held) = held.get_mut(key) else { continue };
            let Some(Seat { at: At::Topics { member, .. }, .. }) = &held.seat else { continue };
            let mut got = updates.iter().filter(|numbered| member.gets(numbered));
            let Some(first) = got.next() else { continue };
            frames.clear();
            for more in got {
                if frames.is_empty() {
                    frames.extend_from_slice(first.update.event());
                }
                frames.extend_from_slice(more.update.event());
            }
            let octets = if frames.is_empty() {
                let event: &Bytes = first.update.event();
                held.say_shared(event, || event.clone(), scratch);
                event.len()
            } else {
                held.say(frames, scratch);
                frames.len()
            };
            shared.ledger.worker(*worker).flushed(1, octets);
            if held.is_behind() || held.session.stage().end().is_some() {
                unsettled.push(key);
            }
        }
        for key in std::mem::take(&mut self.unsettled) {
            self.settle(key, now);
        }
    }

    /// Takes the subscriber at `index` out; whoever takes over its index is told.
    pub(super) fn leave_topics(&mut self, index: usize) {
        if index < self.subscribers.len() {
            self.subscribers.swap_remove(index);
        }
        let moved = self.subscribers.get(index).and_then(|key| self.held.get_mut(*key)?.seat.as_mut());
        if let Some(Seat { at: At::Topics { index: place, .. }, .. }) = moved {
            *place = index;
        }
    }
}

/// Adds what was missed, as far as the queue of a reader may take it, and at least one; whether
/// there is more. Who comes back for the rest gets that.
fn add_missed(missed: &[Arc<Update>], queue_bytes: usize, out: &mut Vec<u8>) -> bool {
    let most = queue_bytes / 2;
    for (place, update) in missed.iter().enumerate() {
        if place > 0 && out.len().saturating_add(update.event().len()) > most {
            return true;
        }
        out.extend_from_slice(update.event());
    }
    false
}
