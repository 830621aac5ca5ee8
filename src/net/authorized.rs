//! Owns the question to the backend about whoever has passed every check of ours.
//! Never knows how an answer is come by, nor what the peer is told.

use super::shared::Shared;
use crate::authorize::Matter;
use crate::gate::{Admitted, Refused};
use crate::ledger::RequestId;
use crate::peer::Peer;
use crate::rejection::Rejection;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout_at;

/// Whose request it is, and by when it must be answered.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) request: RequestId,
    pub(super) peer: Peer,
    pub(super) deadline: Instant,
}

/// Asks whether a session may be, where the backend has a say; its grants may be narrower then.
pub(super) async fn connection(
    mut admitted: Box<Admitted>,
    asker: Asker,
    shared: &Shared,
) -> Result<Box<Admitted>, Refused> {
    let label = &admitted.route().label;
    let asked = shared.authorize.as_ref().filter(|asked| asked.asks_for_connections(label));
    let Some(authorize) = asked else { return Ok(admitted) };
    let matter = Matter {
        connection: asker.request,
        subject: Arc::clone(admitted.identity().subject()),
        jti: admitted.identity().jti().map(Into::into),
        peer: asker.peer,
        origin: admitted.origin().cloned(),
        route: Arc::clone(label),
        room: admitted.room_asked_for().cloned(),
    };
    let said = timeout_at(asker.deadline.into(), Box::pin(authorize.connection(&matter))).await;
    let narrowing = said.unwrap_or(Err(Rejection::AuthorizeUnavailable));
    match narrowing.and_then(|narrowing| narrowing.map_or(Ok(()), |less| admitted.narrow(less))) {
        Ok(()) => Ok(admitted),
        Err(reason) => Err(admitted.refused(reason)),
    }
}
