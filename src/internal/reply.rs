//! Owns the responses of the internal port.
//! Never knows what led to them.

use super::guard::Denied;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::Full;

pub(super) type Reply = Response<Full<Bytes>>;

pub(super) fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Reply {
    reply(status, "application/json", value.to_string())
}

pub(super) fn problem(status: StatusCode, code: &str, title: &str) -> Reply {
    let problem = serde_json::json!({
        "type": format!("urn:portcullis:problem:{code}"),
        "title": title,
        "status": status.as_u16(),
        "code": code,
    });
    reply(status, "application/problem+json", problem.to_string())
}

/// A problem with one entry of a list.
pub(super) fn problem_at(status: StatusCode, code: &str, title: &str, index: usize) -> Reply {
    let problem = serde_json::json!({
        "type": format!("urn:portcullis:problem:{code}"),
        "title": title,
        "status": status.as_u16(),
        "code": code,
        "index": index,
    });
    reply(status, "application/problem+json", problem.to_string())
}

pub(super) fn denied(denied: Denied) -> Reply {
    let mut reply = problem(denied.status, denied.code, denied.title);
    if denied.status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(r#"Bearer realm="portcullis-internal""#);
        reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    reply
}

/// From here on the connection speaks another protocol.
pub(super) fn switching(protocol: &'static str) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    reply.headers_mut().insert(UPGRADE, HeaderValue::from_static(protocol));
    reply
}

pub(super) fn not_allowed(methods: &'static str) -> Reply {
    let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Use another method");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    reply
}
