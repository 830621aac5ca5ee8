//! Owns how an admitted peer gets its backend before its 101, or the refusal of that.
//! Never knows the peer's socket, nor which upstream is taken.

use super::answer;
use super::clock::unix_now;
use super::shared::{Rules, Shared};
use crate::gate::{Admitted, Destination, LoggedOrigin, Refused};
use crate::ledger::RequestId;
use crate::peer::Peer;
use crate::rejection::Rejection;
use crate::relay::{Backend, Dialled, Refusal, Who, dial};
use std::sync::Arc;
use std::time::Instant;

/// What a call stands on.
pub(super) struct Calling<'a> {
    pub(super) peer: Peer,
    pub(super) request: RequestId,
    pub(super) deadline: Instant,
    pub(super) rules: &'a Rules,
    pub(super) shared: &'a Shared,
}

/// A backend that has answered, and our 101 with what it chose.
pub(super) struct Called {
    pub(super) admitted: Box<Admitted>,
    pub(super) response: Vec<u8>,
    pub(super) backend: Box<(Dialled, Arc<Backend>)>,
}

impl Calling<'_> {
    /// Connects the backend; an `Err` is the refusal with the octets that say it.
    pub(super) async fn call(self, mut admitted: Box<Admitted>) -> Result<Called, (Refused, Vec<u8>)> {
        let (dialled, backend) = match self.dial(&admitted).await {
            Ok(answered) => answered,
            Err(Refusal { reason, fault }) => {
                let reply = answer::refusal(reason, self.request, self.shared.page.is_none());
                let refused = Refused {
                    reason,
                    route: Some(Arc::clone(&admitted.route().label)),
                    origin: admitted.origin().map_or(LoggedOrigin::Absent, |o| LoggedOrigin::Is(o.clone())),
                    subject: Some(Arc::clone(admitted.identity().subject())),
                    backend: fault.map(Box::new),
                };
                return Err((refused, answer::octets(&reply)));
            }
        };
        if let Some(chosen) = &dialled.subprotocol {
            admitted.choose_subprotocol(chosen);
        }
        let response = answer::octets(&answer::switching(&admitted));
        Ok(Called { admitted, response, backend: Box::new((dialled, backend)) })
    }

    async fn dial(&self, admitted: &Admitted) -> Result<(Dialled, Arc<Backend>), Refusal> {
        let backend = match admitted.destination() {
            Destination::Backend(call) => self.rules.backend(call.backend()),
            Destination::Room(_) => None,
        };
        let backend = backend.ok_or(Refusal { reason: Rejection::HandshakeFailed, fault: None })?;
        let connection_id = self.request.to_string();
        let who = Who { peer: self.peer, connection_id: &connection_id, unix_now: unix_now().as_secs() };
        let (assertions, ledger) = (&self.rules.assertions, &self.shared.ledger);
        let dialled = dial(admitted, who, backend, assertions, ledger, self.deadline).await?;
        Ok((dialled, Arc::clone(backend)))
    }
}
