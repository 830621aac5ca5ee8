//! Owns the requests of the internal port.
//! Never knows a rule of the public port.

use super::admin;
use super::guard::Guard;
use super::hand_over::{Bequest, Giver};
use super::idempotency::Published;
use super::listen::Bound;
use super::mercure;
use super::publish::{Press, too_big};
use super::reply::{Reply, denied, not_allowed, problem, reply};
use super::revocation_file::RevocationFile;
use super::rooms;
use crate::ledger::Level;
use crate::net::Shared;
use crate::net::tls::{Material, TlsAcceptor};
use crate::relay;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Semaphore;

/// Connections at once: the internal port is for a few programs of the operator's.
const CONNECTIONS_MAX: usize = 64;
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_BYTES_MAX: usize = 16 << 10;
/// JSON and base64 make a message longer: by a third, or up to six times where a text is
/// all escapes.
const ESCAPE_FACTOR: usize = 6;
/// An octet of a form may take three, and an update has other fields.
const FORM_FACTOR: usize = 3;
const FORM_BYTES: usize = 64 << 10;
const ENVELOPE_BYTES_MAX: usize = 1 << 10;
/// A batch may be as long as a message, and so long in any case.
const BATCH_BYTES: usize = 4 << 20;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the internal port answers from.
pub struct Internal {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Who may ask.
    pub guard: Guard,
    /// The largest message of any route, in octets.
    pub message_bytes: usize,
    /// Where revocations outlive a restart.
    pub revocation_file: Option<RevocationFile>,
    /// Its own certificate, where it has one.
    pub tls: Option<Material>,
    /// What a successor may have.
    pub bequest: Option<Bequest>,
}

/// What every request is answered from.
struct Port {
    internal: Internal,
    published: RefCell<Published>,
    giver: Giver,
}

/// Serves the internal port until the runtime ends.
pub async fn run(mut internal: Internal, bound: Bound) -> io::Result<()> {
    let acceptor = internal.tls.as_ref().map(Material::acceptor);
    let giver = Giver::new(internal.bequest.take());
    let port = Rc::new(Port { internal, published: RefCell::default(), giver });
    match bound {
        Bound::Tcp(listener) => {
            let listener = TcpListener::from_std(listener)?;
            let next = async || listener.accept().await.map(|(socket, _)| socket);
            let serve = |socket| {
                let (port, acceptor) = (Rc::clone(&port), acceptor.clone());
                async move {
                    match acceptor {
                        Some(acceptor) => tls_connection(acceptor, socket, port).await,
                        None => connection(socket, port).await,
                    }
                }
            };
            accept(next, serve).await;
        }
        Bound::Unix(listener, file) => {
            let listener = UnixListener::from_std(listener)?;
            let next = async || listener.accept().await.map(|(socket, _)| socket);
            let serve = |socket| {
                let port = Rc::clone(&port);
                async move { connection(socket, port).await }
            };
            tokio::select! {
                () = accept(next, serve) => {}
                () = port.giver.given.notified() => {
                    if let Some(file) = file {
                        file.leave();
                    }
                }
            }
        }
    }
    Ok(())
}

/// Serves what `next` accepts, so many connections at once as there are places.
async fn accept<S, F>(mut next: impl AsyncFnMut() -> io::Result<S>, serve: impl Fn(S) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // No place, no accept: what waits stays in the kernel's queue.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok(socket) = next().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let served = serve(socket);
        tokio::task::spawn_local(async move {
            served.await;
            drop(place);
        });
    }
}

async fn tls_connection(acceptor: TlsAcceptor, socket: TcpStream, port: Rc<Port>) {
    // A peer that does not finish TLS in time is dropped.
    if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(socket)).await {
        connection(stream, port).await;
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, port: Rc<Port>) {
    let port = &port;
    let service = service_fn(|request| async move {
        let answered = tokio::time::timeout(REQUEST_TIMEOUT, answer(request, port)).await;
        let late = |_| problem(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request took too long");
        Ok::<Reply, Infallible>(answered.unwrap_or_else(late))
    });
    // A connection that ends in an error has been answered as far as it could be.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(true)
        .max_headers(64)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

async fn answer(mut request: Request<Incoming>, port: &Rc<Port>) -> Reply {
    let internal = &port.internal;
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let shared = &internal.shared;
    let guard = &internal.guard;
    let admitted = match mercure::is_hub(&parts, shared) {
        true => guard.admit_publisher(&parts.uri, &parts.headers),
        false => guard.admit(&parts.uri, &parts.headers),
    };
    if let Err(why) = admitted {
        return denied(why);
    }
    match (parts.uri.path(), &parts.method) {
        ("/healthz", &Method::GET) => text(StatusCode::OK, "ok\n"),
        ("/readyz", &Method::GET) if shared.is_draining() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        }
        ("/readyz", &Method::GET) if shared.ledger.keys().is_lacking() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "an issuer has no keys\n")
        }
        ("/readyz", &Method::GET) => text(StatusCode::OK, "ready\n"),
        ("/jwks.json", &Method::GET) => {
            let key_set = shared.rules.load().assertions.key_set().to_owned();
            reply(StatusCode::OK, "application/jwk-set+json", key_set)
        }
        ("/metrics", &Method::GET) => {
            let sandbox = shared.sandbox.states();
            let mut page = shared.ledger.metrics(shared.hub.rooms(), shared.is_draining(), &sandbox);
            let rules = shared.rules.load();
            relay::render_metrics(&rules.backends, Instant::now(), &mut page);
            rules.tls.render_metrics(&mut page);
            reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page)
        }
        (path @ ("/publish" | "/publish/batch"), &Method::POST) => {
            let one = internal.message_bytes.saturating_mul(ESCAPE_FACTOR).saturating_add(ENVELOPE_BYTES_MAX);
            let is_batch = path == "/publish/batch";
            let most = if is_batch { one.saturating_add(BATCH_BYTES) } else { one };
            let Ok(whole) = Limited::new(body, most).collect().await else { return too_big() };
            let press = Press {
                hub: &shared.hub,
                ledger: &shared.ledger,
                message_bytes: internal.message_bytes,
                published: &mut port.published.borrow_mut(),
                now: Instant::now(),
            };
            let (headers, whole) = (&parts.headers, whole.to_bytes());
            if is_batch { press.batch(headers, &whole) } else { press.one(headers, &whole) }
        }
        ("/rooms", &Method::GET) => rooms::rooms(parts.uri.query(), shared),
        ("/disconnect", &Method::POST) => match Limited::new(body, ENVELOPE_BYTES_MAX).collect().await {
            Ok(whole) => rooms::disconnect(&whole.to_bytes(), shared).await,
            Err(_) => too_big(),
        },
        ("/admin/status", &Method::GET) => admin::status(shared),
        ("/admin/connections", &Method::GET) => admin::connections(shared).await,
        ("/admin/rooms", &Method::GET) => admin::rooms(shared),
        ("/admin/drain", &Method::POST) => admin::drain(shared).await,
        ("/admin/reload", &Method::POST) => admin::reload(shared).await,
        ("/admin/hand-over", &Method::POST) => {
            let reply = port.giver.answer(shared);
            if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
                tokio::task::spawn_local(hand_over(upgrade, Rc::clone(port)));
            }
            reply
        }
        ("/admin/kick" | "/admin/revoke", &Method::POST) => {
            let Ok(whole) = Limited::new(body, ENVELOPE_BYTES_MAX).collect().await else { return too_big() };
            let whole = whole.to_bytes();
            match parts.uri.path() {
                "/admin/kick" => admin::kick(&whole, shared).await,
                _ => admin::revoke(&whole, shared, internal.revocation_file.as_ref()).await,
            }
        }
        (
            "/healthz" | "/readyz" | "/metrics" | "/jwks.json" | "/rooms" | "/admin/status"
            | "/admin/connections" | "/admin/rooms",
            _,
        ) => not_allowed("GET"),
        (
            "/publish" | "/publish/batch" | "/disconnect" | "/admin/drain" | "/admin/reload"
            | "/admin/hand-over" | "/admin/kick" | "/admin/revoke",
            _,
        ) => not_allowed("POST"),
        _ if mercure::is_hub(&parts, shared) => {
            let most = internal.message_bytes.saturating_mul(FORM_FACTOR).saturating_add(FORM_BYTES);
            let Ok(whole) = Limited::new(body, most).collect().await else { return too_big() };
            mercure::publish(&parts, &whole.to_bytes(), shared)
        }
        (path, method) if let Some(room) = rooms::members_path(path) => match *method {
            Method::GET => rooms::members(room, parts.uri.query(), shared).await,
            _ => not_allowed("GET"),
        },
        _ => problem(StatusCode::NOT_FOUND, "not_found", "There is nothing here"),
    }
}

/// Until the successor serves, whatever goes wrong there changes nothing here.
async fn hand_over(upgrade: OnUpgrade, port: Rc<Port>) {
    let shared = &port.internal.shared;
    if let Err(error) = port.giver.give(upgrade, shared).await {
        shared.ledger.tell(Level::Warn, "hand_over_failed", &error.kind().to_string());
    }
}

fn text(status: StatusCode, body: &'static str) -> Reply {
    reply(status, "text/plain; charset=utf-8", Bytes::from_static(body.as_bytes()))
}
