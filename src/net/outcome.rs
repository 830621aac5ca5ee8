//! Owns the line of a handshake that did not become a session.
//! Never knows why it did not.

use super::shared::Shared;
use crate::gate::{LoggedOrigin, Refused};
use crate::ledger::{Facts, RequestId};
use crate::peer::Peer;
use crate::rejection::Rejection;

/// A refusal of which nothing else is known.
pub(super) fn bare(reason: Rejection) -> Refused {
    Refused { reason, route: None, origin: LoggedOrigin::Absent, subject: None, backend: None }
}

/// Tells the ledger.
pub(super) fn log(shared: &Shared, refused: Refused, peer: Peer, request: RequestId) {
    let id = request.to_string();
    let origin = match &refused.origin {
        LoggedOrigin::Absent => None,
        LoggedOrigin::Malformed => Some("malformed"),
        LoggedOrigin::Is(origin) => Some(origin.as_str()),
    };
    let facts = Facts {
        request_id: Some(&id),
        peer: Some(peer),
        route: refused.route.as_deref(),
        origin,
        subject: refused.subject.as_deref(),
        upstream: refused.backend.as_ref().map(|backend| &*backend.upstream),
        detail: refused.backend.as_ref().map(|backend| &*backend.detail),
        ..Facts::default()
    };
    shared.ledger.refused(refused.reason, &facts);
}
