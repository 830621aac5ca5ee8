//! Owns the checks of a Mercure hub: who may subscribe, publish, and see who subscribes.
//! Never knows a stream, nor what becomes of an update.

use super::admit::{Caller, Gate, Known, Throttles, proven};
use super::binding::CertificateNeed;
use super::fetch_metadata;
use super::host::Host;
use super::hub_request::{SubscriptionsAsked, last_event_id, subscriptions_asked, wanted};
use super::matchers::matchers;
use super::origin_policy::PermittedOrigin;
use super::refused::{LoggedOrigin, Refused};
use super::route::{MercureRoute, Route};
use super::stream::{Reader, asked_by};
use crate::auth::{Authority, BearerToken, Credential, CredentialPolicy, Revocations, SubjectNeed};
use crate::mercure::{Form, MercureClaim, PublishPort, Settings, TopicMap, TopicSelector, Version};
use crate::origin::Origin;
use crate::rejection::Rejection;
use crate::throttle::CountPermit;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, ORIGIN};
use http::request::Parts;
use serde_json::Value;
use std::sync::Arc;

/// What came of a request to a hub.
#[must_use]
pub enum HubAnswer {
    /// Updates as an event stream; the permit is the subject's place.
    Subscribe(Box<Subscribing>, CountPermit<Arc<str>>),
    /// An update, once its body is there.
    Publish(Box<Publishing>),
    /// Who subscribes.
    Subscriptions(SubscriptionsAsked),
    /// What the hub is to clients (RFC 9728).
    Metadata(Value),
    /// A page may ask with these methods (Fetch standard, CORS-preflight fetch).
    Preflight(&'static str),
}

/// The verdict, and the page that may read the answer.
pub struct HubAsked {
    /// What came of it.
    pub verdict: Result<HubAnswer, Refused>,
    /// The page that asked, where its origin is allowed.
    pub reader: Option<Reader>,
    /// Where a client that is refused for its token learns who makes one.
    pub metadata: Option<String>,
}

/// May subscribe to topics: only [`Gate::hub`] makes one.
#[must_use]
pub struct Subscribing {
    authority: Authority,
    route: Arc<Route>,
    origin: Option<Origin>,
    wanted: Vec<TopicSelector>,
    claim: Option<MercureClaim>,
    last_event_id: Option<Box<str>>,
}

/// May publish to some topics: only [`Gate::hub`] and [`Gate::publisher`] make one.
#[must_use]
pub struct Publishing {
    authority: Authority,
    route: Arc<Route>,
    origin: Option<Origin>,
    granted: Vec<TopicSelector>,
}

impl Gate {
    /// Whether a request goes to a hub.
    #[must_use]
    pub fn is_hub(&self, request: &Parts) -> bool {
        let path = request.uri.path();
        self.hub_at(path).is_some() || self.metadata_at(path).is_some()
    }

    /// What the configuration says of the hub, if there is one.
    #[must_use]
    pub fn hub_settings(&self) -> Settings {
        let hub = self.routes.iter().find_map(|route| route.mercure.as_ref());
        hub.map(|hub| hub.settings.clone()).unwrap_or_default()
    }

    /// The hub's route, and what is behind its path.
    pub(super) fn hub_at<'p>(&self, path: &'p str) -> Option<(&Arc<Route>, &MercureRoute, &'p str)> {
        self.routes.iter().find_map(|route| {
            let hub = route.mercure.as_deref()?;
            let below = path.strip_prefix(&*route.label)?;
            (below.is_empty() || below.starts_with('/')).then_some((route, hub, below))
        })
    }

    /// Judges a request to a hub, in the order of the checks of a handshake.
    pub fn hub(&self, request: &Parts, caller: &Caller<'_>, throttles: &Throttles) -> HubAsked {
        let mut known = Known::of(request);
        let mut reader = None;
        let verdict = self.judge_hub(request, caller, throttles, &mut known, &mut reader);
        let metadata = verdict.as_ref().err().and_then(|reason| self.metadata_for(*reason, request));
        HubAsked { verdict: verdict.map_err(|reason| known.refused(reason)), reader, metadata }
    }

    fn judge_hub(
        &self,
        request: &Parts,
        caller: &Caller<'_>,
        throttles: &Throttles,
        known: &mut Known,
        reader: &mut Option<Reader>,
    ) -> Result<HubAnswer, Rejection> {
        let host = self.hosts.asked_for(request, caller.server_name)?;
        let metadata = self.metadata_at(request.uri.path());
        let found = metadata.map(|(route, hub)| (route, hub, ""));
        let found = found.or_else(|| self.hub_at(request.uri.path()));
        let (route, hub, below) = found.ok_or(Rejection::RouteNotFound)?;
        known.route = Some(Arc::clone(&route.label));
        let at = Asking { gate: self, request, caller, throttles, route, hub, host };
        let judged = if metadata.is_some() { at.metadata(reader) } else { at.judge(below, known, reader) };
        judged.map_err(|reason| match (hub.version, reason) {
            (Version::One, Rejection::OriginNotAllowed) => Rejection::OriginMisdirected,
            (Version::Zero | Version::One, reason) => reason,
        })
    }

    /// Judges a publication on the internal port, which has judged who may reach it: the token is
    /// asked for as on the public port, whatever `publish` says. `None` where no hub has this path.
    pub fn publisher(
        &self,
        path: &str,
        headers: &HeaderMap,
        query: Option<&str>,
        unix_now: u64,
        revocations: &Revocations,
    ) -> Option<Result<Publishing, Rejection>> {
        let (route, hub, _) = self.hub_at(path).filter(|(_, _, below)| below.is_empty())?;
        let policy = CredentialPolicy { header: true, subprotocol: false, cookie: None, ticket: false };
        let judged = is_form(headers).and_then(|()| {
            let bearer = BearerToken::find(headers, query, &[], &policy)?;
            let lifetimes = &route.lifetimes;
            let (identity, claim) = self.verifier.verify_mercure(
                &bearer,
                lifetimes,
                unix_now,
                SubjectNeed::Optional,
                hub.version,
            )?;
            let identity = route.of_issuer(identity)?;
            if revocations.is_revoked(identity.authority()) {
                return Err(Rejection::TokenRevoked);
            }
            // Nobody shows the certificate of a peer on the internal port.
            CertificateNeed::Optional.judge_token(identity.authority(), None)?;
            Publishing::granted(identity.authority().clone(), claim, route, None)
        });
        Some(judged)
    }
}

/// One request to a hub, on its way through the checks.
pub(super) struct Asking<'r> {
    pub(super) gate: &'r Gate,
    pub(super) request: &'r Parts,
    caller: &'r Caller<'r>,
    throttles: &'r Throttles,
    pub(super) route: &'r Arc<Route>,
    pub(super) hub: &'r MercureRoute,
    pub(super) host: Host<'r>,
}

impl Asking<'_> {
    fn judge(
        &self,
        below: &str,
        known: &mut Known,
        reader: &mut Option<Reader>,
    ) -> Result<HubAnswer, Rejection> {
        let hub = self.hub;
        match (below, &self.request.method) {
            ("", &Method::GET) => self.subscribe(known, reader),
            ("", &Method::POST) if hub.publish == PublishPort::Public => self.publish(known, reader),
            ("", &Method::OPTIONS) => self.preflight(reader),
            ("", _) if hub.publish == PublishPort::Internal => Err(Rejection::MethodNotAllowed),
            ("", _) => Err(Rejection::StreamMethod),
            (below, method) => {
                let asked = subscriptions_asked(self.request.uri.path(), below, hub.version);
                let asked = asked.filter(|_| hub.settings.subscriptions).ok_or(Rejection::RouteNotFound)?;
                match *method {
                    Method::GET => self.subscriptions(asked, known, reader),
                    Method::OPTIONS => self.preflight(reader),
                    _ => Err(Rejection::MethodNotAllowed),
                }
            }
        }
    }

    fn subscribe(&self, known: &mut Known, reader: &mut Option<Reader>) -> Result<HubAnswer, Rejection> {
        let query = self.request.uri.query();
        let wanted = match self.hub.version {
            Version::Zero => wanted(query),
            Version::One => matchers(query),
        }?;
        let last_event_id = last_event_id(self.request, self.hub.version)?;
        let origin = self.reading_page(reader)?;
        self.route.client_certificate.judge_peer(self.caller.client)?;
        let (authority, claim) = match self.reader_credential(&origin) {
            Err(Rejection::CredentialMissing) if self.hub.anonymous => (Authority::anonymous(), None),
            credential => {
                let (authority, claim) = self.proven(credential, SubjectNeed::Required)?;
                known.subject = Some(Arc::clone(authority.subject()));
                let grants = claim.as_ref().is_some_and(|claim| claim.subscribe.is_some());
                if !grants && !self.hub.anonymous {
                    return Err(Rejection::TopicNotGranted);
                }
                (authority, claim)
            }
        };
        // Nobody in particular has no number of connections of its own: the limits of the address hold.
        let most = if authority.is_anonymous() { usize::MAX } else { self.route.connections_per_subject };
        let place = self.throttles.subjects.hold(authority.subject(), most);
        let place = place.ok_or(Rejection::SubjectConnections)?;
        let (route, origin) = (Arc::clone(self.route), origin.into_origin());
        let subscribing = Subscribing { authority, route, origin, wanted, claim, last_event_id };
        Ok(HubAnswer::Subscribe(Box::new(subscribing), place))
    }

    fn publish(&self, known: &mut Known, reader: &mut Option<Reader>) -> Result<HubAnswer, Rejection> {
        let headers = &self.request.headers;
        is_form(headers)?;
        // A backend sends no Origin. A page sends one, and may publish only where it is listed for that.
        let origin = match (&self.hub.publish_origins, headers.contains_key(ORIGIN)) {
            (_, false) => None,
            (Some(origins), true) => origins.permit(headers)?.into_origin(),
            (None, true) => return Err(Rejection::OriginNotAllowed),
        };
        *reader = self.reader_of(origin.as_ref());
        fetch_metadata::judge_fetch(headers)?;
        self.route.client_certificate.judge_peer(self.caller.client)?;
        let credential = self.credential(origin.is_some());
        let (authority, claim) = self.proven(credential, SubjectNeed::Optional)?;
        known.subject = authority.known_subject().cloned();
        let publishing = Publishing::granted(authority, claim, self.route, origin)?;
        Ok(HubAnswer::Publish(Box::new(publishing)))
    }

    fn subscriptions(
        &self,
        asked: SubscriptionsAsked,
        known: &mut Known,
        reader: &mut Option<Reader>,
    ) -> Result<HubAnswer, Rejection> {
        let origin = self.reading_page(reader)?;
        self.route.client_certificate.judge_peer(self.caller.client)?;
        let (authority, claim) = self.proven(self.reader_credential(&origin), SubjectNeed::Required)?;
        known.subject = Some(Arc::clone(authority.subject()));
        let granted = claim.and_then(|claim| claim.subscribe).unwrap_or_default();
        if granted.iter().any(|selector| selector.matches(&asked.path)) {
            Ok(HubAnswer::Subscriptions(asked))
        } else {
            Err(Rejection::TopicNotGranted)
        }
    }

    pub(super) fn preflight(&self, reader: &mut Option<Reader>) -> Result<HubAnswer, Rejection> {
        let headers = &self.request.headers;
        let publishes = self.hub.publish_origins.as_ref().and_then(|origins| origins.permit(headers).ok());
        let (origin, methods) = match publishes {
            Some(origin) => (origin, "GET, POST"),
            None => (self.route.origins.permit(headers)?, "GET"),
        };
        *reader = self.reader_of(origin.origin());
        Ok(HubAnswer::Preflight(methods))
    }

    /// The page that wants to read.
    fn reading_page(&self, reader: &mut Option<Reader>) -> Result<PermittedOrigin, Rejection> {
        let origin = asked_by(self.route, self.request, &self.host)?;
        *reader = self.reader_of(origin.origin().filter(|_| self.request.headers.contains_key(ORIGIN)));
        fetch_metadata::judge_fetch(&self.request.headers)?;
        Ok(origin)
    }

    pub(super) fn reader_of(&self, origin: Option<&Origin>) -> Option<Reader> {
        Reader::of(self.route, origin)
    }

    fn reader_credential(&self, origin: &PermittedOrigin) -> Result<Credential<'_>, Rejection> {
        self.credential(origin.origin().is_some())
    }

    /// The one credential. A browser sends a cookie along with whatever page asks, so it is worth
    /// nothing where nobody knows which page that is.
    fn credential(&self, page_is_known: bool) -> Result<Credential<'_>, Rejection> {
        let query = self.request.uri.query();
        let credential = Credential::find(&self.request.headers, query, &[], &self.route.credentials)?;
        if credential.from_cookie() && !page_is_known {
            return Err(Rejection::OriginMissing);
        }
        Ok(credential)
    }

    fn proven(
        &self,
        credential: Result<Credential<'_>, Rejection>,
        subject: SubjectNeed,
    ) -> Result<(Authority, Option<MercureClaim>), Rejection> {
        let mut claim = None;
        let identity = proven(credential, self.caller, self.throttles, |credential| match credential {
            Credential::Bearer(bearer) => {
                let (lifetimes, now) = (&self.route.lifetimes, self.caller.unix_now);
                let (identity, found) =
                    self.gate.verifier.verify_mercure(&bearer, lifetimes, now, subject, self.hub.version)?;
                claim = found;
                let need = self.route.client_certificate;
                need.judge_token(identity.authority(), self.caller.client)?;
                self.route.of_issuer(identity)
            }
            // The configuration leaves no place for tickets here.
            Credential::Ticket(_) => Err(Rejection::TicketUsed),
        })?;
        Ok((identity.authority().clone(), claim))
    }
}

impl Subscribing {
    /// Who subscribes.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// By which route.
    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The page that asked, if it was one.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// The topic selectors that it names.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().map(TopicSelector::as_str)
    }

    /// What a refusal after this tells.
    #[must_use]
    pub fn refused(&self, reason: Rejection) -> Refused {
        refused(reason, &self.route, self.origin.as_ref(), &self.authority)
    }

    /// What is wanted, what is granted, and the update that was read last.
    #[must_use]
    pub fn into_wish(self) -> (Vec<TopicSelector>, Option<MercureClaim>, Option<Box<str>>) {
        (self.wanted, self.claim, self.last_event_id)
    }
}

impl Publishing {
    fn granted(
        authority: Authority,
        claim: Option<MercureClaim>,
        route: &Arc<Route>,
        origin: Option<Origin>,
    ) -> Result<Publishing, Rejection> {
        // Also for public updates a publisher needs the claim.
        let granted = claim.and_then(|claim| claim.publish).ok_or(Rejection::TopicNotGranted)?;
        Ok(Publishing { authority, route: Arc::clone(route), origin, granted })
    }

    /// The publication of a body; every topic of it must be granted.
    ///
    /// # Errors
    /// As [`Form::parse`] or [`Form::parse_one`]; [`Rejection::TopicNotGranted`].
    pub fn form(&self, body: &[u8]) -> Result<Form, Rejection> {
        let most = self.route.session.codec.message_bytes;
        let form = match self.route.mercure.as_ref().map(|hub| hub.version).unwrap_or_default() {
            Version::Zero => Form::parse(body, most, &self.route.label),
            Version::One => Form::parse_one(body, most, &self.route.label),
        }?;
        let is_granted = |topic: &str| self.granted.iter().any(|selector| selector.matches(topic));
        if form.topics().all(is_granted) { Ok(form) } else { Err(Rejection::TopicNotGranted) }
    }

    /// Which of its topics are rooms.
    #[must_use]
    pub fn map(&self) -> Option<&TopicMap> {
        self.route.mercure.as_ref()?.settings.map.as_deref()
    }

    /// What may be logged of it, with the reason why it is refused after all.
    pub fn refused(&self, reason: Rejection) -> Refused {
        refused(reason, &self.route, self.origin.as_ref(), &self.authority)
    }
}

fn refused(reason: Rejection, route: &Arc<Route>, origin: Option<&Origin>, authority: &Authority) -> Refused {
    Refused {
        reason,
        route: Some(Arc::clone(&route.label)),
        origin: origin.cloned().map_or(LoggedOrigin::Absent, LoggedOrigin::Is),
        subject: authority.known_subject().cloned(),
        backend: None,
    }
}

fn is_form(headers: &HeaderMap) -> Result<(), Rejection> {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(Rejection::PublishType) };
    let name = line.as_bytes().split(|octet| *octet == b';').next().unwrap_or_default();
    let is_form = name.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded");
    if is_form { Ok(()) } else { Err(Rejection::PublishType) }
}
