//! Owns the question to the backend about whoever has passed every check of ours.
//! Never knows how an answer is come by, nor what the peer is told.

use super::shared::Shared;
use crate::auth::Narrowing;
use crate::authorize::{Authorize, Matter};
use crate::gate::{Admitted, Refused, Subscribing};
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
    let Some(authorize) = asked(&admitted.route().label, shared) else { return Ok(admitted) };
    let matter = Matter {
        subject: Some(Arc::clone(admitted.identity().subject())),
        jti: admitted.identity().jti().map(Into::into),
        origin: admitted.origin().cloned(),
        room: admitted.room_asked_for().cloned(),
        ..asker.about(&admitted.route().label)
    };
    let narrowing = asker.ask(authorize, &matter).await;
    match narrowing.and_then(|narrowing| narrowing.map_or(Ok(()), |less| admitted.narrow(less))) {
        Ok(()) => Ok(admitted),
        Err(reason) => Err(admitted.refused(reason)),
    }
}

/// The same of who subscribes to updates. What an answer takes away it says by rooms, and there is
/// none here: then nobody subscribes.
pub(super) async fn subscription(
    subscribing: Box<Subscribing>,
    asker: Asker,
    shared: &Shared,
) -> Result<Box<Subscribing>, Refused> {
    let label = &subscribing.route().label;
    let Some(authorize) = asked(label, shared) else { return Ok(subscribing) };
    let authority = subscribing.authority();
    let matter = Matter {
        subject: authority.known_subject().cloned(),
        jti: authority.jti().map(Into::into),
        origin: subscribing.origin().cloned(),
        topics: Some(subscribing.topics().map(Box::from).collect()),
        ..asker.about(label)
    };
    match asker.ask(authorize, &matter).await {
        Ok(None) => Ok(subscribing),
        Ok(Some(_)) => Err(subscribing.refused(Rejection::TopicNotGranted)),
        Err(reason) => Err(subscribing.refused(reason)),
    }
}

/// Who is asked about a connection by this route, if anybody is.
fn asked<'s>(route: &str, shared: &'s Shared) -> Option<&'s Authorize> {
    shared.authorize.as_deref().filter(|authorize| authorize.asks_for_connections(route))
}

impl Asker {
    fn about(self, route: &Arc<str>) -> Matter {
        Matter {
            connection: self.request,
            subject: None,
            jti: None,
            peer: self.peer,
            origin: None,
            route: Arc::clone(route),
            room: None,
            topics: None,
        }
    }

    async fn ask(self, authorize: &Authorize, matter: &Matter) -> Result<Option<Narrowing>, Rejection> {
        let said = timeout_at(self.deadline.into(), Box::pin(authorize.connection(matter))).await;
        said.unwrap_or(Err(Rejection::AuthorizeUnavailable))
    }
}
