//! Owns what floor 1 says of one request, and the reply that this makes.
//! Never knows a rule, nor how octets come and go.

use super::answer::{self, DemoPage, Reply};
use super::listener::Permit;
use super::orders::Renewal;
use super::outcome::bare;
use super::shared::{Rules, Shared};
use crate::auth::TicketSecret;
use crate::gate::{
    Admitted, Caller, Exchange, Exchanged, HubAnswer, HubAsked, Publishing, Reader, Refused, Sending,
    Streamed, Streaming, Subscribing, client_of,
};
use crate::ledger::RequestId;
use crate::mercure::Told;
use crate::origin::Origin;
use crate::peer::Peer;
use crate::rejection::Rejection;
use crate::throttle::CountPermit;
use http::request::Parts;
use std::sync::Arc;

/// What is to become of a request.
pub(super) enum Judged {
    /// A WebSocket.
    Admitted { admitted: Box<Admitted>, place: CountPermit<Arc<str>> },
    /// The page of `dev`.
    Page,
    /// A ticket, and who may read it.
    Ticket { text: String, origin: Option<Origin> },
    /// A page may ask for a ticket or a renewal.
    Preflight { origin: Option<Origin> },
    /// Sessions are to stand on another token.
    Renewal { jti: Box<str>, renewal: Renewal, origin: Option<Origin> },
    /// An event stream, and who may read it.
    Stream { admitted: Box<Admitted>, place: CountPermit<Arc<str>>, reader: Option<Reader> },
    /// One message, once its body is there.
    Message { sending: Box<Sending>, reader: Option<Reader> },
    /// Updates as an event stream, and who may read it.
    Subscribe { subscribing: Box<Subscribing>, place: CountPermit<Arc<str>>, reader: Option<Reader> },
    /// An update, once its body is there.
    Publish { publishing: Box<Publishing>, reader: Option<Reader> },
    /// Who subscribes.
    Subscriptions { told: Told, reader: Option<Reader> },
    /// What the hub is to clients.
    Metadata { told: serde_json::Value, reader: Option<Reader> },
    /// A page may ask for a stream or send messages, with these methods.
    StreamPreflight { methods: &'static str, reader: Option<Reader> },
    /// No stream and no message; who may read why.
    StreamRefused { refused: Refused, reader: Option<Reader>, metadata: Option<String> },
    /// Nothing; who may read why.
    Refused { refused: Refused, origin: Option<Origin> },
}

/// Brings one request to floor 1.
pub(super) fn judge_request(
    parts: &Parts,
    body: &[u8],
    caller: &Caller<'_>,
    rules: &Rules,
    shared: &Shared,
) -> Judged {
    let gate = &rules.gate;
    if gate.is_exchange(parts) {
        let Exchange { verdict, origin } = gate.exchange(parts, body, caller, &shared.throttles, secret);
        return match verdict {
            Ok(Exchanged::Preflight) => Judged::Preflight { origin },
            Ok(Exchanged::Ticket(text)) => Judged::Ticket { text, origin },
            Ok(Exchanged::Renewal { jti, identity, topics }) => {
                let renewal = Renewal {
                    identity: *identity,
                    topics: topics.map(|claim| claim.map(|claim| Arc::new(*claim))),
                };
                Judged::Renewal { jti, renewal, origin }
            }
            Err(refused) => Judged::Refused { refused, origin },
        };
    }
    if gate.is_hub(parts) {
        return judge_hub(gate.hub(parts, caller, &shared.throttles), shared);
    }
    if gate.is_stream(parts) {
        let Streaming { verdict, reader } = gate.stream(parts, caller, &shared.throttles);
        return match verdict {
            Ok(Streamed::Stream(admitted, place)) => Judged::Stream { admitted, place, reader },
            Ok(Streamed::Message(sending)) => Judged::Message { sending, reader },
            Ok(Streamed::Preflight) => Judged::StreamPreflight { methods: "GET, POST", reader },
            Err(refused) => Judged::StreamRefused { refused, reader, metadata: None },
        };
    }
    match gate.admit(parts, caller, &shared.throttles) {
        Ok((admitted, _)) if is_full(&admitted, shared) => {
            Judged::Refused { refused: admitted.refused(Rejection::RoomFull), origin: None }
        }
        Ok((admitted, place)) => Judged::Admitted { admitted: Box::new(admitted), place },
        Err(refused) if shared.page.is_some() && is_for_page(&refused, parts) => Judged::Page,
        Err(refused) => Judged::Refused { refused, origin: None },
    }
}

/// What a hub's own word makes of a request to it.
fn judge_hub(asked: HubAsked, shared: &Shared) -> Judged {
    let HubAsked { verdict, reader, metadata } = asked;
    let asked = match verdict {
        Ok(HubAnswer::Subscribe(subscribing, place)) => {
            return Judged::Subscribe { subscribing, place, reader };
        }
        Ok(HubAnswer::Publish(publishing)) => return Judged::Publish { publishing, reader },
        Ok(HubAnswer::Preflight(methods)) => return Judged::StreamPreflight { methods, reader },
        Ok(HubAnswer::Subscriptions(asked)) => asked,
        Ok(HubAnswer::Metadata(told)) => return Judged::Metadata { told, reader },
        Err(refused) => return Judged::StreamRefused { refused, reader, metadata },
    };
    let told = match (&asked.topic, &asked.subscriber) {
        (Some(topic), Some(subscriber)) => shared.updates.subscription(topic, subscriber),
        (topic, _) => shared.updates.subscriptions(&asked.path, topic.as_deref()),
    };
    match told {
        Some(told) => Judged::Subscriptions { told, reader },
        None => Judged::StreamRefused { refused: bare(Rejection::RouteNotFound), reader, metadata: None },
    }
}

/// Whether its room takes nobody else. Handshakes that end at the same moment on several workers may
/// all be the last: so many more than its limit a room may have.
fn is_full(admitted: &Admitted, shared: &Shared) -> bool {
    let members_max = admitted.route().session.members_per_room;
    // Who goes to a backend is in no room.
    admitted.room().is_some_and(|room| shared.hub.members_of(room) >= members_max)
}

/// 256 bits that nobody can guess.
fn secret() -> Option<TicketSecret> {
    let mut secret = TicketSecret::default();
    aws_lc_rs::rand::fill(&mut secret).ok().map(|()| secret)
}

/// `dev` has a page at `/`: whoever passed the checks of target and Host may read it.
fn is_for_page(refused: &Refused, parts: &Parts) -> bool {
    refused.reason == Rejection::RouteNotFound && parts.uri.path() == "/" && parts.method == http::Method::GET
}

/// A trusted proxy says whom it speaks for: the connection is counted to that client.
pub(super) fn hear(
    parts: &Parts,
    is_forwarded: bool,
    peer: &mut Peer,
    permit: &mut Permit,
    shared: &Shared,
) -> Result<(), Refused> {
    if !is_forwarded {
        return Ok(());
    }
    let Some(client) = client_of(&parts.headers, &shared.proxies).map_err(bare)? else { return Ok(()) };
    *peer = client;
    match permit.charge(client, shared) {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => Err(bare(reason)),
        // There is a head by now, so that can be told.
        Err(_) => Err(bare(Rejection::AddressHandshakes)),
    }
}

impl Judged {
    /// The reply that hyper writes down.
    pub(super) fn reply(&self, page: Option<&DemoPage>, request: RequestId, strict_transport: bool) -> Reply {
        match self {
            // A backend's comes first: what it chose is answered then, and this one is not sent.
            Judged::Admitted { admitted, .. } => answer::switching(admitted),
            Judged::Page => page.map(answer::page).unwrap_or_default(),
            Judged::Ticket { text, origin } => {
                answer::readable_by(answer::ticket(text, strict_transport), origin.as_ref())
            }
            Judged::Preflight { origin } => {
                let reply = answer::preflight("POST", "authorization, content-type");
                answer::readable_by(reply, origin.as_ref())
            }
            Judged::Subscriptions { told, reader } => {
                answer::readable(answer::subscriptions(told, strict_transport), reader.as_ref())
            }
            Judged::Metadata { told, reader } => {
                answer::readable(answer::json(told, strict_transport), reader.as_ref())
            }
            Judged::StreamPreflight { methods, reader } => {
                let reply =
                    answer::preflight(methods, "authorization, cache-control, content-type, last-event-id");
                answer::readable(reply, reader.as_ref())
            }
            Judged::StreamRefused { refused, reader, metadata } => {
                let refusal = answer::refusal(refused.reason, request, strict_transport);
                answer::readable(answer::challenged(refusal, metadata.as_deref()), reader.as_ref())
            }
            // Known only later, or no response that hyper could write: this one is not sent.
            Judged::Renewal { .. }
            | Judged::Stream { .. }
            | Judged::Message { .. }
            | Judged::Subscribe { .. }
            | Judged::Publish { .. } => Reply::default(),
            Judged::Refused { refused, origin } => {
                let refusal = answer::refusal(refused.reason, request, strict_transport);
                answer::readable_by(refusal, origin.as_ref())
            }
        }
    }
}
