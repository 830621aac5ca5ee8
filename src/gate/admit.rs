//! Owns the order of the checks, from the target to the room, and the proof that all of them held.
//! Never knows how a check decides, nor how a refusal is written or logged.

use super::call::{BackendId, Call, Destination, Serves};
use super::extension::{self, DeflateAnswer};
use super::fetch_metadata;
use super::host::HostPolicy;
use super::origin_policy::PermittedOrigin;
use super::refused::{LoggedOrigin, Refused};
use super::route::Route;
use super::subprotocol::{self, BEARER};
use super::upgrade::UpgradeRequest;
use crate::auth::{
    Authority, Credential, Identity, Key, Lifetimes, Narrowing, Revocations, Tickets, Verifier,
};
use crate::origin::Origin;
use crate::peer::{ClientCertificate, PeerPrefix};
use crate::protocol::Transport;
use crate::rejection::{Answer, Rejection};
use crate::room::RoomName;
use crate::throttle::{CountPermit, CountTable, RateTable};
use http::request::Parts;
use std::sync::Arc;
use std::time::Instant;

/// What every request is judged by.
pub struct Gate {
    /// The hosts that are served.
    pub hosts: HostPolicy,
    /// The routes, in the order of the config.
    pub routes: Vec<Arc<Route>>,
    /// Who verifies tokens.
    pub verifier: Arc<Verifier>,
}

/// What is known of the peer before its head.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// What its failed credentials are counted to.
    pub prefix: PeerPrefix,
    /// The name it asked for in TLS.
    pub server_name: Option<&'a str>,
    /// The certificate that it has shown.
    pub client: Option<&'a ClientCertificate>,
    /// Now, for rates.
    pub now: Instant,
    /// Now, for claims: seconds since 1970-01-01.
    pub unix_now: u64,
}

/// What `admit` counts against.
pub struct Throttles {
    /// `failed_credentials_per_ip`
    pub failed_credentials: RateTable<PeerPrefix>,
    /// Tokens that are refused though they verify.
    pub revocations: Revocations,
    /// One-time tickets that wait to be used.
    pub tickets: Tickets,
    /// `connections_per_subject`
    pub subjects: Arc<CountTable<Arc<str>>>,
}

impl Gate {
    /// Whether a session that was admitted by other rules could be today: its route, its
    /// origin, its issuer and its key are still there, and its certificate is what is asked for.
    #[must_use]
    pub fn still_admits(
        &self,
        route: &str,
        origin: Option<&Origin>,
        from_cookie: bool,
        authority: &Authority,
        client: Option<&ClientCertificate>,
    ) -> bool {
        let same_route = self.routes.iter().find(|known| *known.label == *route);
        same_route.is_some_and(|route| {
            let is_trusted = if authority.is_anonymous() {
                route.mercure.as_ref().is_some_and(|hub| hub.anonymous)
            } else {
                self.verifier.trusts(authority)
            };
            let is_taken = authority.is_anonymous() || route.takes_issuer(authority.issuer());
            let need = route.client_certificate;
            let is_certified = need.judge_peer(client).is_ok()
                && (authority.is_anonymous() || need.judge_token(authority, client).is_ok());
            is_trusted && is_taken && is_certified && route.origins.still_permits(origin, from_cookie)
        })
    }

    /// The same with other keys of one issuer.
    #[must_use]
    pub fn with_keys(&self, issuer: &str, keys: &[Key]) -> Gate {
        let verifier = Arc::new(self.verifier.with_keys(issuer, keys));
        Gate { hosts: self.hosts.clone(), routes: self.routes.clone(), verifier }
    }

    /// The backend of a route.
    #[must_use]
    pub fn backend_of(&self, route: &str) -> Option<BackendId> {
        let route = self.routes.iter().find(|known| *known.label == *route)?;
        match &route.serves {
            Serves::Backend(backend) => Some(backend.id),
            Serves::Rooms => None,
        }
    }

    /// How long a token that is admitted now can be good, in seconds: so long a revocation
    /// must be remembered. The longest there is where an issuer may leave `exp` out.
    #[must_use]
    pub fn longest_authority_seconds(&self) -> u64 {
        if self.verifier.issuers().any(|issuer| !issuer.require.exp) {
            return u64::MAX;
        }
        let longest = |route: &Arc<Route>| {
            let Lifetimes { leeway, max_token_lifetime } = route.lifetimes;
            max_token_lifetime.saturating_add(leeway).saturating_add(leeway).as_secs()
        };
        self.routes.iter().map(longest).max().unwrap_or(u64::MAX)
    }
}

/// All of it holds for this request: only [`Gate::admit`] makes one.
#[must_use]
pub struct Admitted {
    identity: Identity,
    route: Arc<Route>,
    destination: Destination,
    transport: Transport,
    accept: String,
    subprotocol: Option<Box<str>>,
    deflate: Option<DeflateAnswer>,
    origin: Option<Origin>,
    narrowing: Option<Arc<Narrowing>>,
    is_listed: bool,
    from_cookie: bool,
}

impl Gate {
    /// Judges an upgrade request by the ordered checks, from the target to the room. The permit
    /// is the subject's place: it is held as long as the session lives.
    ///
    /// # Errors
    ///
    /// The first check that fails, and what may be logged of the request by then.
    pub fn admit(
        &self,
        request: &Parts,
        caller: &Caller<'_>,
        throttles: &Throttles,
    ) -> Result<(Admitted, CountPermit<Arc<str>>), Refused> {
        let mut known = Known::of(request);
        let approach = self.approach(request, caller, &mut known).map_err(|reason| known.refused(reason))?;
        approach.enter(&self.verifier, caller, throttles, &mut known).map_err(|reason| known.refused(reason))
    }

    /// The checks that need nothing but the request and the config.
    fn approach<'r>(
        &'r self,
        request: &'r Parts,
        caller: &Caller<'_>,
        known: &mut Known,
    ) -> Result<Approach<'r>, Rejection> {
        let _host = self.hosts.asked_for(request, caller.server_name)?;
        let (route, room) = Route::find(&self.routes, request.uri.path())?;
        known.route = Some(Arc::clone(&route.label));
        let upgrade = UpgradeRequest::parse(request)?;
        let deflate = if route.deflate { extension::deflate(&request.headers)? } else { None };
        let origin = route.origins.permit(&request.headers)?;
        fetch_metadata::judge(&request.headers)?;
        Ok(Approach { request, route, room, entry: Entry::WebSocket { upgrade, deflate }, origin })
    }
}

/// A request that may knock: what remains is who asks.
pub(super) struct Approach<'r> {
    pub(super) request: &'r Parts,
    pub(super) route: &'r Arc<Route>,
    pub(super) room: Option<RoomName>,
    pub(super) entry: Entry<'r>,
    pub(super) origin: PermittedOrigin,
}

/// What is asked for.
pub(super) enum Entry<'r> {
    /// A WebSocket.
    WebSocket { upgrade: UpgradeRequest<'r>, deflate: Option<DeflateAnswer> },
    /// An event stream, or that one message is taken.
    Http,
}

impl Approach<'_> {
    /// The checks of the credential, the limits of the subject, and the room.
    pub(super) fn enter(
        self,
        verifier: &Verifier,
        caller: &Caller<'_>,
        throttles: &Throttles,
        known: &mut Known,
    ) -> Result<(Admitted, CountPermit<Arc<str>>), Rejection> {
        let identity = self.identity(verifier, caller, throttles)?;
        let may_be_cookie = self.route.credentials.cookie.is_some();
        let from_cookie = may_be_cookie && self.credential().is_ok_and(|found| found.from_cookie());
        known.subject = Some(Arc::clone(identity.subject()));
        let place = throttles.subjects.hold(identity.subject(), self.route.connections_per_subject);
        let place = place.ok_or(Rejection::SubjectConnections)?;
        if let Some(room) = &self.room {
            let _grant = identity.grant(room)?;
        }
        let subprotocol = self.subprotocol();
        let destination = match (&self.route.serves, &self.entry, self.room) {
            (Serves::Backend(backend), Entry::WebSocket { upgrade, .. }, room) => {
                Destination::Backend(Call::of(self.request, upgrade.offered(), room, self.route, backend))
            }
            (Serves::Rooms, _, Some(room)) => Destination::Room(room),
            (Serves::Backend(_), Entry::Http, _) | (Serves::Rooms, _, None) => {
                return Err(Rejection::HandshakeFailed);
            }
        };
        let (transport, accept, deflate) = match self.entry {
            Entry::WebSocket { upgrade, deflate } => {
                (Transport::WebSocket, upgrade.accept().to_owned(), deflate)
            }
            Entry::Http => (Transport::Events, String::new(), None),
        };
        let admitted = Admitted {
            subprotocol,
            route: Arc::clone(self.route),
            destination,
            transport,
            accept,
            deflate,
            is_listed: self.origin.is_listed(),
            from_cookie,
            origin: self.origin.into_origin(),
            identity,
            narrowing: None,
        };
        Ok((admitted, place))
    }

    /// Who asks.
    pub(super) fn identity(
        &self,
        verifier: &Verifier,
        caller: &Caller<'_>,
        throttles: &Throttles,
    ) -> Result<Identity, Rejection> {
        let need = self.route.client_certificate;
        need.judge_peer(caller.client)?;
        proven(self.credential(), caller, throttles, |credential| {
            let identity = match credential {
                Credential::Bearer(bearer) => {
                    verifier.verify(&bearer, &self.route.lifetimes, caller.unix_now)
                }
                Credential::Ticket(text) => self.by_ticket(text, caller, throttles),
            }?;
            need.judge_token(identity.authority(), caller.client)?;
            self.route.of_issuer(identity)
        })
    }

    /// A ticket is gone with its first use, good or not.
    fn by_ticket(
        &self,
        text: &str,
        caller: &Caller<'_>,
        throttles: &Throttles,
    ) -> Result<Identity, Rejection> {
        let ticket = throttles.tickets.take(text, caller.now).ok_or(Rejection::TicketUsed)?;
        let for_this_path = ticket.path.is_none_or(|path| *path == *self.request.uri.path());
        if !for_this_path || ticket.origin.as_ref() != self.origin.origin() {
            return Err(Rejection::TicketMisused);
        }
        if ticket.identity.ends_at().is_some_and(|ends_at| caller.unix_now >= ends_at) {
            return Err(Rejection::TokenExpired);
        }
        Ok(ticket.identity)
    }

    /// The one credential. A browser sends a cookie along with whatever page asks, so without an
    /// Origin that is listed a cookie proves nothing, also where none is required of others.
    fn credential(&self) -> Result<Credential<'_>, Rejection> {
        let (request, policy) = (self.request, &self.route.credentials);
        let credential = Credential::find(&request.headers, request.uri.query(), self.offered(), policy)?;
        if credential.from_cookie() && self.origin.origin().is_none() {
            return Err(Rejection::OriginMissing);
        }
        if credential.from_cookie() && !self.origin.is_listed() {
            return Err(Rejection::OriginNotAllowed);
        }
        Ok(credential)
    }

    /// The subprotocols that were offered.
    fn offered(&self) -> &[&str] {
        match &self.entry {
            Entry::WebSocket { upgrade, .. } => upgrade.offered(),
            Entry::Http => &[],
        }
    }

    /// The subprotocol to answer. There is one credential, so where `bearer` is offered and that
    /// place is permitted, it is there.
    fn subprotocol(&self) -> Option<Box<str>> {
        let offered = self.offered();
        let bears_token = self.route.credentials.subprotocol && offered.contains(&BEARER);
        let served: &[Box<str>] = match &self.route.serves {
            Serves::Rooms => &self.route.subprotocols,
            // The backend chooses.
            Serves::Backend(_) => &[],
        };
        subprotocol::answer(offered, served, bears_token)
    }
}

/// Proves a credential, unless too many of this address have failed: that is told before any
/// cryptography. One that fails is counted.
pub(super) fn proven<C>(
    credential: Result<C, Rejection>,
    caller: &Caller<'_>,
    throttles: &Throttles,
    prove: impl FnOnce(C) -> Result<Identity, Rejection>,
) -> Result<Identity, Rejection> {
    let prefix = caller.prefix;
    let counts = credential.as_ref().map_or_else(|&reason| is_failed_credential(reason), |_| true);
    if counts && !throttles.failed_credentials.fits(&prefix, caller.now) {
        return Err(Rejection::AddressCredentials);
    }
    let identity = credential.and_then(prove).and_then(|identity| {
        let revoked = throttles.revocations.is_revoked(identity.authority());
        if revoked { Err(Rejection::TokenRevoked) } else { Ok(identity) }
    });
    if identity.as_ref().is_err_and(|&reason| is_failed_credential(reason)) {
        // The verdict is for the next credential of this address: this one has its answer.
        let _verdict = throttles.failed_credentials.take(&prefix, caller.now);
    }
    identity
}

/// A credential that was there and failed: a 401 that is not [`Rejection::CredentialMissing`].
fn is_failed_credential(reason: Rejection) -> bool {
    reason != Rejection::CredentialMissing && matches!(reason.answer(), Answer::Refuse { status: 401, .. })
}

impl Admitted {
    /// Who was admitted.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Lets the grants reach no further than this.
    ///
    /// # Errors
    ///
    /// [`Rejection::RoomNotGranted`] where its room is not within it.
    pub fn narrow(&mut self, narrowing: Narrowing) -> Result<(), Rejection> {
        // A backend is told the grants of the token: where these shall not be, nobody goes there.
        let room = self.room().ok_or(Rejection::RoomNotGranted)?;
        let _grant = self.identity.grant_within(room, Some(&narrowing))?;
        self.narrowing = Some(Arc::new(narrowing));
        Ok(())
    }

    /// How far its grants reach, where that is less than the token says.
    #[must_use]
    pub fn narrowing(&self) -> Option<&Arc<Narrowing>> {
        self.narrowing.as_ref()
    }

    /// What a refusal after this tells.
    #[must_use]
    pub fn refused(&self, reason: Rejection) -> Refused {
        let origin = self.origin.clone().map_or(LoggedOrigin::Absent, LoggedOrigin::Is);
        let (route, subject) =
            (Some(Arc::clone(&self.route.label)), Some(Arc::clone(self.identity.subject())));
        Refused { reason, route, origin, subject, backend: None }
    }

    /// By which route.
    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Where it leads: into a room that the identity grants, or to a backend.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The room, where it leads into one.
    #[must_use]
    pub fn room(&self) -> Option<&RoomName> {
        match &self.destination {
            Destination::Room(room) => Some(room),
            Destination::Backend(_) => None,
        }
    }

    /// The room that it leads into, or whose grant its backend asked for.
    #[must_use]
    pub fn room_asked_for(&self) -> Option<&RoomName> {
        match &self.destination {
            Destination::Room(room) => Some(room),
            Destination::Backend(call) => call.room(),
        }
    }

    /// The backend has chosen this subprotocol of those that it was offered. Where it chose none, the
    /// name that offered a token is answered all the same.
    pub fn choose_subprotocol(&mut self, chosen: &str) {
        let Destination::Backend(call) = &self.destination else { return };
        if let Some(offered) = call.offered().iter().find(|offered| ***offered == *chosen) {
            self.subprotocol = Some(offered.clone());
        }
    }

    /// What the session will speak.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The `Sec-WebSocket-Accept` of the 101.
    #[must_use]
    pub fn accept(&self) -> &str {
        &self.accept
    }

    /// The `Sec-WebSocket-Protocol` of the 101, if it has one: a token that was offered, hence
    /// visible ASCII.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The `Sec-WebSocket-Extensions` of the 101, if it has one.
    #[must_use]
    pub fn extension(&self) -> Option<&'static str> {
        self.deflate.map(DeflateAnswer::text)
    }

    /// Whether messages may be compressed (RFC 7692).
    #[must_use]
    pub fn deflates(&self) -> bool {
        self.deflate.is_some()
    }

    /// The page that asked, if it was one.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Whether its origin would be refused but for `report_only`.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        !self.is_listed
    }

    /// Whether its credential came in a cookie.
    #[must_use]
    pub fn from_cookie(&self) -> bool {
        self.from_cookie
    }

    /// What a session needs.
    pub fn into_session(self) -> (Identity, Arc<Route>, Destination) {
        (self.identity, self.route, self.destination)
    }
}

/// What may be logged, as it becomes known.
#[derive(Default)]
pub(super) struct Known {
    pub(super) route: Option<Arc<str>>,
    origin: LoggedOrigin,
    pub(super) subject: Option<Arc<str>>,
}

impl Known {
    /// What a request says of itself.
    pub(super) fn of(request: &Parts) -> Known {
        Known { origin: LoggedOrigin::of(&request.headers), ..Known::default() }
    }

    pub(super) fn refused(&mut self, reason: Rejection) -> Refused {
        let Known { route, origin, subject } = std::mem::take(self);
        Refused { reason, route, origin, subject, backend: None }
    }
}

#[cfg(test)]
mod tests;
