//! Owns the checks of those who have no WebSocket: an event stream of a room by GET, and one message
//! into it by POST.
//! Never knows a stream, nor who is in a room.

use super::admit::{Admitted, Approach, Caller, Entry, Gate, Known, Throttles};
use super::fetch_metadata;
use super::host::Host;
use super::origin_policy::PermittedOrigin;
use super::refused::{LoggedOrigin, Refused};
use super::route::Route;
use crate::auth::{Identity, Narrowing, RoomGrant};
use crate::codec::{self, Opcode};
use crate::origin::Origin;
use crate::protocol::SessionPolicy;
use crate::rejection::Rejection;
use crate::room::RoomName;
use crate::throttle::{CountPermit, Verdict};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Method};
use std::sync::Arc;

/// What came of it.
#[must_use]
pub enum Streamed {
    /// The room as an event stream; the permit is the subject's place.
    Stream(Box<Admitted>, CountPermit<Arc<str>>),
    /// One message, once its body is there.
    Message(Box<Sending>),
    /// A page may ask (Fetch standard, CORS-preflight fetch).
    Preflight,
}

/// The verdict, and the page that may read the answer.
pub struct Streaming {
    /// What came of it.
    pub verdict: Result<Streamed, Refused>,
    /// The page that asked, where its origin is allowed: it may read refusals, too.
    pub reader: Option<Reader>,
}

/// A page that may read an answer.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Its origin.
    pub origin: Origin,
    /// Also where the browser sent a cookie along (`Access-Control-Allow-Credentials`).
    pub with_cookie: bool,
}

impl Reader {
    /// The page of this origin, as the route has it.
    pub(super) fn of(route: &Route, origin: Option<&Origin>) -> Option<Reader> {
        let with_cookie = route.credentials.cookie.is_some();
        origin.cloned().map(|origin| Reader { origin, with_cookie })
    }
}

impl Gate {
    /// Whether a request is one of these at all. On a route without `sse` nothing is; a GET that
    /// does not ask for an event stream is told to upgrade, as everywhere.
    #[must_use]
    pub fn is_stream(&self, request: &Parts) -> bool {
        let Some((route, _)) = Route::at(&self.routes, request.uri.path()) else { return false };
        let is_asked = request.method != Method::GET || asks_for_events(&request.headers);
        route.streams.is_some() && is_asked
    }

    /// Judges one of these requests, in the order of the checks of a handshake.
    pub fn stream(&self, request: &Parts, caller: &Caller<'_>, throttles: &Throttles) -> Streaming {
        let mut known = Known::of(request);
        let mut reader = None;
        let verdict = self.judge_stream(request, caller, throttles, &mut known, &mut reader);
        Streaming { verdict: verdict.map_err(|reason| known.refused(reason)), reader }
    }

    fn judge_stream(
        &self,
        request: &Parts,
        caller: &Caller<'_>,
        throttles: &Throttles,
        known: &mut Known,
        reader: &mut Option<Reader>,
    ) -> Result<Streamed, Rejection> {
        let host = self.hosts.asked_for(request, caller.server_name)?;
        let (route, room) = Route::find(&self.routes, request.uri.path())?;
        known.route = Some(Arc::clone(&route.label));
        if ![Method::GET, Method::POST, Method::OPTIONS].contains(&request.method) {
            return Err(Rejection::StreamMethod);
        }
        let origin = asked_by(route, request, &host)?;
        // A page of this very host, which sent none, may read whatever it gets.
        let named = origin.origin().filter(|_| request.headers.contains_key(ORIGIN));
        *reader = Reader::of(route, named);
        if request.method == Method::OPTIONS {
            return Ok(Streamed::Preflight);
        }
        fetch_metadata::judge_fetch(&request.headers)?;
        let approach = Approach { request, route, room, entry: Entry::Http, origin };
        if request.method == Method::GET {
            let (admitted, place) = approach.enter(&self.verifier, caller, throttles, known)?;
            return Ok(Streamed::Stream(Box::new(admitted), place));
        }
        let identity = approach.identity(&self.verifier, caller, throttles)?;
        known.subject = Some(Arc::clone(identity.subject()));
        Sending::judge(approach, identity, caller).map(|sending| Streamed::Message(Box::new(sending)))
    }
}

/// The page that asks. A browser sends no Origin with a GET to the page's own host, but says that it
/// is one; such a page must be listed as any other.
pub(super) fn asked_by(
    route: &Route,
    request: &Parts,
    host: &Host<'_>,
) -> Result<PermittedOrigin, Rejection> {
    let headers = &request.headers;
    let is_own = request.method == Method::GET
        && !headers.contains_key(ORIGIN)
        && fetch_metadata::is_same_origin(headers);
    if is_own { route.origins.permit_own(host) } else { route.origins.permit(headers) }
}

/// `Accept` names event streams (not just anything), and nothing is to be upgraded.
fn asks_for_events(headers: &HeaderMap) -> bool {
    let names = |line: &HeaderValue| {
        let ranges = line.as_bytes().split(|octet| *octet == b',');
        ranges.into_iter().any(|range| {
            let name = range.split(|octet| *octet == b';').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
        })
    };
    !headers.contains_key(UPGRADE) && headers.get_all(ACCEPT).iter().any(names)
}

/// One message may be sent into a room: only [`Gate::stream`] makes one.
#[must_use]
pub struct Sending {
    identity: Identity,
    route: Arc<Route>,
    room: RoomName,
    kind: Opcode,
    origin: Option<Origin>,
}

impl Sending {
    /// As in a session, a room is entered by a subscribe grant and written into by a publish grant.
    fn judge(approach: Approach<'_>, identity: Identity, caller: &Caller<'_>) -> Result<Sending, Rejection> {
        let Approach { request, route, room, origin, .. } = approach;
        let room = room.ok_or(Rejection::HandshakeFailed)?;
        if !identity.grant(&room)?.may_publish() {
            return Err(Rejection::SendNotGranted);
        }
        let streams = route.streams.as_ref().ok_or(Rejection::StreamMethod)?;
        if streams.sent.take(identity.subject(), caller.now) != Verdict::Within {
            return Err(Rejection::SendRate);
        }
        let kind = kind(&request.headers, &route.session)?;
        let origin = origin.into_origin();
        Ok(Sending { identity, route: Arc::clone(route), room, kind, origin })
    }

    /// The message as a frame.
    ///
    /// # Errors
    /// [`Rejection::BodyTooLarge`], [`Rejection::SendUtf8`].
    pub fn frame(&self, body: &[u8]) -> Result<Bytes, Rejection> {
        if body.len() > self.route.session.codec.message_bytes {
            return Err(Rejection::BodyTooLarge);
        }
        if self.kind == Opcode::Text && std::str::from_utf8(body).is_err() {
            return Err(Rejection::SendUtf8);
        }
        let mut frame = Vec::with_capacity(codec::encoded_len(body.len()));
        codec::encode(self.kind, body, &mut frame);
        Ok(Bytes::from(frame))
    }

    /// The grant that it stands on.
    ///
    /// # Errors
    /// None: it was judged before this was made.
    pub fn grant(&self) -> Result<RoomGrant<'_>, Rejection> {
        self.identity.grant(&self.room)
    }

    /// By which route.
    #[must_use]
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// Text or binary.
    #[must_use]
    pub fn kind(&self) -> Opcode {
        self.kind
    }

    /// The page that sends, if it is one.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Whether it may still be sent where the grants reach no further than this.
    ///
    /// # Errors
    /// [`Rejection::RoomNotGranted`], [`Rejection::SendNotGranted`].
    pub fn within(&self, narrowing: &Narrowing) -> Result<(), Rejection> {
        let grant = self.identity.grant_within(&self.room, Some(narrowing))?;
        if grant.may_publish() { Ok(()) } else { Err(Rejection::SendNotGranted) }
    }

    /// What may be logged of it, with the reason why it is refused after all.
    pub fn refused(&self, reason: Rejection) -> Refused {
        Refused {
            reason,
            route: Some(Arc::clone(&self.route.label)),
            origin: self.origin.clone().map_or(LoggedOrigin::Absent, LoggedOrigin::Is),
            subject: Some(Arc::clone(self.identity.subject())),
            backend: None,
        }
    }
}

/// `application/octet-stream` is a binary message, everything else is text.
fn kind(headers: &HeaderMap, policy: &SessionPolicy) -> Result<Opcode, Rejection> {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let is_binary = match (lines.next(), lines.next()) {
        (None, _) => false,
        (Some(line), None) => {
            let name = line.as_bytes().split(|octet| *octet == b';').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(b"application/octet-stream")
        }
        (Some(_), Some(_)) => return Err(Rejection::SendKind),
    };
    match is_binary {
        true if policy.binary => Ok(Opcode::Binary),
        false if policy.text => Ok(Opcode::Text),
        true | false => Err(Rejection::SendKind),
    }
}
