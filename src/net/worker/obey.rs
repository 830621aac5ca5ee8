//! Owns how a worker carries out the operator's orders.
//! Never knows who ordered it.

use super::super::clock::until;
use super::super::orders::{Listed, Order, Renewal, RoomMember, Whom};
use super::super::shared::Shared;
use super::held::{At, Held, ends_at};
use super::sessions::Sessions;
use crate::broadcast::{Member, RoomId};
use crate::ledger::RequestId;
use crate::origin::Origin;
use crate::rejection::Rejection;
use crate::room::RoomName;
use std::sync::Arc;
use std::time::Instant;

impl Sessions {
    /// Carries out one order. The one who asked may be gone; the order is obeyed all the same.
    pub(super) fn obey(&mut self, order: Order, now: Instant) {
        match order {
            Order::Close { whom, reason, told } => {
                let meant = |held: &Held| held.is_open() && is_meant(&whom, held, &self.shared);
                let keys: Vec<usize> =
                    self.held.iter().filter(|(_, held)| meant(held)).map(|(key, _)| key).collect();
                for key in &keys {
                    self.close(*key, reason, now);
                }
                let _ = told.send(keys.len());
            }
            Order::Renew { jti, renewal, told } => {
                let new = renewal.identity.authority();
                let stands_on_it = |held: &Held| {
                    let old = &held.about.authority;
                    held.is_open()
                        && old.jti() == Some(&jti)
                        && old.subject() == new.subject()
                        && old.issuer() == new.issuer()
                };
                let keys: Vec<usize> =
                    self.held.iter().filter(|(_, held)| stands_on_it(held)).map(|(key, _)| key).collect();
                let moved = keys.iter().filter(|key| self.renew(**key, &renewal, now)).count();
                let _ = told.send(moved);
            }
            Order::Members { room, after, most, told } => {
                let _ = told.send(self.members(room, after, most));
            }
            Order::List { most, told } => {
                let open = self.held.iter().filter(|(_, held)| held.is_open());
                let _ = told.send(open.take(most).map(|(_, held)| listed(held, now)).collect());
            }
        }
    }
}

impl Sessions {
    /// The members of a room that come after a number, by their numbers; at most so many.
    fn members(&self, room: RoomId, after: Option<RequestId>, most: usize) -> Vec<RoomMember> {
        let held = self.rooms.members(room).iter().filter_map(|Member(key)| self.held.get(*key));
        let mut found: Vec<(RequestId, &Held)> = held
            .filter(|held| Some(held.about.request) > after)
            .map(|held| (held.about.request, held))
            .collect();
        found.sort_unstable_by_key(|(connection, _)| *connection);
        let members = found.into_iter().take(most).map(|(connection, held)| RoomMember {
            connection,
            subject: Arc::clone(held.about.authority.subject()),
            publish: held.session.may_publish(),
        });
        members.collect()
    }

    /// Moves one session to a new authority. Where that does not grant its room, or no topic at all, it
    /// ends.
    fn renew(&mut self, key: usize, renewal: &Renewal, now: Instant) -> bool {
        let identity = &renewal.identity;
        let Some(held) = self.held.get_mut(key) else { return false };
        let less = held.about.narrowing.as_deref();
        let publisher = match held.seat.as_mut().map(|seat| &mut seat.at) {
            Some(At::Room { subscriber, .. }) => {
                let grant = identity.grant_within(subscriber.room_name(), less);
                grant.map(|grant| self.shared.hub.publisher(&grant, subscriber))
            }
            Some(At::Backend { room: Some(room) }) => identity.grant_within(room, less).map(|_| None),
            Some(At::Backend { room: None }) => Ok(None),
            Some(At::Topics { member, .. }) => match &renewal.topics {
                Some(Ok(claim)) => {
                    member.renew(Arc::clone(claim));
                    Ok(None)
                }
                Some(Err(reason)) => Err(*reason),
                // A token for something else.
                None => return false,
            },
            None => return false,
        };
        let Ok(publisher) = publisher else {
            self.close(key, Rejection::GrantGone, now);
            return false;
        };
        let ends_at = ends_at(identity.authority(), held.about.client.as_deref());
        held.session.renew(publisher, ends_at.map(|ends_at| until(ends_at, now)));
        held.about.authority = identity.authority().clone();
        self.settle(key, now);
        if let Some(reason) = self.held.get(key).and_then(|held| self.has_fallen(held)) {
            self.close(key, reason, now);
            return false;
        }
        true
    }
}

fn is_meant(whom: &Whom, held: &Held, shared: &Shared) -> bool {
    let authority = &held.about.authority;
    match whom {
        Whom::Token(jti) => authority.jti() == Some(jti),
        Whom::Subject(subject) => **authority.subject() == **subject,
        Whom::These { connection, subject, room } => {
            let is_in = |room: &RoomName| room_of(held).is_some_and(|name| name == room);
            connection.is_none_or(|connection| held.about.request == connection)
                && subject.as_ref().is_none_or(|subject| **authority.subject() == **subject)
                && room.as_ref().is_none_or(is_in)
        }
        Whom::Revoked => shared.throttles.revocations.is_revoked(authority),
        Whom::NoLongerAdmitted => !held.is_admitted_by(&shared.rules.load()),
    }
}

/// The room that a session is in.
fn room_of(held: &Held) -> Option<&RoomName> {
    held.seat.as_ref()?.room()
}

fn listed(held: &Held, now: Instant) -> Listed {
    let about = &held.about;
    let room = room_of(held).map(RoomName::as_str);
    Listed {
        request_id: about.request.to_string(),
        peer: about.peer.to_string(),
        transport: held.session.transport().name(),
        route: about.route.to_string(),
        room: room.unwrap_or_default().to_owned(),
        origin: about.origin.as_ref().map(|origin| Origin::as_str(origin).to_owned()),
        subject: about.authority.subject().to_string(),
        jti: about.authority.jti().map(str::to_owned),
        age_seconds: now.saturating_duration_since(held.session.opened()).as_secs(),
        upstream: about.upstream.as_ref().map(|upstream| upstream.endpoint().to_string()),
        queued_bytes: held.link.queued_bytes(),
    }
}
