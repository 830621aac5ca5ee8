//! Owns how a worker carries out the operator's orders.
//! Never knows who ordered it.

use super::super::orders::{Listed, Order, Whom};
use super::super::shared::Shared;
use super::held::Held;
use super::sessions::Sessions;
use crate::origin::Origin;
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
            Order::List { most, told } => {
                let open = self.held.iter().filter(|(_, held)| held.is_open());
                let _ = told.send(open.take(most).map(|(_, held)| listed(held, now)).collect());
            }
        }
    }
}

fn is_meant(whom: &Whom, held: &Held, shared: &Shared) -> bool {
    let authority = &held.about.authority;
    match whom {
        Whom::Token(jti) => authority.jti() == Some(jti),
        Whom::Subject(subject) => **authority.subject() == **subject,
        Whom::Revoked => shared.throttles.revocations.is_revoked(authority),
        Whom::NoLongerAdmitted => !held.about.is_admitted_by(&shared.rules.load()),
    }
}

fn listed(held: &Held, now: Instant) -> Listed {
    let about = &held.about;
    let room = held.seat.as_ref().map(|seat| seat.subscriber.room_name().as_str());
    Listed {
        request_id: about.request.to_string(),
        peer: about.peer.to_string(),
        route: about.route.to_string(),
        room: room.unwrap_or_default().to_owned(),
        origin: about.origin.as_ref().map(|origin| Origin::as_str(origin).to_owned()),
        subject: about.authority.subject().to_string(),
        jti: about.authority.jti().map(str::to_owned),
        age_seconds: now.saturating_duration_since(held.session.opened()).as_secs(),
        queued_bytes: held.link.queued_bytes(),
    }
}
