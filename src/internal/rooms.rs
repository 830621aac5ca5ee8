//! Owns what a backend asks of rooms and orders of those who are in them.
//! Never knows how an order is carried out.

use super::reply::{Reply, json, problem};
use crate::auth::percent_decoded;
use crate::ledger::{Level, RequestId};
use crate::net::{Shared, Whom};
use crate::rejection::{Answer, Rejection};
use crate::room::RoomName;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use std::str::FromStr;

/// Entries of one page, unless fewer are asked for.
const PAGE_MAX: usize = 1000;
/// Octets of a subject.
const SUBJECT_BYTES_MAX: usize = 256;

/// Which page is asked for.
struct Page<T> {
    after: Option<T>,
    limit: usize,
}

/// `GET /rooms?after=ROOM&limit=N`: the rooms that have members, by their names.
pub(super) fn rooms(query: Option<&str>, shared: &Shared) -> Reply {
    let Some(page) = Page::parse(query, RoomName::parse) else {
        return malformed("The query may have after=ROOM and limit=N, a number from 1 to 1000");
    };
    let (rooms, more) = shared.hub.page(page.after.as_ref(), page.limit);
    let next = rooms.last().filter(|_| more).map(|(room, _)| room.as_str());
    let listed: Vec<_> =
        rooms.iter().map(|(room, members)| json!({ "room": room.as_str(), "members": members })).collect();
    json(StatusCode::OK, &json!({ "total": shared.hub.rooms(), "rooms": listed, "next": next }))
}

/// The room of `/rooms/{room}/members`.
pub(super) fn members_path(path: &str) -> Option<&str> {
    path.strip_prefix("/rooms/")?.strip_suffix("/members").filter(|room| !room.contains('/'))
}

/// `GET /rooms/{room}/members?after=CONNECTION&limit=N`: who is there, by connection.
pub(super) async fn members(room: &str, query: Option<&str>, shared: &Shared) -> Reply {
    let Some(room) = text(room).and_then(|room| RoomName::parse(&room)) else {
        return malformed("A room has 1 to 128 of A-Z a-z 0-9 . _ ~ : @ -");
    };
    let Some(page) = Page::parse(query, RequestId::parse) else {
        return malformed("The query may have after=CONNECTION_ID and limit=N, a number from 1 to 1000");
    };
    let mut members = shared.members(&room, page.after, page.limit + 1).await;
    let more = members.len() > page.limit;
    members.truncate(page.limit);
    let next = members.last().filter(|_| more).map(|member| member.connection.to_string());
    json(StatusCode::OK, &json!({ "room": room.as_str(), "members": members, "next": next }))
}

impl<T> Page<T> {
    fn parse(query: Option<&str>, parse: impl Fn(&str) -> Option<T>) -> Option<Page<T>> {
        let mut page = Page { after: None, limit: PAGE_MAX };
        for parameter in query.unwrap_or("").split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            match name {
                "after" => page.after = Some(parse(&text(value)?)?),
                "limit" => {
                    page.limit =
                        usize::from_str(value).ok().filter(|limit| (1..=PAGE_MAX).contains(limit))?;
                }
                _ => return None,
            }
        }
        Some(page)
    }
}

/// The text that a part of a target stands for.
fn text(part: &str) -> Option<String> {
    String::from_utf8(percent_decoded(part).into_owned()).ok()
}

/// Whose sessions are to end, and what they are told.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disconnect {
    connection_id: Option<String>,
    subject: Option<Box<str>>,
    room: Option<String>,
    reason: Option<String>,
}

/// `POST /disconnect`: ends the sessions of which all that is named is true.
pub(super) async fn disconnect(body: &[u8], shared: &Shared) -> Reply {
    let (whom, reason) = match meant(body) {
        Ok(meant) => meant,
        Err(title) => return malformed(title),
    };
    let closed = shared.close(&whom, reason).await;
    shared.ledger.tell(Level::Info, "disconnect", &format!("{closed} sessions closed: {}", reason.name()));
    let code = match reason.answer() {
        Answer::Close(code) => Some(code),
        Answer::Refuse { .. } | Answer::Drop => None,
    };
    json(StatusCode::OK, &json!({ "closed": closed, "code": code, "reason": reason.name() }))
}

fn meant(body: &[u8]) -> Result<(Whom, Rejection), &'static str> {
    let Disconnect { connection_id, subject, room, reason } = serde_json::from_slice(body)
        .map_err(|_| r#"The body must be JSON with connection_id, subject or room, and perhaps reason"#)?;
    if connection_id.is_none() && subject.is_none() && room.is_none() {
        return Err("One of connection_id, subject and room is required");
    }
    let reason = match reason {
        None => Rejection::Kicked,
        Some(name) => *REASONS
            .iter()
            .find(|reason| reason.name() == name)
            .ok_or("reason must be kicked, grant_gone, authority_expired or drain")?,
    };
    if subject.as_ref().is_some_and(|subject| !(1..=SUBJECT_BYTES_MAX).contains(&subject.len())) {
        return Err("subject must have 1 to 256 octets");
    }
    let parsed = |text: Option<String>| text.map(|text| RequestId::parse(&text).ok_or(()));
    let connection =
        parsed(connection_id).transpose().map_err(|()| "connection_id must be 16 hexadecimal digits")?;
    let room = room.map(|room| RoomName::parse(&room).ok_or(())).transpose();
    let room = room.map_err(|()| "room must be 1 to 128 of A-Z a-z 0-9 . _ ~ : @ -")?;
    Ok((Whom::These { connection, subject, room }, reason))
}

fn malformed(title: &str) -> Reply {
    problem(StatusCode::BAD_REQUEST, "request_malformed", title)
}

/// What a backend may say to a peer: do not come back, come back with another token, come back.
const REASONS: [Rejection; 4] =
    [Rejection::Kicked, Rejection::GrantGone, Rejection::AuthorityExpired, Rejection::Drain];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_after_an_entry_and_so_long_at_most() {
        let page = |query| Page::parse(query, RoomName::parse).map(|page| (page.after, page.limit));
        assert_eq!(page(None), Some((None, 1000)));
        let after = RoomName::parse("a:b");
        assert_eq!(page(Some("after=a%3Ab&limit=3")), Some((after, 3)));
        for bad in ["limit=0", "limit=1001", "limit=x", "limit", "after=a/b", "after=%FF", "other=1"] {
            assert_eq!(page(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn only_the_members_of_one_room_are_asked_for() {
        assert_eq!(members_path("/rooms/lobby/members"), Some("lobby"));
        for bad in ["/rooms", "/rooms/lobby", "/rooms/a/b/members", "/rooms/members", "/other/a/members"] {
            assert_eq!(members_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn who_is_meant_is_named_and_the_reason_is_one_of_a_few() {
        let reason = |body: &str| meant(body.as_bytes()).map(|(_, reason)| reason);
        assert_eq!(reason(r#"{"subject":"alice"}"#), Ok(Rejection::Kicked));
        assert_eq!(reason(r#"{"room":"a","reason":"authority_expired"}"#), Ok(Rejection::AuthorityExpired));
        for bad in [
            "",
            "{}",
            r#"{"reason":"kicked"}"#,
            r#"{"subject":""}"#,
            r#"{"room":"a/b"}"#,
            r#"{"connection_id":"xyz"}"#,
            r#"{"room":"a","reason":"internal_error"}"#,
            r#"{"room":"a","more":1}"#,
        ] {
            assert!(reason(bad).is_err(), "{bad}");
        }
    }
}
