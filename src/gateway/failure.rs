//! Owns why a gateway does not start, in words that name the place and the remedy.
//! Never knows how it is shown.

use crate::auth::KeyFault;
use crate::internal::Refused;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// Why a gateway does not start.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub(super) fn assertion_key(fault: KeyFault) -> Failure {
        Failure(format!("no key for backends could be made: {fault}"))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "std's ErrorKind is not exhaustive, and what is not named is alike"
    )]
    pub(super) fn bind(address: SocketAddr, error: io::Error) -> Failure {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is taken: end what listens there, or choose another port",
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need CAP_NET_BIND_SERVICE: choose another port, or give it"
            }
            io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address",
            _ => return Failure(format!("cannot listen on {address}: {error}")),
        };
        Failure(format!("cannot listen on {address}: {remedy}"))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "std's ErrorKind is not exhaustive, and what is not named is alike"
    )]
    pub(super) fn bind_unix(path: &Path, error: io::Error) -> Failure {
        let path = path.display();
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "somebody listens there: if it is a gateway, end it, or replace it by `serve --take-over`"
                    .to_owned()
            }
            io::ErrorKind::NotFound => "its folder is not there: make it".to_owned(),
            io::ErrorKind::PermissionDenied => "its folder cannot be written to".to_owned(),
            io::ErrorKind::InvalidInput => {
                "the path is too long for a socket: choose a shorter one".to_owned()
            }
            _ => error.to_string(),
        };
        Failure(format!("cannot listen on unix:{path}: {remedy}"))
    }

    /// A socket that was given and is not taken.
    pub(super) fn given(name: &str, index: usize, why: &str) -> Failure {
        let name = if name.is_empty() { String::new() } else { format!(" ({})", crate::ledger::clean(name)) };
        Failure(format!(
            "socket {index}{name} of the service manager {why}: let its socket unit and the configuration say the same"
        ))
    }

    /// An address that is not among the sockets that were given.
    pub(super) fn not_given(address: SocketAddr) -> Failure {
        Failure(format!(
            "server.listen names {address}, for which the service manager gave no socket: \
             write ListenStream={address} in its socket unit, or take it out of server.listen"
        ))
    }

    /// A Unix socket that was given with too wide a mode.
    pub(super) fn open_to_others(path: &Path) -> Failure {
        Failure(format!(
            "others can connect to unix:{}: write SocketMode=0600 in its socket unit",
            path.display()
        ))
    }

    /// There is nowhere to ask a predecessor.
    pub(super) fn no_way_to_predecessor() -> Failure {
        Failure(
            "--take-over asks the gateway that runs for its sockets, over the Unix socket of its internal port: \
             write `listen = \"unix:...\"` in [internal]"
                .to_owned(),
        )
    }

    /// A predecessor that does not give its sockets.
    pub(super) fn predecessor(path: &Path, refused: &Refused) -> Failure {
        let path = path.display();
        let why = match refused {
            Refused::Status(401) => "it asks for another token: is `token_file` the same?".to_owned(),
            Refused::Status(404) => {
                "its version cannot hand its sockets over: end it, then start this one".to_owned()
            }
            Refused::Status(409) => {
                "its sockets belong to a service manager, which restarts it without a loss".to_owned()
            }
            Refused::Status(503) => "it is draining already: start this one when it has ended".to_owned(),
            Refused::Status(status) => format!("it answers with status {status}"),
            Refused::Broken(error) => error.to_string(),
        };
        Failure(format!("the gateway at unix:{path} does not hand its sockets over: {why}"))
    }

    /// A socket that cannot be shared by the workers.
    pub(super) fn share(address: SocketAddr, error: io::Error) -> Failure {
        Failure(format!("cannot take the socket on {address}: {error}"))
    }

    /// The copies for a successor.
    pub(super) fn copy(error: io::Error) -> Failure {
        Failure(format!("cannot keep the listening sockets for a successor: {error}"))
    }

    pub(super) fn thread(error: io::Error) -> Failure {
        Failure(format!("cannot start: the system gives no thread or no event queue: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
