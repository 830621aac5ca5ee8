//! Owns `portcullis admin`: one request to the internal port of a running gateway.
//! Never knows what the gateway does with it.

use super::args::{AdminArgs, AdminCommand, AdminFormat};
use super::{Stop, serve};
use crate::config::{self, Internal, InternalListen};
use crate::net::tls::connect_pinned;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A reload reads files, a kick waits for every worker: all is done well within this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Sends the command, and prints the answer: one JSON object, or lines for people.
pub(super) fn run(args: AdminArgs, out: &mut dyn Write) -> Result<(), Stop> {
    let path = args.config.or_else(|| std::env::var_os("PORTCULLIS_CONFIG").map(PathBuf::from));
    let path = path.ok_or_else(|| {
        Stop::usage("which gateway? give --config FILE, or set PORTCULLIS_CONFIG to its configuration")
    })?;
    let internal = config::internal(&path).map_err(|failure| Stop::failed(serve::told(&failure)))?;
    let internal = internal.ok_or_else(|| {
        Stop::failed(format!("{} has no [internal]: write one, and start the gateway anew", path.display()))
    })?;
    let (method, target, body) = request_of(&args.command);
    let mut request = Request::builder().method(method).uri(target).header(HOST, "localhost");
    if let Some(token) = &internal.token {
        let bearer = [b"Bearer ", token.expose()].concat();
        let mut bearer = HeaderValue::from_bytes(&bearer)
            .map_err(|_| Stop::failed("internal.token_file holds what cannot be a bearer"))?;
        bearer.set_sensitive(true);
        request = request.header(AUTHORIZATION, bearer);
    }
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request =
        request.body(Full::new(Bytes::from(body))).map_err(|_| Stop::failed("the request cannot be made"))?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Stop::failed)?;
    let (status, answer) = runtime.block_on(ask(&internal, request))?;
    let value: Value = serde_json::from_slice(&answer)
        .map_err(|_| Stop::failed("the answer is not JSON: is this the internal port of a gateway?"))?;
    if !(200..300).contains(&status) {
        let title = value.get("title").and_then(Value::as_str).unwrap_or("the gateway refused it");
        return Err(Stop::failed(format!("{title} (status {status})")));
    }
    let text = match args.format {
        AdminFormat::Json => format!("{value}\n"),
        AdminFormat::Text => for_people(&value, 0),
    };
    out.write_all(text.as_bytes()).map_err(Stop::failed)
}

fn request_of(command: &AdminCommand) -> (Method, &'static str, Option<Value>) {
    match command {
        AdminCommand::Status => (Method::GET, "/admin/status", None),
        AdminCommand::Connections => (Method::GET, "/admin/connections", None),
        AdminCommand::Rooms => (Method::GET, "/admin/rooms", None),
        AdminCommand::Drain => (Method::POST, "/admin/drain", None),
        AdminCommand::Reload => (Method::POST, "/admin/reload", None),
        AdminCommand::Kick(kick) => (Method::POST, "/admin/kick", Some(json!({ "subject": kick.subject }))),
        AdminCommand::Revoke(revoke) => {
            let body = match (&revoke.jti, &revoke.subject) {
                (Some(jti), _) => json!({ "jti": jti }),
                (None, subject) => json!({ "subject": subject }),
            };
            (Method::POST, "/admin/revoke", Some(body))
        }
    }
}

async fn ask(internal: &Internal, request: Request<Full<Bytes>>) -> Result<(u16, Bytes), Stop> {
    let unreachable = |place: String, error: std::io::Error| {
        Stop::failed(format!("no gateway answers on {place}: {}: is it running?", error.kind()))
    };
    let late = |_| Stop::failed("the gateway did not answer in time");
    match &internal.listen {
        InternalListen::Unix(path) => {
            let connecting = tokio::time::timeout(CONNECT_TIMEOUT, UnixStream::connect(path));
            let place = format!("unix:{}", path.display());
            let stream = connecting.await.map_err(late)?.map_err(|error| unreachable(place, error))?;
            tokio::time::timeout(ANSWER_TIMEOUT, exchange(stream, request)).await.map_err(late)?
        }
        InternalListen::Tcp(address) => {
            let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
            let place = address.to_string();
            let stream = connecting.await.map_err(late)?.map_err(|error| unreachable(place, error))?;
            let Some(material) = &internal.tls else {
                return tokio::time::timeout(ANSWER_TIMEOUT, exchange(stream, request))
                    .await
                    .map_err(late)?;
            };
            let secured = connect_pinned(material, address.ip(), stream);
            let secured = tokio::time::timeout(CONNECT_TIMEOUT, secured).await.map_err(late)?;
            let stream = secured.map_err(|_| {
                Stop::failed(format!(
                    "whoever listens on {address} has another certificate than the file of [internal], or no \
                     TLS: a gateway has the files that were there when it started"
                ))
            })?;
            tokio::time::timeout(ANSWER_TIMEOUT, exchange(stream, request)).await.map_err(late)?
        }
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(u16, Bytes), Stop>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |_| Stop::failed("the gateway ended the connection without an answer");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Its error is the request's, which is told.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|_| Stop::failed("the answer is too long or broken"))?;
    Ok((status, body.to_bytes()))
}

/// Names and values, a line each; a list has an empty line between its entries.
fn for_people(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match value {
                Value::Array(_) | Value::Object(_) => {
                    format!("{indent}{name}:\n{}", for_people(value, depth + 1))
                }
                Value::Null => String::new(),
                Value::String(text) => format!("{indent}{name}: {}\n", crate::ledger::clean(text)),
                Value::Bool(_) | Value::Number(_) => format!("{indent}{name}: {value}\n"),
            })
            .collect(),
        Value::Array(entries) => {
            let entries: Vec<String> = entries.iter().map(|entry| for_people(entry, depth)).collect();
            entries.join("\n")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => format!("{indent}{value}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_to_people_is_one_fact_a_line_and_cannot_move_the_cursor() {
        let answer = json!({ "total": 1, "connections": [{ "subject": "a\u{1b}[2Jb", "jti": null }] });
        assert_eq!(for_people(&answer, 0), "total: 1\nconnections:\n  subject: a\\u{1b}[2Jb\n");
    }
}
