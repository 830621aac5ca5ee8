//! Owns what the backend is told of one session, and what it is asked about it.
//! Never knows how it gets there.

use super::held::{About, Seat};
use crate::authorize::Matter;
use crate::broadcast::Subscriber;
use crate::codec::Opcode;
use crate::events::{Event, EventKind, Events, What, Whose};
use crate::session::End;
use bytes::Bytes;
use std::sync::Arc;

/// A session is open, and in its room.
pub(super) fn tell_begin(events: &Events, about: &About, seat: &Seat, publish: bool) {
    let Some(whose) = whose(about, seat) else { return };
    let connected = || What::Connected { peer: about.peer, origin: about.origin.clone() };
    events.tell(EventKind::Connected, || Event::now(whose.clone(), connected()));
    events.tell(EventKind::Joined, || Event::now(whose.clone(), What::Joined { publish }));
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
    let Some(whose) = seat.and_then(|seat| whose(about, seat)) else { return };
    let payload = with_payload.then(|| Bytes::copy_from_slice(octets));
    events.add(Event::now(whose, What::Message { opcode, bytes: octets.len(), payload }));
}

/// It has left its room, and ended.
pub(super) fn tell_end(events: &Events, about: &About, seat: &Seat, end: End) {
    let Some(whose) = whose(about, seat) else { return };
    let End { reason, code } = end;
    events.tell(EventKind::Left, || Event::now(whose.clone(), What::Left { reason }));
    let disconnected = What::Disconnected { reason, code };
    events.tell(EventKind::Disconnected, || Event::now(whose.clone(), disconnected));
}

/// Whose message the backend is asked about.
pub(super) fn matter(about: &About, room: &Subscriber) -> Matter {
    Matter {
        connection: about.request,
        subject: Arc::clone(about.authority.subject()),
        jti: about.authority.jti().map(Into::into),
        peer: about.peer,
        origin: about.origin.clone(),
        route: Arc::clone(&about.route),
        room: Some(room.room_name().clone()),
    }
}

/// Whose session it is, where it is in a room: those who read updates are told of by the hub.
fn whose(about: &About, seat: &Seat) -> Option<Whose> {
    Some(Whose {
        connection: about.request,
        subject: Arc::clone(about.authority.subject()),
        route: Arc::clone(&about.route),
        room: seat.subscriber()?.room_name().clone(),
    })
}
