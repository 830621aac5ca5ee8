//! Owns what the operator asks and orders through the internal port.
//! Never knows a socket, nor how an order is carried out.

use super::reply::{Reply, json, problem};
use super::revocation_file::RevocationFile;
use crate::ledger::{KeyState, Level};
use crate::net::{Control, Shared, Whom};
use crate::rejection::Rejection;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// Sessions that are listed at most, unless fewer are asked for.
const LISTED_MAX: usize = 1000;
/// Octets of a `jti` or a subject.
const NAME_BYTES_MAX: usize = 256;

/// `{"jti": ...}` or `{"subject": ...}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    jti: Option<String>,
    subject: Option<String>,
}

/// The state of the gateway in numbers.
pub(super) fn status(shared: &Shared) -> Reply {
    json(
        StatusCode::OK,
        &json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": shared.started.elapsed().as_secs(),
            "draining": shared.is_draining(),
            "connections": shared.ledger.connections().get(),
            "connections_max": shared.rules.load().limits.connections,
            "sessions": shared.ledger.sessions().get(),
            "rooms": shared.hub.rooms(),
            "revocations": shared.throttles.revocations.count(),
            "sandbox": sandbox(shared),
            "keys": keys(shared),
        }),
    )
}

/// The fetched keys of each issuer that has a `jwks_url`.
fn keys(shared: &Shared) -> Vec<Value> {
    let states = shared.ledger.keys().states(Instant::now());
    let state = |state: &KeyState| {
        let age = state.age.map(|age| age.as_secs());
        json!({ "issuer": state.issuer, "keys": state.keys, "age_seconds": age })
    };
    states.iter().map(state).collect()
}

/// The state of each kind of restriction, and what is missing where something is.
fn sandbox(shared: &Shared) -> Map<String, Value> {
    let states = shared.sandbox.states().into_iter().map(|(kind, state)| (kind.to_owned(), state.into()));
    let why = shared.sandbox.shortfall().map(|why| ("why".to_owned(), why.into()));
    states.chain(why).collect()
}

/// The open sessions.
pub(super) async fn connections(shared: &Shared) -> Reply {
    let listed = shared.list(LISTED_MAX).await;
    let total = shared.ledger.sessions().get();
    json(StatusCode::OK, &json!({ "total": total, "listed": listed.len(), "connections": listed }))
}

/// The rooms with their members.
pub(super) fn rooms(shared: &Shared) -> Reply {
    let members = shared.hub.members(LISTED_MAX);
    let listed: Vec<_> =
        members.iter().map(|(room, members)| json!({ "room": room.as_str(), "members": members })).collect();
    json(StatusCode::OK, &json!({ "total": shared.hub.rooms(), "listed": listed.len(), "rooms": listed }))
}

/// Ends the sessions of a subject; its tokens stay good.
pub(super) async fn kick(body: &[u8], shared: &Shared) -> Reply {
    match named(body) {
        Ok(Named { jti: None, subject: Some(subject) }) => {
            let closed = shared.close(&Whom::Subject(subject.into()), Rejection::Kicked).await;
            shared.ledger.tell(Level::Info, "admin_kick", &format!("{closed} sessions closed"));
            json(StatusCode::OK, &json!({ "closed": closed }))
        }
        Ok(_) => malformed("The body must be: {\"subject\": ...}"),
        Err(why) => malformed(why),
    }
}

/// Refuses a token, or the tokens of a subject up to now, and ends what stands on them.
pub(super) async fn revoke(body: &[u8], shared: &Shared, file: Option<&RevocationFile>) -> Reply {
    let named = match named(body) {
        Ok(named) => named,
        Err(why) => return malformed(why),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let keep = shared.rules.load().gate.longest_authority_seconds();
    let revocations = &shared.throttles.revocations;
    // First the set, then the sessions: who is admitted in between is judged by the set.
    let revoked = match (&named.jti, &named.subject) {
        (Some(jti), None) => revocations.revoke_token(jti, now, keep),
        (None, Some(subject)) => revocations.revoke_subject(subject, now, keep),
        (Some(_), Some(_)) | (None, None) => {
            return malformed("Exactly one of jti and subject is required");
        }
    };
    if revoked.is_err() {
        shared.ledger.tell(Level::Error, "admin_revoke", "there is no room for another revocation");
        let title = "There is no room for another revocation until older ones end";
        return problem(StatusCode::INSUFFICIENT_STORAGE, "revocations_full", title);
    }
    let closed = shared.close(&Whom::Revoked, Rejection::Revoked).await;
    shared.ledger.tell(Level::Info, "admin_revoke", &format!("{closed} sessions closed"));
    match file.map(|file| file.write(revocations)) {
        Some(Err(error)) => {
            let detail = format!("in force, but lost at the next restart: {}", error.kind());
            shared.ledger.tell(Level::Error, "revocation_file", &detail);
            let title = "The revocation is in force, but could not be written to revocation_file";
            problem(StatusCode::INTERNAL_SERVER_ERROR, "revocation_not_kept", title)
        }
        Some(Ok(())) | None => json(StatusCode::OK, &json!({ "closed": closed })),
    }
}

/// Begins a drain, as SIGTERM does.
pub(super) async fn drain(shared: &Shared) -> Reply {
    // Whoever is gone has begun one already.
    let _ = shared.control.send(Control::Drain).await;
    json(StatusCode::ACCEPTED, &json!({ "draining": true }))
}

/// Reads everything anew, as SIGHUP does.
pub(super) async fn reload(shared: &Shared) -> Reply {
    let (told, outcome) = oneshot::channel();
    // Where nobody takes the request, `told` is dropped and the outcome is an error.
    let _ = shared.control.send(Control::Reload(told)).await;
    match outcome.await {
        Ok(Ok(reloaded)) => {
            let mut answer = json!({ "reloaded": true });
            if let (Value::Object(answer), Ok(Value::Object(told))) =
                (&mut answer, serde_json::to_value(reloaded))
            {
                answer.extend(told);
            }
            json(StatusCode::OK, &answer)
        }
        Ok(Err(why)) => problem(StatusCode::UNPROCESSABLE_ENTITY, "reload_failed", &why),
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "draining", "The gateway is going away"),
    }
}

fn named(body: &[u8]) -> Result<Named, &'static str> {
    let named: Named = serde_json::from_slice(body)
        .map_err(|_| r#"The body must be JSON: {"subject": ...} or {"jti": ...}"#)?;
    let fits =
        |name: &Option<String>| name.as_ref().is_none_or(|name| (1..=NAME_BYTES_MAX).contains(&name.len()));
    if fits(&named.jti) && fits(&named.subject) { Ok(named) } else { Err("A name must have 1 to 256 octets") }
}

fn malformed(title: &str) -> Reply {
    problem(StatusCode::BAD_REQUEST, "request_malformed", title)
}
