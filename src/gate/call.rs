//! Owns what of a request goes on to a backend: nothing but what is taken out here.
//! Never knows a backend's address, nor how a request is written.

use super::route::Route;
use super::subprotocol::BEARER;
use crate::auth::{looks_like_jwt, percent_decoded};
use crate::room::RoomName;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;

/// Which backend a route leads to: its place among those of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendId(pub usize);

/// Where the sessions of a route belong.
#[derive(Clone, Debug)]
pub enum Serves {
    /// Into rooms.
    Rooms,
    /// To a backend.
    Backend(BackendRoute),
}

/// What a route passes on to its backend.
#[derive(Clone, Debug)]
pub struct BackendRoute {
    /// The backend.
    pub id: BackendId,
    /// Header fields of the request that go on as they are.
    pub headers: Vec<HeaderName>,
    /// Whether only the route's own subprotocols are offered; all but the token otherwise.
    pub narrows_subprotocols: bool,
}

/// Where an admitted request leads.
#[derive(Debug)]
pub enum Destination {
    /// Into this room; the identity grants it.
    Room(RoomName),
    /// To a backend.
    Backend(Call),
}

/// What a backend is told of the request, beside who asks. Credentials are not among it.
#[must_use]
#[derive(Debug)]
pub struct Call {
    backend: BackendId,
    room: Option<RoomName>,
    path: Box<str>,
    query: Option<Box<str>>,
    offered: Box<[Box<str>]>,
    fields: Box<[(HeaderName, HeaderValue)]>,
}

impl Call {
    /// Takes out of a request what this route passes on.
    pub(super) fn of(
        request: &Parts,
        offered: &[&str],
        room: Option<RoomName>,
        route: &Route,
        backend: &BackendRoute,
    ) -> Call {
        Call {
            backend: backend.id,
            room,
            path: request.uri.path().into(),
            query: request.uri.query().and_then(without_ticket),
            offered: passed_on(offered, &route.subprotocols, backend.narrows_subprotocols),
            fields: fields(request, &backend.headers),
        }
    }

    /// Where to.
    #[must_use]
    pub fn backend(&self) -> BackendId {
        self.backend
    }

    /// The room whose grant was asked for, where the route has one.
    #[must_use]
    pub fn room(&self) -> Option<&RoomName> {
        self.room.as_ref()
    }

    /// The path of the request: it has matched the route octet by octet.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query without a ticket; every octet may stand in a request target.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The subprotocols that are offered to the backend, the most wanted first.
    #[must_use]
    pub fn offered(&self) -> &[Box<str>] {
        &self.offered
    }

    /// Header fields that go on as they are: visible ASCII.
    #[must_use]
    pub fn fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.fields
    }
}

/// The query as it may stand in a request target, without the parameter `ticket` in any spelling.
fn without_ticket(query: &str) -> Option<Box<str>> {
    let is_ticket = |parameter: &&str| {
        let name = parameter.split_once('=').map_or(*parameter, |(name, _)| name);
        percent_decoded(name).trim_ascii().eq_ignore_ascii_case(b"ticket")
    };
    let kept: Vec<&str> = query.split('&').filter(|parameter| !is_ticket(parameter)).collect();
    let kept = encoded(&kept.join("&"));
    (!kept.is_empty()).then(|| kept.into())
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digits =
        str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|d| d.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

/// What is no octet of a query (RFC 3986 section 3.4) is percent-encoded, so that it means the same
/// to every reader.
fn encoded(query: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(query.len());
    for (at, octet) in query.bytes().enumerate() {
        let is_triplet = || query.as_bytes().get(at + 1..at + 3).and_then(hexadecimal).is_some();
        let stays = octet.is_ascii_alphanumeric()
            || b"-._~!$&'()*+,;=:@/?".contains(&octet)
            || (octet == b'%' && is_triplet());
        // Writing into a string cannot fail.
        let _ = if stays { write!(text, "{}", char::from(octet)) } else { write!(text, "%{octet:02X}") };
    }
    text
}

/// What serves the gateway alone is taken out: `bearer` with the entry behind it, and whatever else has
/// the form of a token.
fn passed_on(offered: &[&str], served: &[Box<str>], narrows: bool) -> Box<[Box<str>]> {
    let mut passed = Vec::new();
    let mut entries = offered.iter();
    while let Some(entry) = entries.next() {
        if entry.eq_ignore_ascii_case(BEARER) {
            entries.next();
        } else if !looks_like_jwt(entry.as_bytes())
            && (!narrows || served.iter().any(|name| **name == **entry))
        {
            passed.push(Box::from(*entry));
        }
    }
    passed.into()
}

/// The values of the listed fields. One that is not visible ASCII is left out: two readers could take
/// it for two things.
fn fields(request: &Parts, names: &[HeaderName]) -> Box<[(HeaderName, HeaderValue)]> {
    let values = |name: &HeaderName| {
        let lines = request.headers.get_all(name).iter().filter(|value| value.to_str().is_ok());
        lines.map(|value| (name.clone(), value.clone())).collect::<Vec<_>>()
    };
    names.iter().flat_map(values).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_goes_no_further_however_it_is_spelled() {
        for (query, kept) in [
            ("a=b", Some("a=b")),
            ("a=b&ticket=abc&c=d", Some("a=b&c=d")),
            ("ticket=abc", None),
            ("ticket", None),
            ("%74icket=abc", None),
            ("+ticket=abc&x", Some("x")),
            ("TICKET=abc", None),
            ("tickets=1", Some("tickets=1")),
            ("", None),
        ] {
            assert_eq!(without_ticket(query).as_deref(), kept, "{query}");
        }
    }

    #[test]
    fn a_query_goes_on_as_one_that_every_reader_takes_alike() {
        for (query, sent) in [
            ("a=%20b&c=d/e?f", "a=%20b&c=d/e?f"),
            ("a=\"<b>\"", "a=%22%3Cb%3E%22"),
            ("a=100%", "a=100%25"),
            ("a=%zz", "a=%25zz"),
            ("a={b}|c\\d^e`f", "a=%7Bb%7D%7Cc%5Cd%5Ee%60f"),
            ("a=\u{e4}", "a=%C3%A4"),
        ] {
            assert_eq!(encoded(query), sent, "{query}");
        }
    }

    #[test]
    fn the_backend_is_offered_neither_bearer_nor_a_token() {
        let token = "eyJh.eyJz.c2ln";
        for (offered, narrows, passed) in [
            (&["chat.v1", "bearer", token, "chat.v2"][..], false, &["chat.v1", "chat.v2"][..]),
            (&["bearer", token], false, &[]),
            (&["bearer"], false, &[]),
            (&["Bearer", token, "x"], false, &["x"]),
            (&[token, "x"], false, &["x"]),
            (&["other", "chat.v2", "chat.v1"], true, &["chat.v1"]),
            (&["other"], true, &[]),
        ] {
            let got = passed_on(offered, &["chat.v1".into()], narrows);
            assert_eq!(got.iter().map(|name| &**name).collect::<Vec<_>>(), passed, "{offered:?}");
        }
    }
}
