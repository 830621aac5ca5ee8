//! Owns the HTTP responses of the public port: the 101, the refusals, the page of `dev`.
//! Never knows a rule: it writes down what the table of reasons says.

use crate::auth::TICKET_LIFETIME;
use crate::gate::{Admitted, Reader};
use crate::ledger::RequestId;
use crate::mercure::{Told, Version};
use crate::origin::Origin;
use crate::rejection::{Answer, Field, Rejection};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

/// A response of ours: its body is whole.
pub(super) type Reply = Response<Bytes>;

/// The page that `dev` serves at `/`, and its Content-Security-Policy.
#[derive(Clone, Debug)]
pub struct DemoPage {
    /// The whole page.
    pub html: Bytes,
    /// Its policy: nothing but what the page itself holds.
    pub content_security_policy: String,
}

/// RFC 9457 section 3.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    request_id: String,
}

/// The 101 (RFC 6455 section 4.2.2).
pub(super) fn switching(admitted: &Admitted) -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    // INVARIANT: the accept value is base64 and a subprotocol is a token: both are field values.
    // Without one of them a peer would end the connection (RFC 6455 section 4.1).
    if let Ok(accept) = HeaderValue::from_str(admitted.accept()) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(Ok(subprotocol)) = admitted.subprotocol().map(HeaderValue::from_str) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    if let Some(extension) = admitted.extension() {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(extension));
    }
    reply
}

/// A refusal: a problem document without an echo of what was sent.
pub(super) fn refusal(reason: Rejection, request: RequestId, strict_transport: bool) -> Reply {
    let (status, code, title, field) = match reason.answer() {
        Answer::Refuse { status, code, title, field } => (status, code, title, field),
        // A reason that has no HTTP answer cannot be one: it is our fault, and told as such.
        Answer::Close(_) | Answer::Drop => {
            (500, "handshake_failed", "The gateway failed; it has been logged", Field::None)
        }
    };
    let problem = Problem {
        kind: format!("urn:portcullis:problem:{code}"),
        title,
        status,
        code,
        request_id: request.to_string(),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut reply = Response::new(Bytes::from(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    common(headers, strict_transport);
    add_field(headers, field);
    reply
}

/// The answer to `POST /ticket`.
pub(super) fn ticket(text: &str, strict_transport: bool) -> Reply {
    let lifetime = TICKET_LIFETIME.as_secs();
    json(&serde_json::json!({ "ticket": text, "expires_in": lifetime }), strict_transport)
}

/// The answer to `POST /renew`: how many sessions, and for how many seconds.
pub(super) fn renewed(sessions: usize, expires_in: Option<u64>, strict_transport: bool) -> Reply {
    json(&serde_json::json!({ "sessions": sessions, "expires_in": expires_in }), strict_transport)
}

/// A document.
pub(super) fn json(value: &serde_json::Value, strict_transport: bool) -> Reply {
    let mut reply = Response::new(Bytes::from(value.to_string()));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    common(headers, strict_transport);
    reply
}

/// The answer to a preflight request (Fetch standard, CORS-preflight fetch) for these methods and
/// fields.
pub(super) fn preflight(methods: &'static str, fields: &'static str) -> Reply {
    let mut reply = no_content();
    let headers = reply.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(fields));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    reply
}

/// All is well, and there is nothing to say.
pub(super) fn no_content() -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// The head of an event stream: its end is the connection's, so that what a room gets is framed
/// once for all who read it.
pub(super) fn stream(strict_transport: bool) -> Reply {
    let mut reply = Response::new(Bytes::new());
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    // A proxy in between must hand on each event as it comes.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    common(headers, strict_transport);
    reply
}

/// Lets the page that asked read the answer, if one asked; never with credentials of the
/// browser's.
pub(super) fn readable_by(mut reply: Reply, origin: Option<&Origin>) -> Reply {
    let Some(origin) = origin else { return reply };
    let headers = reply.headers_mut();
    if let Ok(value) = HeaderValue::from_str(origin.as_str()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
    }
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    reply
}

/// The id of an update that has been published.
pub(super) fn published(id: &str, strict_transport: bool) -> Reply {
    let mut reply = Response::new(Bytes::copy_from_slice(id.as_bytes()));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    common(headers, strict_transport);
    reply
}

/// Who subscribes: as JSON-LD in version 0.x; in 1.0 as JSON, with the newest update in the link.
pub(super) fn subscriptions(told: &Told, strict_transport: bool) -> Reply {
    let Told { body, last_event_id, version, hub } = told;
    let mut reply = json(body, strict_transport);
    let headers = reply.headers_mut();
    let mut link = format!("<{hub}>; rel=\"mercure\"");
    match version {
        Version::Zero => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/ld+json"));
        }
        Version::One => {
            let quoted = last_event_id.replace('\\', "\\\\").replace('"', "\\\"");
            link.push_str(&format!("; last-event-id=\"{quoted}\""));
        }
    }
    // INVARIANT: neither the configured path of a route nor an id has an octet that ends a field.
    if let Ok(link) = HeaderValue::from_bytes(link.as_bytes()) {
        headers.insert(header::LINK, link);
    }
    reply
}

/// Says in a challenge where to learn who makes a token (RFC 9728 section 5.1).
pub(super) fn challenged(mut reply: Reply, metadata: Option<&str>) -> Reply {
    let given = reply.headers().get(header::WWW_AUTHENTICATE).and_then(|given| given.to_str().ok());
    let (Some(given), Some(metadata)) = (given, metadata) else { return reply };
    // INVARIANT: a Host that was judged and a configured path have no quotes.
    if let Ok(challenge) = HeaderValue::from_str(&format!("{given}, resource_metadata=\"{metadata}\"")) {
        reply.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    reply
}

/// As [`readable_by`], also with credentials of the browser's where the route takes them.
pub(super) fn readable(reply: Reply, reader: Option<&Reader>) -> Reply {
    let mut reply = readable_by(reply, reader.map(|reader| &reader.origin));
    if reader.is_some_and(|reader| reader.with_cookie) {
        let yes = HeaderValue::from_static("true");
        reply.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
    reply
}

/// A response as octets, where there is no request that hyper could answer.
pub(super) fn octets(reply: &Reply) -> Vec<u8> {
    let mut octets = head(reply);
    // Neither has content (RFC 9110 section 8.6).
    if ![StatusCode::NO_CONTENT, StatusCode::SWITCHING_PROTOCOLS].contains(&reply.status()) {
        octets.extend_from_slice(format!("content-length: {}\r\n", reply.body().len()).as_bytes());
    }
    octets.extend_from_slice(b"\r\n");
    octets.extend_from_slice(reply.body());
    octets
}

/// The head of a response whose body has no length, and the first octets of that.
pub(super) fn unending(reply: &Reply, first: &[u8]) -> Vec<u8> {
    let mut octets = unended(reply);
    octets.extend_from_slice(b"\r\n");
    octets.extend_from_slice(first);
    octets
}

/// The same without the end of the head: there may be more fields.
pub(super) fn unended(reply: &Reply) -> Vec<u8> {
    head(reply)
}

/// The status line and the fields.
fn head(reply: &Reply) -> Vec<u8> {
    let status = reply.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut octets = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in reply.headers() {
        octets.extend_from_slice(name.as_str().as_bytes());
        octets.extend_from_slice(b": ");
        octets.extend_from_slice(value.as_bytes());
        octets.extend_from_slice(b"\r\n");
    }
    octets
}

/// The page of `dev`.
pub(super) fn page(page: &DemoPage) -> Reply {
    let mut reply = Response::new(page.html.clone());
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = HeaderValue::from_str(&page.content_security_policy);
    // A page without its policy is not served with a weaker one, but with none of its code.
    let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    common(headers, false);
    reply
}

fn common(headers: &mut HeaderMap, strict_transport: bool) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if strict_transport {
        let two_years = HeaderValue::from_static("max-age=63072000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, two_years);
    }
}

fn add_field(headers: &mut HeaderMap, field: Field) {
    let upgrade = |headers: &mut HeaderMap| {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade, close"));
    };
    match field {
        Field::None => {}
        Field::Allow => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        Field::AllowPost => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        }
        Field::Upgrade => upgrade(headers),
        Field::Version => {
            upgrade(headers);
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        Field::RetryAfter(seconds) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        Field::Challenge(error) => {
            let challenge = match error {
                None => HeaderValue::from_static(r#"Bearer realm="portcullis""#),
                Some("insufficient_scope") => {
                    HeaderValue::from_static(r#"Bearer realm="portcullis", error="insufficient_scope""#)
                }
                Some(_) => HeaderValue::from_static(r#"Bearer realm="portcullis", error="invalid_token""#),
            };
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_with_an_http_answer_has_its_status_and_its_field() {
        for reason in Rejection::ALL {
            let Answer::Refuse { status, field, .. } = reason.answer() else { continue };
            let reply = refusal(*reason, RequestId::next(), true);
            assert_eq!(reply.status().as_u16(), status, "{}", reason.name());
            assert_eq!(
                status == 401 || field == Field::Challenge(Some("insufficient_scope")),
                reply.headers().contains_key(header::WWW_AUTHENTICATE),
                "{}",
                reason.name()
            );
            assert_eq!(
                matches!(status, 429 | 503),
                reply.headers().contains_key(header::RETRY_AFTER),
                "{}",
                reason.name()
            );
            assert!(reply.headers()[header::CONNECTION].to_str().is_ok_and(|v| v.ends_with("close")));
        }
    }
}
