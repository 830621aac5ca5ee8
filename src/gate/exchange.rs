//! Owns the checks of `POST /ticket` and `POST /renew`: a token in the header for a ticket, or
//! for sessions that shall stand on it.
//! Never knows a session, nor where random octets come from.

use super::admit::{Caller, Gate, Known, Throttles, proven};
use super::fetch_metadata;
use super::refused::Refused;
use super::route::Route;
use crate::auth::{BearerToken, CredentialPolicy, Identity, SubjectNeed, Ticket, TicketSecret};
use crate::mercure::MercureClaim;
use crate::origin::Origin;
use crate::rejection::Rejection;
use http::Method;
use http::request::Parts;
use serde::Deserialize;
use std::sync::Arc;

/// The path of `POST /ticket`.
pub const TICKET_PATH: &str = "/ticket";
/// The path of `POST /renew`.
pub const RENEW_PATH: &str = "/renew";
/// The most octets that the body of either may have.
pub(super) const EXCHANGE_BODY_BYTES_MAX: usize = 1024;

/// What came of it.
#[must_use]
#[derive(Debug)]
pub enum Exchanged {
    /// A preflight request of a page that may ask (Fetch standard, CORS-preflight fetch).
    Preflight,
    /// A ticket, in its text.
    Ticket(String),
    /// The sessions that stand on the token of this identifier shall stand on this one.
    Renewal {
        /// The identifier of the token that is to be replaced.
        jti: Box<str>,
        /// The new authority.
        identity: Box<Identity>,
        /// What it grants of topics, where the hub takes it and the page; [`Rejection::GrantGone`] where
        /// that is nothing.
        topics: Option<Result<Box<MercureClaim>, Rejection>>,
    },
}

/// The verdict, and the origin that may read the answer.
pub struct Exchange {
    /// What came of it.
    pub verdict: Result<Exchanged, Refused>,
    /// The page that asked, where its origin is allowed: it may read refusals, too.
    pub origin: Option<Origin>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketBody {
    path: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenewBody {
    jti: Box<str>,
}

impl Gate {
    /// Whether a request is one of these at all. A path that no route takes tickets for is a
    /// path like any other.
    #[must_use]
    pub fn is_exchange(&self, request: &Parts) -> bool {
        let takes_it = match request.uri.path() {
            TICKET_PATH => self.ticket_routes().next().is_some(),
            RENEW_PATH => true,
            _ => false,
        };
        takes_it && matches!(request.method, Method::POST | Method::OPTIONS)
    }

    /// Judges one of these requests, in the order of the checks of a handshake. `secret` is
    /// asked for random octets where a ticket is issued.
    pub fn exchange(
        &self,
        request: &Parts,
        body: &[u8],
        caller: &Caller<'_>,
        throttles: &Throttles,
        secret: impl FnOnce() -> Option<TicketSecret>,
    ) -> Exchange {
        let mut known = Known::of(request);
        let mut origin = None;
        let verdict = self.judge_exchange(request, body, caller, throttles, secret, &mut known, &mut origin);
        Exchange { verdict: verdict.map_err(|reason| known.refused(reason)), origin }
    }

    #[expect(clippy::too_many_arguments, reason = "what is known by a refusal is filled in on the way")]
    fn judge_exchange(
        &self,
        request: &Parts,
        body: &[u8],
        caller: &Caller<'_>,
        throttles: &Throttles,
        secret: impl FnOnce() -> Option<TicketSecret>,
        known: &mut Known,
        asked_by: &mut Option<Origin>,
    ) -> Result<Exchanged, Rejection> {
        let _host = self.hosts.asked_for(request, caller.server_name)?;

        let for_ticket = request.uri.path() == TICKET_PATH;
        let routes: Vec<&Arc<Route>> =
            if for_ticket { self.ticket_routes().collect() } else { self.routes.iter().collect() };
        // Whoever may open a session on one of the routes may ask; each route asks again.
        let judged = routes.iter().map(|route| Ok((*route, route.origins.permit(&request.headers)?)));
        let (route, origin) = judged.reduce(Result::or).unwrap_or(Err(Rejection::RouteNotFound))?;
        *asked_by = origin.into_origin();
        if request.method == Method::OPTIONS {
            return Ok(Exchanged::Preflight);
        }
        fetch_metadata::judge_fetch(&request.headers)?;
        // What the least of them asks; each asks again when it is used.
        let need = routes.iter().map(|route| route.client_certificate).min().unwrap_or_default();
        need.judge_peer(caller.client)?;

        let policy = CredentialPolicy { header: true, subprotocol: false, cookie: None, ticket: false };
        let bearer = BearerToken::find(&request.headers, request.uri.query(), &[], &policy);
        let mut topics = None;
        let identity = proven(bearer, caller, throttles, |bearer| {
            if !for_ticket {
                topics = self.topics_of(&bearer, request, caller);
            }
            let identity = self.verifier.verify(&bearer, &route.lifetimes, caller.unix_now)?;
            need.judge_token(identity.authority(), caller.client)?;
            // Some route that the page may use takes it; each asks again when it is used.
            let is_taken = routes.iter().any(|route| route.takes_issuer(identity.issuer()));
            if is_taken { Ok(identity) } else { Err(Rejection::TokenIssuer) }
        })?;
        known.subject = Some(Arc::clone(identity.subject()));

        if !for_ticket {
            let RenewBody { jti } = serde_json::from_slice(body).map_err(|_| Rejection::ExchangeMalformed)?;
            return Ok(Exchanged::Renewal { jti, identity: Box::new(identity), topics });
        }
        let path = if body.is_empty() { None } else { ticket_path(body)? };
        if let Some(path) = &path {
            let (named, room) = Route::find(&self.routes, path)?;
            if !named.credentials.ticket {
                return Err(Rejection::RouteNotFound);
            }
            named.client_certificate.judge_peer(caller.client)?;
            named.client_certificate.judge_token(identity.authority(), caller.client)?;
            if let Some(room) = &room {
                let _grant = identity.grant(room)?;
            }
        }
        let secret = secret().ok_or(Rejection::HandshakeFailed)?;
        let ticket = Ticket { identity, origin: asked_by.clone(), path };
        let issued = throttles.tickets.issue(secret, ticket, caller.now);
        issued.map(Exchanged::Ticket).map_err(|_| Rejection::TicketsFull)
    }

    /// What a token grants at the hub, judged as if it came to subscribe.
    fn topics_of(
        &self,
        bearer: &BearerToken<'_>,
        request: &Parts,
        caller: &Caller<'_>,
    ) -> Option<Result<Box<MercureClaim>, Rejection>> {
        let (route, hub) = self.routes.iter().find_map(|route| Some((route, route.mercure.as_ref()?)))?;
        let (lifetimes, now) = (&route.lifetimes, caller.unix_now);
        let verified =
            self.verifier.verify_mercure(bearer, lifetimes, now, SubjectNeed::Required, hub.version);
        let (identity, claim) = verified.ok()?;
        let need = route.client_certificate;
        let is_taken = route.takes_issuer(identity.issuer())
            && route.origins.permit(&request.headers).is_ok()
            && need.judge_peer(caller.client).is_ok()
            && need.judge_token(identity.authority(), caller.client).is_ok();
        let claim = claim.unwrap_or_default();
        let grants = claim.subscribe.is_some() || hub.anonymous;
        is_taken.then(|| if grants { Ok(Box::new(claim)) } else { Err(Rejection::GrantGone) })
    }

    fn ticket_routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter().filter(|route| route.credentials.ticket)
    }
}

fn ticket_path(body: &[u8]) -> Result<Option<Box<str>>, Rejection> {
    let TicketBody { path } = serde_json::from_slice(body).map_err(|_| Rejection::ExchangeMalformed)?;
    Ok(path)
}
