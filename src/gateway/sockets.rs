//! Owns the listening sockets of a gateway: bound here, or bound by others and given to it.
//! Never knows a connection.

use super::Failure;
use super::given::{self, Given, Socket, Source};
use crate::config::InternalListen;
use crate::internal::{Bequest, SocketFile};
use crate::net::Families;
use crate::{internal, net};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The listening sockets of a gateway.
pub(super) struct Sockets {
    /// Those of the public port, by worker.
    pub(super) per_worker: Vec<Vec<TcpListener>>,
    /// Where they listen.
    pub(super) addresses: Vec<SocketAddr>,
    /// That of the internal port.
    pub(super) internal: Option<internal::Bound>,
    /// Whether the service manager holds those of the public port too, so that who waits in their
    /// queues is not lost when this gateway ends.
    pub(super) outlive: bool,
    /// What a successor may have: all of it is this gateway's own, and there is a way to hand it over.
    pub(super) bequest: Option<Bequest>,
}

/// Takes what was given, and binds the rest.
pub(super) fn open(
    given: Vec<Given>,
    by: Source,
    listen: &[SocketAddr],
    internal: Option<&InternalListen>,
    workers: usize,
) -> Result<Sockets, Failure> {
    let given = given::sort(given, by, listen, internal)?;
    let outlive = by == Source::ServiceManager && !given.public.is_empty();
    let mut by_address: BTreeMap<SocketAddr, Vec<TcpListener>> = BTreeMap::new();
    for (listener, address) in given.public {
        by_address.entry(address).or_default().push(listener);
    }
    for address in if outlive { Vec::new() } else { given.missing } {
        let failed = |error| Failure::bind(address, error);
        let listeners = net::bind(address, families(address, listen), workers).map_err(failed)?;
        let bound = listeners.first().map_or(Ok(address), TcpListener::local_addr).map_err(failed)?;
        by_address.entry(bound).or_default().extend(listeners);
    }
    let internal = match (given.internal, internal) {
        (Some(socket), _) => Some(take_internal(socket, by)?),
        (None, Some(listen)) => Some(bind_internal(listen)?),
        (None, None) => None,
    };
    let bequest = match &internal {
        Some(internal::Bound::Unix(own, Some(_))) if !outlive => {
            let public: Vec<&TcpListener> = by_address.values().flatten().collect();
            Some(Bequest::of(&public, own).map_err(Failure::copy)?)
        }
        Some(_) | None => None,
    };
    let addresses = by_address.keys().copied().collect();
    let mut per_worker: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    for (address, listeners) in by_address {
        let shared = net::share(listeners, workers).map_err(|error| Failure::share(address, error))?;
        for (mine, more) in per_worker.iter_mut().zip(shared) {
            mine.extend(more);
        }
    }
    Ok(Sockets { per_worker, addresses, internal, outlive, bequest })
}

/// `[::]` beside `0.0.0.0` with the same port leaves that one its connections.
fn families(address: SocketAddr, listen: &[SocketAddr]) -> Families {
    let is_beside =
        |other: &SocketAddr| other.is_ipv4() && other.ip().is_unspecified() && other.port() == address.port();
    if listen.iter().any(is_beside) { Families::Own } else { Families::Both }
}

fn take_internal(socket: Socket, by: Source) -> Result<internal::Bound, Failure> {
    match socket {
        Socket::Tcp(listener, address) => {
            listener.set_nonblocking(true).map_err(|error| Failure::share(address, error))?;
            Ok(internal::Bound::Tcp(listener))
        }
        Socket::Unix(listener, path) => {
            if is_open_to_others(&path) {
                return Err(Failure::open_to_others(&path));
            }
            listener.set_nonblocking(true).map_err(|error| Failure::bind_unix(&path, error))?;
            let file = match by {
                // Whoever made the file takes it away.
                Source::ServiceManager => None,
                Source::Predecessor => Some(SocketFile::of_predecessor(path)),
            };
            Ok(internal::Bound::Unix(listener, file))
        }
    }
}

/// A file that cannot be seen from here cannot be judged: systemd makes it 0666 unless told.
fn is_open_to_others(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

fn bind_internal(listen: &InternalListen) -> Result<internal::Bound, Failure> {
    match listen {
        InternalListen::Tcp(address) => {
            internal::bind_tcp(*address).map_err(|error| Failure::bind(*address, error))
        }
        InternalListen::Unix(path) => {
            internal::bind_unix(path).map_err(|error| Failure::bind_unix(path, error))
        }
    }
}
