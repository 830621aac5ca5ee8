//! Owns publishing to the hub through the internal port.
//! Never knows who reads an update.

use super::reply::{Reply, problem, reply};
use crate::ledger::Facts;
use crate::net::Shared;
use crate::rejection::{Answer, Rejection};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use std::time::{SystemTime, UNIX_EPOCH};

/// Whether a request goes to the path of the hub.
pub(super) fn is_hub(parts: &Parts, shared: &Shared) -> bool {
    parts.method == Method::POST && shared.rules.load().gate.is_hub(parts)
}

/// Publishes what `body` asks for. The token of a publisher is asked for here as well; it stands in
/// the place of the one of `token_file`.
pub(super) fn publish(parts: &Parts, body: &[u8], shared: &Shared) -> Reply {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let rules = shared.rules.load();
    let (uri, revocations) = (&parts.uri, &shared.throttles.revocations);
    let judged = rules.gate.publisher(uri.path(), &parts.headers, uri.query(), now, revocations);
    let published = match judged {
        None => return problem(StatusCode::NOT_FOUND, "not_found", "There is nothing here"),
        Some(judged) => judged.and_then(|publishing| shared.publish_update(&publishing, body)),
    };
    match published {
        Ok(id) => reply(StatusCode::OK, "text/plain; charset=utf-8", id),
        Err(reason) => refused(reason, shared),
    }
}

fn refused(reason: Rejection, shared: &Shared) -> Reply {
    shared.ledger.refused(reason, &Facts::default());
    let Answer::Refuse { status, code, title, .. } = reason.answer() else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, reason.name(), "The gateway failed");
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = problem(status, code, title);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(r#"Bearer realm="portcullis""#);
        reply.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
    }
    reply
}
