//! Owns what the backend is told of one session, and what it is asked about it.
//! Never knows how it gets there.

use super::held::{About, At, Seat};
use crate::authorize::Matter;
use crate::broadcast::Subscriber;
use crate::codec::Opcode;
use crate::events::{Event, EventKind, Events, What, Whose};
use crate::session::End;
use bytes::Bytes;
use std::sync::Arc;

/// A session is open, and in its room, if it has one.
pub(super) fn tell_begin(events: &Events, about: &About, seat: &Seat, publish: bool) {
    let connected = || What::Connected {
        peer: about.peer,
        origin: about.origin.clone(),
        topics: match &seat.at {
            At::Topics { member, .. } => Some(member.topics().map(Box::from).collect()),
            At::Room { .. } | At::Backend { .. } => None,
        },
    };
    events.tell(EventKind::Connected, || Event::now(whose(about, seat), connected()));
    // Who goes to a backend, or subscribes to topics, is in no room.
    if seat.subscriber().is_some() {
        events.tell(EventKind::Joined, || Event::now(whose(about, seat), What::Joined { publish }));
    }
}

/// It sent a message, which has been delivered.
pub(super) fn tell_message(
    events: &Events,
    about: &About,
    seat: Option<&Seat>,
    opcode: Opcode,
    octets: &[u8],
    with_payload: bool,
) {
    let Some(whose) = seat.map(|seat| whose(about, seat)) else { return };
    let payload = with_payload.then(|| Bytes::copy_from_slice(octets));
    events.add(Event::now(whose, What::Message { opcode, bytes: octets.len(), payload }));
}

/// It has left its room, if it had one, and ended.
pub(super) fn tell_end(events: &Events, about: &About, seat: &Seat, end: End) {
    let End { reason, code } = end;
    if seat.subscriber().is_some() {
        events.tell(EventKind::Left, || Event::now(whose(about, seat), What::Left { reason }));
    }
    let disconnected = What::Disconnected { reason, code };
    events.tell(EventKind::Disconnected, || Event::now(whose(about, seat), disconnected));
}

/// Whose message the backend is asked about.
pub(super) fn matter(about: &About, room: &Subscriber) -> Matter {
    Matter {
        connection: about.request,
        subject: about.authority.known_subject().cloned(),
        jti: about.authority.jti().map(Into::into),
        peer: about.peer,
        origin: about.origin.clone(),
        route: Arc::clone(&about.route),
        room: Some(room.room_name().clone()),
        topics: None,
    }
}

/// Whose session it is.
fn whose(about: &About, seat: &Seat) -> Whose {
    Whose {
        connection: about.request,
        subject: about.authority.known_subject().cloned(),
        route: Arc::clone(&about.route),
        room: seat.room().cloned(),
    }
}
