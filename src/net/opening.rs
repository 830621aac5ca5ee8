//! Owns one connection from accept to the 101, or to its refusal, under one deadline.
//! Never knows a rule: it brings the octets to floor 1 and carries out the answer.

mod farewell;
mod posted;

use super::answer;
use super::authorized::{self, Asker};
use super::calling::{Called, Calling};
use super::clock::unix_now;
use super::http::serve;
use super::judged::{Judged, hear, judge_request};
use super::link::{Link, Scratch};
use super::listener::{Accepted, Permit};
use super::orders::Renewal;
use super::outcome::{bare, log, reason_of};
use super::proxied::{ProxyProtocol, read_header};
use super::shared::{Rules, Shared};
use super::tls::{TlsFault, TlsState, TlsWire};
use crate::gate::{Admitted, Caller, Destination, HeadProgress, Reader, Refused, Subscribing, judge_head};
use crate::ledger::RequestId;
use crate::origin::Origin;
use crate::peer::{ClientCertificate, Peer};
use crate::protocol::events::COMMENT;
use crate::rejection::{Answer, Rejection};
use crate::relay::{Backend, Dialled};
use crate::throttle::CountPermit;
use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

/// A connection whose 101 is made. Whoever takes it over sends that, so that no message of
/// its room falls between the two.
pub(super) struct Opened {
    pub(super) link: Link,
    pub(super) admitted: Admitted,
    pub(super) response: Vec<u8>,
    /// The backend that has answered its 101, where the route leads to one.
    pub(super) backend: Option<Box<(Dialled, Arc<Backend>)>>,
    pub(super) place: CountPermit<Arc<str>>,
    pub(super) permit: Permit,
    pub(super) peer: Peer,
    pub(super) client: Option<Box<ClientCertificate>>,
    pub(super) request: RequestId,
    /// What the peer sent behind its head.
    pub(super) early: Vec<u8>,
}

/// A connection that subscribes to updates. Whoever takes it over ends the head of the response.
pub(super) struct Subscribed {
    pub(super) link: Link,
    pub(super) subscribing: Subscribing,
    pub(super) response: Vec<u8>,
    pub(super) place: CountPermit<Arc<str>>,
    pub(super) permit: Permit,
    pub(super) peer: Peer,
    pub(super) client: Option<Box<ClientCertificate>>,
    pub(super) request: RequestId,
    /// The peer sent octets behind its head.
    pub(super) is_early: bool,
}

/// What a connection has become.
pub(super) enum Entered {
    Room(Box<Opened>),
    Topics(Box<Subscribed>),
}

/// Opens one connection, or refuses it: then that has been told and logged.
pub(super) async fn open(accepted: Accepted, shared: &Shared, scratch: &RefCell<Scratch>) -> Option<Entered> {
    let Accepted { socket, peer, permit, overload, by_proxy } = accepted;
    let (request, began) = (RequestId::next(), Instant::now());
    let mut opening = Opening {
        socket,
        peer,
        permit,
        request,
        began,
        tls: None,
        client: None,
        plain: Vec::new(),
        shared,
        scratch,
    };
    let rules = shared.rules.load_full();

    let (refused, response) = match opening.answer(&rules, overload, by_proxy).await {
        Ok(Verdict::Admitted { admitted, place, response, head_bytes, backend }) => {
            let Opening { socket, peer, permit, tls, client, mut plain, .. } = opening;
            let Some(tls) = tls else {
                log(shared, bare(Rejection::HandshakeFailed), peer, client.as_deref(), request);
                return None;
            };
            let early = plain.split_off(head_bytes.min(plain.len()));
            let link = Link::new(socket, tls);
            let admitted = *admitted;
            let opened =
                Opened { link, admitted, response, backend, place, permit, peer, client, request, early };
            return Some(Entered::Room(Box::new(opened)));
        }
        Ok(Verdict::Subscribed { subscribing, place, response, head_bytes }) => {
            let Opening { socket, peer, permit, tls, client, plain, .. } = opening;
            let Some(tls) = tls else {
                log(shared, bare(Rejection::HandshakeFailed), peer, client.as_deref(), request);
                return None;
            };
            let (link, is_early) = (Link::new(socket, tls), plain.len() > head_bytes);
            let subscribing = *subscribing;
            let subscribed =
                Subscribed { link, subscribing, response, place, permit, peer, client, request, is_early };
            return Some(Entered::Topics(Box::new(subscribed)));
        }
        Ok(Verdict::Answered { response }) => (None, Some(response)),
        Ok(Verdict::Refused { refused, response }) => (Some(*refused), response),
        Err(reason) => (Some(bare(reason)), None),
    };
    if let Some(refused) = refused {
        log(shared, refused, opening.peer, opening.client.as_deref(), request);
    }
    if let Some(response) = response {
        // The peer's place is held until its answer is out: a flood of refusals is counted.
        opening.say_goodbye(&response).await;
    }
    None
}

/// What is to be done with a connection.
enum Verdict {
    Admitted {
        admitted: Box<Admitted>,
        place: CountPermit<Arc<str>>,
        response: Vec<u8>,
        head_bytes: usize,
        backend: Option<Box<(Dialled, Arc<Backend>)>>,
    },
    Subscribed {
        subscribing: Box<Subscribing>,
        place: CountPermit<Arc<str>>,
        response: Vec<u8>,
        head_bytes: usize,
    },
    Answered {
        response: Vec<u8>,
    },
    Refused {
        refused: Box<Refused>,
        response: Option<Vec<u8>>,
    },
}

/// How much of what came is the head, and how much behind it its body.
#[derive(Clone, Copy)]
struct Came {
    head_bytes: usize,
    body_bytes: usize,
}

impl Came {
    /// Where both end.
    fn end(self) -> usize {
        self.head_bytes.saturating_add(self.body_bytes)
    }
}

/// A body of so many octets is read along with its head: more is kept for nobody who has not
/// proved who it is.
const SMALL_BODY_BYTES: usize = 1 << 10;

struct Opening<'a> {
    socket: TcpStream,
    /// Whoever a trusted proxy speaks for, once it has said so.
    peer: Peer,
    permit: Permit,
    request: RequestId,
    began: Instant,
    tls: Option<TlsWire>,
    client: Option<Box<ClientCertificate>>,
    /// Plaintext that came.
    plain: Vec<u8>,
    shared: &'a Shared,
    scratch: &'a RefCell<Scratch>,
}

impl Opening<'_> {
    /// From the first octet to a verdict. An `Err` is a connection that is dropped silently.
    async fn answer(
        &mut self,
        rules: &Rules,
        overload: Option<Rejection>,
        by_proxy: bool,
    ) -> Result<Verdict, Rejection> {
        let limits = rules.limits;
        let whole_deadline = self.began + limits.handshake_timeout;
        let tls_deadline = whole_deadline.min(self.began + limits.tls_timeout);
        let by_header = by_proxy && self.shared.proxy_protocol == ProxyProtocol::Required;
        let mut overload = overload;
        if by_header {
            let heard = timeout_at(tls_deadline.into(), read_header(&self.socket)).await;
            if let Some(client) = heard.unwrap_or(Err(Rejection::ProxyMalformed))? {
                self.peer = client;
                overload = overload.or(self.permit.charge(client, self.shared)?);
            }
        }
        let greeted = timeout_at(tls_deadline.into(), self.greet(rules)).await;
        let server_name = greeted.unwrap_or(Err(Rejection::TlsTimeout))?;

        let head_deadline = whole_deadline.min(Instant::now() + limits.head_timeout);
        let read = timeout_at(head_deadline.into(), self.read_head(rules)).await;
        let came = match read.unwrap_or(Err(Rejection::HeadTimeout)) {
            Ok(came) => came,
            Err(reason) => return self.refuse(reason),
        };
        let draining = self.shared.refuses_newcomers().then_some(Rejection::Draining);
        if let Some(reason) = draining.or(overload) {
            return self.refuse(reason);
        }
        self.judge(rules, came, server_name.as_deref(), by_proxy && !by_header).await
    }

    /// Lets hyper take the head apart and floor 1 judge it.
    async fn judge(
        &mut self,
        rules: &Rules,
        came: Came,
        server_name: Option<&str>,
        is_forwarded: bool,
    ) -> Result<Verdict, Rejection> {
        let Opening { peer, client, permit, request, plain, shared, .. } = self;
        let (head, rest) = plain.split_at_checked(came.head_bytes).unwrap_or_default();
        let body = rest.get(..came.body_bytes).unwrap_or_default();
        let strict_transport = shared.page.is_none();
        let mut judged = None;
        let response = serve(
            head,
            |parts| {
                let verdict = match hear(&parts, is_forwarded, peer, permit, shared) {
                    Err(refused) => Judged::Refused { refused, origin: None },
                    Ok(()) => {
                        let caller = Caller {
                            prefix: peer.prefix(rules.limits.prefixes),
                            server_name,
                            client: client.as_deref(),
                            now: Instant::now(),
                            unix_now: unix_now().as_secs(),
                        };
                        judge_request(&parts, body, &caller, rules, shared)
                    }
                };
                let reply = verdict.reply(shared.page.as_ref(), *request, strict_transport);
                judged = Some(verdict);
                reply
            },
            rules.limits.head_timeout,
        )
        .await;
        let (Some(judged), Some(response)) = (judged, response) else {
            // hyper did not like a head that our reader passed: refused all the same.
            return self.refuse(Rejection::HeadMalformed);
        };
        Ok(match judged {
            Judged::Admitted { admitted, place } => {
                match authorized::connection(admitted, self.asker(), self.shared).await {
                    Ok(admitted) => self.call(admitted, place, response, came.head_bytes, rules).await,
                    Err(refused) => self.refuse_authorized(refused, None),
                }
            }
            Judged::Stream { admitted, place, reader } => {
                match authorized::connection(admitted, self.asker(), self.shared).await {
                    Ok(admitted) => {
                        let reply = answer::readable(answer::stream(strict_transport), reader.as_ref());
                        let response = answer::unending(&reply, COMMENT);
                        let head_bytes = came.head_bytes;
                        Verdict::Admitted { admitted, place, response, head_bytes, backend: None }
                    }
                    Err(refused) => self.refuse_authorized(refused, reader.as_ref()),
                }
            }
            Judged::Subscribe { subscribing, place, reader } => {
                match authorized::subscription(subscribing, self.asker(), self.shared).await {
                    Ok(subscribing) => {
                        let reply = answer::readable(answer::stream(strict_transport), reader.as_ref());
                        let (response, head_bytes) = (answer::unended(&reply), came.head_bytes);
                        Verdict::Subscribed { subscribing, place, response, head_bytes }
                    }
                    Err(refused) => self.refuse_authorized(refused, reader.as_ref()),
                }
            }
            Judged::Publish { publishing, reader } => {
                self.take_update(&publishing, came, reader.as_ref()).await?
            }
            Judged::Message { sending, reader } => self.take_message(&sending, came, reader.as_ref()).await?,
            Judged::Refused { refused, .. } | Judged::StreamRefused { refused, .. } => {
                Verdict::Refused { refused: Box::new(refused), response: Some(response) }
            }
            Judged::Renewal { jti, renewal, origin } => self.renew(&jti, renewal, origin.as_ref()).await,
            Judged::Page
            | Judged::Ticket { .. }
            | Judged::Preflight { .. }
            | Judged::Subscriptions { .. }
            | Judged::Metadata { .. }
            | Judged::StreamPreflight { .. } => Verdict::Answered { response },
        })
    }

    /// Gets the backend of an admitted peer, where it leads to one: its 101 comes before ours.
    async fn call(
        &self,
        admitted: Box<Admitted>,
        place: CountPermit<Arc<str>>,
        response: Vec<u8>,
        head_bytes: usize,
        rules: &Rules,
    ) -> Verdict {
        if let Destination::Room(_) = admitted.destination() {
            return Verdict::Admitted { admitted, place, response, head_bytes, backend: None };
        }
        let deadline = self.began + rules.limits.handshake_timeout;
        let (peer, request, shared) = (self.peer, self.request, self.shared);
        match Box::pin(Calling { peer, request, deadline, rules, shared }.call(admitted)).await {
            Ok(Called { admitted, response, backend }) => {
                Verdict::Admitted { admitted, place, response, head_bytes, backend: Some(backend) }
            }
            Err((refused, response)) => {
                Verdict::Refused { refused: Box::new(refused), response: Some(response) }
            }
        }
    }

    /// Who is asked about, where the backend has a say.
    fn asker(&self) -> Asker {
        let deadline = self.began + self.shared.rules.load().limits.handshake_timeout;
        Asker { request: self.request, peer: self.peer, deadline }
    }

    /// Refuses what the backend does not let be.
    fn refuse_authorized(&self, refused: Refused, reader: Option<&Reader>) -> Verdict {
        let reply = answer::refusal(refused.reason, self.request, self.shared.page.is_none());
        let response = Some(answer::octets(&answer::readable(reply, reader)));
        Verdict::Refused { refused: Box::new(refused), response }
    }

    /// Moves the sessions of a token to a new one. How many there were is known only after.
    async fn renew(&self, jti: &str, renewal: Renewal, origin: Option<&Origin>) -> Verdict {
        let strict_transport = self.shared.page.is_none();
        let expires_in =
            renewal.identity.ends_at().map(|ends_at| ends_at.saturating_sub(unix_now().as_secs()));
        let sessions = self.shared.renew(jti, renewal).await;
        let reply = match sessions {
            0 => answer::refusal(Rejection::NothingToRenew, self.request, strict_transport),
            sessions => answer::renewed(sessions, expires_in, strict_transport),
        };
        let response = answer::octets(&answer::readable_by(reply, origin));
        match sessions {
            0 => Verdict::Refused {
                refused: Box::new(bare(Rejection::NothingToRenew)),
                response: Some(response),
            },
            _ => Verdict::Answered { response },
        }
    }

    /// Refuses before there is a request that hyper could answer.
    fn refuse(&self, reason: Rejection) -> Result<Verdict, Rejection> {
        match reason.answer() {
            Answer::Refuse { .. } => {
                let reply = answer::refusal(reason, self.request, self.shared.page.is_none());
                let response = Some(answer::octets(&reply));
                Ok(Verdict::Refused { refused: Box::new(bare(reason)), response })
            }
            Answer::Close(_) | Answer::Drop => Err(reason),
        }
    }

    /// The TLS handshake; the server name that was asked for.
    async fn greet(&mut self, rules: &Rules) -> Result<Option<Box<str>>, Rejection> {
        let mut tls = TlsWire::accept(&rules.tls).map_err(|_| Rejection::TlsFailed)?;
        loop {
            let mut replies = Vec::new();
            let state = self.read(&mut tls, &mut replies).await.map_err(|_| Rejection::HandshakeAbandoned)?;
            // The alert of a fault goes out too, as far as the socket takes it.
            let sent = send_all(&self.socket, &replies).await;
            match state {
                Ok(TlsState::Handshaking) => sent.map_err(|_| Rejection::HandshakeAbandoned)?,
                Ok(TlsState::Established) => {
                    let server_name = tls.take_server_name();
                    self.client = tls.client_certificate().map(Box::new);
                    self.tls = Some(tls);
                    return Ok(server_name);
                }
                Ok(TlsState::PeerClosed) => return Err(Rejection::HandshakeAbandoned),
                Err(fault) => return Err(reason_of(fault)),
            }
        }
    }

    /// Reads until the head is whole, and its body where that is small; a larger one is read once
    /// its sender is known. What came behind stays in `plain`.
    async fn read_head(&mut self, rules: &Rules) -> Result<Came, Rejection> {
        let mut progress = HeadProgress::of(&rules.gate.routes);
        let Some(mut tls) = self.tls.take() else { return Err(Rejection::HandshakeFailed) };
        let judged = loop {
            // The head may have come with the last flight of the TLS handshake.
            match judge_head(&self.plain, &mut progress, &rules.limits.head) {
                Ok(Some(head)) => {
                    let came = Came { head_bytes: head.octets().len(), body_bytes: head.body_bytes() };
                    if came.body_bytes > SMALL_BODY_BYTES || self.plain.len() >= came.end() {
                        break Ok(came);
                    }
                }
                Ok(None) => {}
                Err(reason) => break Err(reason),
            }
            self.read_more(&mut tls).await?;
        };
        self.tls = Some(tls);
        judged
    }

    /// Reads once, and answers what TLS itself asks.
    async fn read_more(&mut self, tls: &mut TlsWire) -> Result<(), Rejection> {
        let mut replies = Vec::new();
        let state = self.read(tls, &mut replies).await.map_err(|_| Rejection::HandshakeAbandoned)?;
        send_all(&self.socket, &replies).await.map_err(|_| Rejection::HandshakeAbandoned)?;
        match state {
            Ok(TlsState::Established | TlsState::Handshaking) => Ok(()),
            Ok(TlsState::PeerClosed) => Err(Rejection::HandshakeAbandoned),
            Err(_) => Err(Rejection::TlsFailed),
        }
    }

    /// One read of the socket through TLS into `plain`. The outer error is the socket's.
    async fn read(
        &mut self,
        tls: &mut TlsWire,
        replies: &mut Vec<u8>,
    ) -> io::Result<Result<TlsState, TlsFault>> {
        loop {
            self.socket.readable().await?;
            // Borrowed between two waits only: all connections of the worker use it.
            let mut scratch = self.scratch.borrow_mut();
            match self.socket.try_read(&mut scratch.cipher_in) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    let input = scratch.cipher_in.get_mut(..n).unwrap_or_default();
                    return Ok(tls.read(input, &mut self.plain, replies));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends plaintext.
    async fn send(&mut self, plain: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Err(io::ErrorKind::NotConnected.into()) };
        let mut cipher = Vec::new();
        let end = tls.write(plain, &mut cipher, 0).map_err(|_| io::ErrorKind::InvalidData)?;
        cipher.truncate(end);
        send_all(&self.socket, &cipher).await
    }
}

async fn send_all(socket: &TcpStream, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        match socket.try_write(octets) {
            Ok(n) => octets = octets.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
