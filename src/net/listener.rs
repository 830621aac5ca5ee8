//! Owns the listening sockets and the permit that each connection holds while it lasts.
//! Never knows TLS or HTTP.

use super::proxied::ProxyProtocol;
use super::shared::{OpeningLimits, Shared};
use crate::ledger::{Facts, Ledger};
use crate::peer::{Peer, PeerPrefix};
use crate::rejection::Rejection;
use crate::throttle::{CountPermit, Verdict};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// Connections over a cap that are still taken, only to be told so.
const TOLD_BEYOND_CAP: usize = 64;
/// Connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 4096;
/// How long nothing is accepted when there is no file descriptor left.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(50);
/// How often that is told while it lasts.
const ACCEPT_FAILURE_TOLD_EVERY: Duration = Duration::from_secs(1);

/// Binds one listening socket per worker to an address. With port 0 all share the port
/// that the first was given.
pub fn bind(
    address: SocketAddr,
    families: Families,
    workers: usize,
) -> io::Result<Vec<std::net::TcpListener>> {
    // Sockets that share a port are let in beside those of another gateway of the same
    // user. One that does not share it is told that the port is taken.
    let alone = bind_one(address, families, Sharing::Alone)?;
    if workers <= 1 {
        return Ok(vec![listen(alone)?]);
    }
    let bound = alone.local_addr()?.as_socket().unwrap_or(address);
    drop(alone);
    (0..workers).map(|_| bind_one(bound, families, Sharing::Workers).and_then(listen)).collect()
}

/// Gives the sockets of one address, which others have bound, to the workers. Where there are fewer
/// than workers, all workers share them: a connection wakes them all, and the first takes it, so that
/// a busy worker gets fewer of them. No socket is left over: who waits in its queue would be lost.
pub fn share(
    listeners: Vec<std::net::TcpListener>,
    workers: usize,
) -> io::Result<Vec<Vec<std::net::TcpListener>>> {
    let mut per_worker: Vec<Vec<std::net::TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    if listeners.len() < workers {
        for worker in &mut per_worker {
            *worker = listeners.iter().map(std::net::TcpListener::try_clone).collect::<io::Result<_>>()?;
        }
        return Ok(per_worker);
    }
    let mut left = listeners.into_iter();
    while left.len() > 0 {
        for (worker, listener) in per_worker.iter_mut().zip(left.by_ref().take(workers)) {
            worker.push(listener);
        }
    }
    Ok(per_worker)
}

/// Whose connections a socket on every address of IPv6 takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// Those of IPv6: those of IPv4 have a socket of their own.
    Own,
    /// Those of IPv4 too.
    Both,
}

/// Who else may bind the same port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Workers,
}

fn listen(socket: Socket) -> io::Result<std::net::TcpListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_one(address: SocketAddr, families: Families, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::Workers)?;
    if address.is_ipv6() {
        socket.set_only_v6(families == Families::Own)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A connection inside the caps, or one that is told that it is not.
pub(super) struct Accepted {
    pub(super) socket: TcpStream,
    pub(super) peer: Peer,
    pub(super) permit: Permit,
    /// What it is told once its head is there.
    pub(super) overload: Option<Rejection>,
    /// The peer is a trusted proxy: whom it speaks for is still to be heard.
    pub(super) by_proxy: bool,
}

/// The place of a connection; dropping it gives the place back.
pub(super) struct Permit {
    ledger: Arc<Ledger>,
    /// Its address's; none for a trusted proxy, which is neither counted nor limited.
    address: Option<CountPermit<PeerPrefix>>,
}

impl Permit {
    /// Counts the connection to an address and its rate, once it is known whose it is. An
    /// overload is told once there is a head; an error is a flood that is not told.
    pub(super) fn charge(&mut self, peer: Peer, shared: &Shared) -> Result<Option<Rejection>, Rejection> {
        let limits = shared.rules.load().limits;
        let prefix = peer.prefix(limits.prefixes);
        let rate = shared.handshakes.take(&prefix, Instant::now());
        if rate == Verdict::Flood {
            return Err(Rejection::AddressFlood);
        }
        let cap = limits.connections_per_address;
        let told = cap.saturating_add(TOLD_BEYOND_CAP);
        self.address = Some(shared.addresses.hold(&prefix, told).ok_or(Rejection::AddressFlood)?);
        Ok(if shared.addresses.held(&prefix) > cap {
            Some(Rejection::AddressConnections)
        } else if rate == Verdict::Over {
            Some(Rejection::AddressHandshakes)
        } else {
            None
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.ledger.connections().leave();
    }
}

/// Accepts until the gateway stops it: each connection is handed to `take`.
pub(super) async fn accept(
    worker: usize,
    listener: TcpListener,
    shared: &Shared,
    mut take: impl FnMut(Accepted),
) {
    let mut stopped = shared.accepting.subscribe();
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            biased;
            // What waits in the queue from now on is somebody else's.
            _ = stopped.wait_for(|accepting| !accepting) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => {
                let peer = Peer::new(address.ip());
                match admit(worker, socket, peer, shared) {
                    Ok(accepted) => take(accepted),
                    Err(reason) => {
                        shared.ledger.refused(reason, &Facts { peer: Some(peer), ..Facts::default() })
                    }
                }
            }
            Err(error) => match whose_fault(&error) {
                Fault::Peer => {}
                Fault::Ours => {
                    // Accepting again at once would only spin: something must close first.
                    let is_due = told.is_none_or(|at| at.elapsed() >= ACCEPT_FAILURE_TOLD_EVERY);
                    shared.ledger.accept_failed(is_due.then(|| error.to_string()).as_deref());
                    if is_due {
                        told = Some(Instant::now());
                    }
                    tokio::time::sleep(NO_DESCRIPTOR_PAUSE).await;
                }
            },
        }
    }
}

enum Fault {
    Peer,
    Ours,
}

/// accept(2): errors of the network of the new connection are that connection's.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "std's ErrorKind is not exhaustive, and what is not named is alike"
)]
fn whose_fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::Interrupted
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::TimedOut => Fault::Peer,
        _ => Fault::Ours,
    }
}

fn admit(worker: usize, socket: TcpStream, peer: Peer, shared: &Shared) -> Result<Accepted, Rejection> {
    let by_proxy = shared.proxies.trusts(peer);
    if shared.proxy_protocol == ProxyProtocol::Required && !by_proxy {
        return Err(Rejection::ProxyUntrusted);
    }
    let limits = shared.rules.load().limits;
    let connections_max = limits.connections;
    let held = usize::try_from(shared.ledger.connections().enter()).unwrap_or(usize::MAX);
    let mut permit = Permit { ledger: Arc::clone(&shared.ledger), address: None };
    if held > connections_max.saturating_add(TOLD_BEYOND_CAP) {
        return Err(Rejection::CapacityFlood);
    }
    let busy = is_overloaded(worker, &limits, shared)?;
    let overload = if by_proxy { None } else { permit.charge(peer, shared)? };
    let full = (held > connections_max).then_some(Rejection::ConnectionsFull);
    let overload = full.or(busy).or(overload);
    // A frame is written whole: waiting for more to join it would only delay it.
    let _ = SockRef::from(&socket).set_tcp_nodelay(true);
    Ok(Accepted { socket, peer, permit, overload, by_proxy })
}

/// Whether a newcomer must go, so that the sessions that are there are served. Being told so costs
/// a TLS handshake: beyond a few, which are told, an error is a flood that is not.
fn is_overloaded(
    worker: usize,
    limits: &OpeningLimits,
    shared: &Shared,
) -> Result<Option<Rejection>, Rejection> {
    let under_way = usize::try_from(shared.ledger.handshakes()).unwrap_or(usize::MAX);
    let is_late = shared.ledger.worker(worker).lag() >= limits.overload_lag;
    let is_full = limits.queued_bytes.is_some_and(|most| shared.ledger.queued_bytes() > most);
    let most = if is_late || is_full { 0 } else { limits.handshakes };
    if under_way > most.saturating_add(TOLD_BEYOND_CAP) {
        return Err(Rejection::OverloadFlood);
    }
    Ok((under_way > most).then_some(Rejection::Overloaded))
}
