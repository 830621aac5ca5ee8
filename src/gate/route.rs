//! Owns which path belongs to which route, and what a route asks of a peer.
//! Never knows a peer, nor what a session does.

use super::binding::CertificateNeed;
use super::call::Serves;
use super::origin_policy::OriginPolicy;
use crate::auth::{CredentialPolicy, Identity, Lifetimes};
use crate::mercure::{PublishPort, Settings, Version};
use crate::protocol::SessionPolicy;
use crate::rejection::Rejection;
use crate::room::RoomName;
use crate::throttle::RateTable;
use std::sync::Arc;

/// `[[route]]`: a path, and what is asked of those who want to go there.
pub struct Route {
    /// The paths that lead here.
    pub pattern: PathPattern,
    /// The configured path, as it is logged.
    pub label: Arc<str>,
    /// The room of a route whose path has no `{room}`.
    pub room: Option<RoomName>,
    /// Where its sessions belong.
    pub serves: Serves,
    /// Who may ask.
    pub origins: OriginPolicy,
    /// Where a credential may be.
    pub credentials: CredentialPolicy,
    /// The issuers whose tokens are taken; all where none is named.
    pub issuers: Option<Box<[Box<str>]>>,
    /// What is asked of the certificate of a peer.
    pub client_certificate: CertificateNeed,
    /// How long a token may live.
    pub lifetimes: Lifetimes,
    /// The subprotocols that are served, or offered to a backend.
    pub subprotocols: Vec<Box<str>>,
    /// Whether permessage-deflate is served (RFC 7692).
    pub deflate: bool,
    /// What is served to those who have no WebSocket, if anything is.
    pub streams: Option<Box<Streams>>,
    /// The hub that is served, if one is.
    pub mercure: Option<Box<MercureRoute>>,
    /// What a session may do.
    pub session: Arc<SessionPolicy>,
    /// Sessions that one subject may hold.
    pub connections_per_subject: usize,
}

/// `sse = true`: the room as an event stream, and messages by POST.
pub struct Streams {
    /// `messages_per_connection`, of a subject: each POST comes on a connection of its own.
    pub sent: RateTable<Arc<str>>,
}

/// `kind = "mercure"`.
pub struct MercureRoute {
    /// Which version of the protocol it speaks.
    pub version: Version,
    /// Whether whoever has no token may read public updates.
    pub anonymous: bool,
    /// Where updates are published.
    pub publish: PublishPort,
    /// The pages that may publish, if any may.
    pub publish_origins: Option<OriginPolicy>,
    /// How the hub is kept.
    pub settings: Settings,
}

impl Route {
    /// Whether its sessions are in rooms, where each message is one of the gateway's own to hand on.
    #[must_use]
    pub fn has_rooms(&self) -> bool {
        matches!(self.serves, Serves::Rooms) && self.mercure.is_none()
    }

    /// Octets of the body that a POST to this route may have; `None` where it takes none.
    pub(super) fn body_bytes_max(&self) -> Option<usize> {
        let message_bytes = self.session.codec.message_bytes;
        match &self.mercure {
            Some(hub) if hub.publish == PublishPort::Public => {
                // In a form an octet may take three, and there are the other fields.
                Some(message_bytes.saturating_mul(3).saturating_add(FORM_BYTES_OVER_DATA))
            }
            Some(_) => None,
            None => self.streams.as_ref().map(|_| message_bytes),
        }
    }

    /// Whether tokens of an issuer are taken here.
    pub(super) fn takes_issuer(&self, issuer: Option<&str>) -> bool {
        let Some(issuers) = &self.issuers else { return true };
        issuer.is_some_and(|issuer| issuers.iter().any(|taken| **taken == *issuer))
    }

    /// Lets an identity go on whose issuer is taken here.
    pub(super) fn of_issuer(&self, identity: Identity) -> Result<Identity, Rejection> {
        if self.takes_issuer(identity.issuer()) { Ok(identity) } else { Err(Rejection::TokenIssuer) }
    }

    /// The route of a path and the room it leads to, which a route to a backend need not have. Where
    /// two routes match, the one whose path
    /// is written out comes before one with `{room}`, and then the first in the config.
    ///
    /// # Errors
    ///
    /// [`Rejection::RouteNotFound`]; [`Rejection::HandshakeFailed`] where there must be a room and is none.
    pub(super) fn find<'r>(
        routes: &'r [Arc<Route>],
        path: &str,
    ) -> Result<(&'r Arc<Route>, Option<RoomName>), Rejection> {
        let (route, found) = Route::at(routes, path).ok_or(Rejection::RouteNotFound)?;
        let room = match found {
            // The path goes on, and a backend may resolve its dots (RFC 3986 section 5.2.4).
            PathMatch::Room(room)
                if matches!(route.serves, Serves::Backend(_)) && matches!(room.as_str(), "." | "..") =>
            {
                return Err(Rejection::RouteNotFound);
            }
            PathMatch::Room(room) => Some(room),
            PathMatch::Literal => route.room.clone(),
        };
        match (&route.serves, &room) {
            // A hub has no room of its own.
            (Serves::Rooms, None) if route.mercure.is_some() => Err(Rejection::RouteNotFound),
            (Serves::Rooms, None) => Err(Rejection::HandshakeFailed),
            (Serves::Rooms | Serves::Backend(_), _) => Ok((route, room)),
        }
    }

    /// The route of a path, and how the path matched.
    pub(super) fn at<'r>(routes: &'r [Arc<Route>], path: &str) -> Option<(&'r Arc<Route>, PathMatch)> {
        let matches = || routes.iter().filter_map(|route| Some((route, route.pattern.capture(path)?)));
        matches().find(|(_, found)| matches!(found, PathMatch::Literal)).or_else(|| matches().next())
    }
}

const FORM_BYTES_OVER_DATA: usize = 64 << 10;

/// A path of literal segments, of which one may be `{room}`.
///
/// A path is compared octet by octet: nothing is decoded and no dots are resolved, so that no
/// two spellings lead to one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Room,
}

/// How a path matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// As it is written.
    Literal,
    /// With this room in the place of `{room}`.
    Room(RoomName),
}

impl PathPattern {
    /// Takes a path such as `/chat/{room}`.
    ///
    /// # Errors
    ///
    /// What to write instead of what is not such a path.
    pub fn parse(path: &str) -> Result<PathPattern, String> {
        let Some(rest) = path.strip_prefix('/') else {
            return Err("a path starts with a slash, such as \"/chat/{room}\"".to_owned());
        };
        let segments = rest.split('/').map(Segment::parse).collect::<Result<Box<[_]>, _>>()?;
        let (_last, before) = segments.split_last().unwrap_or((&Segment::Room, &[]));
        if before.contains(&Segment::Literal("".into())) {
            return Err("a path has no empty segment; remove a slash".to_owned());
        }
        if segments.iter().filter(|&segment| *segment == Segment::Room).count() > 1 {
            return Err("a path has one {room} at most".to_owned());
        }
        Ok(PathPattern { segments })
    }

    /// Whether `{room}` is one of its segments.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.segments.contains(&Segment::Room)
    }

    /// How it matches a path; `None` if it does not.
    #[must_use]
    pub fn capture(&self, path: &str) -> Option<PathMatch> {
        let mut found = PathMatch::Literal;
        let mut parts = path.strip_prefix('/')?.split('/');
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Literal(literal) if **literal == *part => {}
                Segment::Literal(_) => return None,
                Segment::Room => found = PathMatch::Room(RoomName::parse(part)?),
            }
        }
        parts.next().is_none().then_some(found)
    }
}

impl Segment {
    fn parse(segment: &str) -> Result<Segment, String> {
        match segment {
            "{room}" => Ok(Segment::Room),
            "." | ".." => Err(format!("no peer sends the segment \"{segment}\"; write the path it means")),
            _ if segment.contains(['{', '}']) => {
                Err("{room} stands for a whole segment, such as \"/chat/{room}\"".to_owned())
            }
            _ if segment.contains('%') => {
                Err("paths are compared without percent-decoding; write one without %".to_owned())
            }
            _ if segment.bytes().all(is_path_octet) => Ok(Segment::Literal(segment.into())),
            _ => Err("a path has letters, digits and -._~!$&'()*+,;=:@ between its slashes".to_owned()),
        }
    }
}

/// `pchar` of RFC 3986 section 3.3 without percent-encoding.
fn is_path_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::support;

    fn pattern(path: &str) -> PathPattern {
        PathPattern::parse(path).expect(path)
    }

    fn room(name: &str) -> Option<PathMatch> {
        Some(PathMatch::Room(RoomName::parse(name).expect(name)))
    }

    #[test]
    fn a_path_matches_octet_by_octet_and_a_room_is_one_whole_segment() {
        let longest = "r".repeat(128);
        for (path, found) in [
            ("/chat/lobby", room("lobby")),
            ("/chat/a.b_c~d:e@f-g", room("a.b_c~d:e@f-g")),
            ("/chat/..", room("..")),
            (&*format!("/chat/{longest}"), room(&longest)),
            (&*format!("/chat/{longest}r"), None),
            ("/chat/", None),
            ("/chat", None),
            ("/", None),
            ("", None),
            ("*", None),
            ("chat/lobby", None),
            ("/chat/lobby/", None),
            ("/chat/lobby/x", None),
            ("//chat/lobby", None),
            ("/chat//lobby", None),
            ("/Chat/lobby", None),
            ("/chat/../admin", None),
            ("/./chat/lobby", None),
            ("/%63hat/lobby", None),
            ("/chat/%2e%2e", None),
            ("/chat/lob%62y", None),
            ("/chat%2flobby", None),
            ("/chat/lobby;x", None),
            ("/chat/lobby*", None),
            ("/chat/lo\\by", None),
            ("/chat/{room}", None),
        ] {
            assert_eq!(pattern("/chat/{room}").capture(path), found, "{path}");
        }
    }

    #[test]
    fn literal_paths_match_only_themselves() {
        for (path, other) in [
            ("/", "//"),
            ("/chat", "/chat/"),
            ("/chat/", "/chat"),
            ("/.well-known/mercure", "/.well-known/Mercure"),
        ] {
            assert_eq!(pattern(path).capture(path), Some(PathMatch::Literal), "{path}");
            assert_eq!(pattern(path).capture(other), None, "{path} {other}");
            assert!(!pattern(path).has_room());
        }
        assert!(pattern("/{room}/ws").has_room());
        assert_eq!(pattern("/{room}/ws").capture("/lobby/ws"), room("lobby"));
    }

    #[test]
    fn what_is_no_path_is_told_with_a_remedy() {
        for (path, remedy) in [
            ("", "slash"),
            ("chat", "slash"),
            ("/chat//x", "empty segment"),
            ("//", "empty segment"),
            ("/{room}/{room}", "one {room}"),
            ("/chat-{room}", "whole segment"),
            ("/{Room}", "whole segment"),
            ("/chat/{", "whole segment"),
            ("/ch%61t", "percent-decoding"),
            ("/chat/../x", "no peer sends"),
            ("/chat?x", "letters"),
            ("/chat#x", "letters"),
            ("/ch at", "letters"),
            ("/chät", "letters"),
        ] {
            let sentence = PathPattern::parse(path).expect_err(path);
            assert!(sentence.contains(remedy), "{path}: {sentence}");
        }
    }

    #[test]
    fn the_path_that_is_written_out_comes_first_and_then_the_order_of_the_config() {
        let routes: Vec<_> = ["/{room}/lobby", "/chat/{room}", "/chat/lobby", "/chat/lobby"]
            .iter()
            .map(|&path| Arc::new(Route { room: RoomName::parse("named"), ..support::route(path) }))
            .collect();
        for (path, index, room) in
            [("/chat/lobby", 2, "named"), ("/chat/other", 1, "other"), ("/a/lobby", 0, "a")]
        {
            let (route, found) = Route::find(&routes, path).expect(path);
            assert!(Arc::ptr_eq(route, &routes[index]), "{path}");
            assert_eq!(found.as_ref().map(RoomName::as_str), Some(room), "{path}");
        }
        assert_eq!(Route::find(&routes, "/none").map(|_| ()), Err(Rejection::RouteNotFound));
    }
}
