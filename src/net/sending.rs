//! Owns one message by POST: whether the backend lets it be, and its way into the room.
//! Never knows how its body is read, nor what its sender is told.

use super::authorized::Asker;
use super::shared::Shared;
use crate::authorize::{Authorize, Matter};
use crate::events::{Event, What, Whose};
use crate::gate::Sending;
use crate::ledger::RequestId;
use crate::rejection::Rejection;
use bytes::Bytes;
use std::sync::Arc;
use tokio::time::timeout_at;

/// Asks whether a message by POST may be. No session stands behind it, so all that the backend has a
/// say in is asked for at once.
pub(super) async fn authorized(
    sending: &Sending,
    body: &[u8],
    asker: Asker,
    shared: &Shared,
) -> Result<(), Rejection> {
    let label = &sending.route().label;
    let is_asked = |asked: &Authorize| asked.asks_for_connections(label) || asked.asks_for_messages(label);
    let Some(authorize) = shared.authorize.as_ref().filter(|asked| is_asked(asked)) else { return Ok(()) };
    let grant = sending.grant()?;
    let matter = Matter {
        connection: asker.request,
        subject: Some(Arc::clone(grant.identity().subject())),
        jti: grant.identity().jti().map(Into::into),
        peer: asker.peer,
        origin: sending.origin().cloned(),
        route: Arc::clone(label),
        room: Some(grant.room().clone()),
        topics: None,
    };
    let asking = Box::pin(authorize.sending(&matter, sending.kind(), body));
    let said = timeout_at(asker.deadline.into(), asking).await;
    match said.unwrap_or(Err(Rejection::AuthorizeUnavailable))? {
        Some(narrowing) => sending.within(&narrowing),
        None => Ok(()),
    }
}

/// Hands one message to the members of its room.
pub(super) fn send(
    sending: &Sending,
    body: &[u8],
    request: RequestId,
    shared: &Shared,
) -> Result<(), Rejection> {
    let frame = sending.frame(body)?;
    if shared.hub.is_congested() {
        return Err(Rejection::Congested);
    }
    let grant = sending.grant()?;
    shared.hub.publish_once(&grant, &frame).ok_or(Rejection::SendNotGranted)?;
    shared.ledger.worker(0).message(body.len());
    if let Some((events, with_payload)) =
        shared.events.as_deref().and_then(|events| Some((events, events.messages()?)))
    {
        let whose = Whose {
            connection: request,
            subject: Some(Arc::clone(grant.identity().subject())),
            route: Arc::clone(&sending.route().label),
            room: Some(grant.room().clone()),
        };
        let payload = with_payload.then(|| Bytes::copy_from_slice(body));
        let message = What::Message { opcode: sending.kind(), bytes: body.len(), payload };
        events.add(Event::now(whose, message));
    }
    Ok(())
}
