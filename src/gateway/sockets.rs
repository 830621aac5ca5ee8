//! Owns the listening sockets of a gateway: bound here, or bound by others and given to it.
//! Never knows a connection.

use super::Failure;
use super::given::{self, Given, Socket};
use crate::config::InternalListen;
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
    /// Whether somebody else holds those of the public port too, so that who waits in their queues
    /// is not lost when this gateway ends.
    pub(super) outlive: bool,
}

/// Takes what was given, and binds the rest.
pub(super) fn open(
    given: Vec<Given>,
    listen: &[SocketAddr],
    internal: Option<&InternalListen>,
    workers: usize,
) -> Result<Sockets, Failure> {
    let given = given::sort(given, listen, internal)?;
    let outlive = !given.public.is_empty();
    let (per_worker, addresses) =
        if outlive { share(given.public, workers)? } else { bind(listen, workers)? };
    let internal = match (given.internal, internal) {
        (Some(socket), _) => Some(take_internal(socket)?),
        (None, Some(listen)) => Some(bind_internal(listen)?),
        (None, None) => None,
    };
    Ok(Sockets { per_worker, addresses, internal, outlive })
}

type Public = (Vec<Vec<TcpListener>>, Vec<SocketAddr>);

fn share(given: Vec<(TcpListener, SocketAddr)>, workers: usize) -> Result<Public, Failure> {
    let mut by_address: BTreeMap<SocketAddr, Vec<TcpListener>> = BTreeMap::new();
    for (listener, address) in given {
        by_address.entry(address).or_default().push(listener);
    }
    let mut per_worker: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    let addresses = by_address.keys().copied().collect();
    for (address, listeners) in by_address {
        let shared = net::share(listeners, workers).map_err(|error| Failure::share(address, error))?;
        for (mine, more) in per_worker.iter_mut().zip(shared) {
            mine.extend(more);
        }
    }
    Ok((per_worker, addresses))
}

fn bind(listen: &[SocketAddr], workers: usize) -> Result<Public, Failure> {
    let mut per_worker: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for address in listen {
        let failed = |error| Failure::bind(*address, error);
        let listeners = net::bind(*address, workers).map_err(failed)?;
        let bound = listeners.first().map_or(Ok(*address), TcpListener::local_addr).map_err(failed)?;
        addresses.push(bound);
        for (mine, listener) in per_worker.iter_mut().zip(listeners) {
            mine.push(listener);
        }
    }
    Ok((per_worker, addresses))
}

fn take_internal(socket: Socket) -> Result<internal::Bound, Failure> {
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
            // Whoever made the file takes it away.
            Ok(internal::Bound::Unix(listener, None))
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
