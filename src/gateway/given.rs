//! Owns sockets that somebody else has bound and that listen already: what each is for, and whether
//! they fit the configuration.
//! Never knows how a gateway binds its own.

use super::Failure;
use crate::config::{Internal, InternalListen};
use crate::internal::{self, Inheritance, Predecessor};
use listenfd::ListenFd;
use rustix::net::sockopt::{ipv6_v6only, socket_acceptconn};
use std::fmt;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// A listening socket that was given, and where it listens.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

/// Who gives sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It keeps them when the gateway ends. All or none of the addresses of `server.listen` are given:
    /// what the configuration says is what the gateway listens on.
    ServiceManager,
    /// It ends. Its configuration may have been another: what is not named any more is closed, and
    /// what is new is bound.
    Predecessor,
}

/// What the service manager calls a socket (`FileDescriptorName=`), and the socket.
#[derive(Debug)]
pub(super) struct Given {
    name: String,
    socket: Socket,
}

/// What was given, by what it is for.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// For `server.listen`.
    pub(super) public: Vec<(TcpListener, SocketAddr)>,
    /// For `internal.listen`.
    pub(super) internal: Option<Socket>,
    /// The addresses of `server.listen` for which there is none.
    pub(super) missing: Vec<SocketAddr>,
}

/// The sockets that the service manager hands to this process (`sd_listen_fds(3)`). They are closed
/// to any program that it might start. To be called once, before another thread runs.
pub(super) fn by_service_manager() -> Result<Vec<Given>, Failure> {
    // Before they are taken, as that removes what says that they are there.
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut taken = ListenFd::from_env();
    (0..taken.len())
        .map(|index| {
            let name = names.next().unwrap_or_default().to_owned();
            let socket = take(&mut taken, index)
                .ok_or_else(|| Failure::given(&name, index, "is no stream socket that listens"))?;
            Ok(Given { name, socket })
        })
        .collect()
}

fn take(taken: &mut ListenFd, index: usize) -> Option<Socket> {
    if let Ok(Some(listener)) = taken.take_tcp_listener(index) {
        let address = listener.local_addr().ok()?;
        return socket_acceptconn(&listener).ok()?.then_some(Socket::Tcp(listener, address));
    }
    let listener = taken.take_unix_listener(index).ok()??;
    let path = listener.local_addr().ok()?.as_pathname()?.to_owned();
    socket_acceptconn(&listener).ok()?.then_some(Socket::Unix(listener, path))
}

/// The sockets of the gateway that runs, and where to tell it that they are served; `None` where none
/// runs.
pub(super) fn by_predecessor(
    internal: Option<&Internal>,
) -> Result<Option<(Vec<Given>, Predecessor)>, Failure> {
    let Some(Internal { listen: InternalListen::Unix(path), token, .. }) = internal else {
        return Err(Failure::no_way_to_predecessor());
    };
    let inherited =
        internal::inherit(path, token.as_ref()).map_err(|refused| Failure::predecessor(path, &refused))?;
    let Some(Inheritance { public, internal, predecessor }) = inherited else { return Ok(None) };
    let public = public.into_iter().filter_map(|listener| {
        let address = listener.local_addr().ok()?;
        Some(("public", Socket::Tcp(listener, address)))
    });
    let internal = internal.into_iter().map(|listener| ("internal", Socket::Unix(listener, path.clone())));
    let given = public.chain(internal).map(|(name, socket)| Given { name: name.to_owned(), socket });
    Ok(Some((given.collect(), predecessor)))
}

/// Finds out what each socket is for, by its name or its address.
pub(super) fn sort(
    given: Vec<Given>,
    by: Source,
    listen: &[SocketAddr],
    internal: Option<&InternalListen>,
) -> Result<Sorted, Failure> {
    let mut sorted = Sorted::default();
    for (index, Given { name, socket }) in given.into_iter().enumerate() {
        let bad = |why: String| Failure::given(&name, index, &why);
        let role = match role(&name, &socket, listen, internal) {
            Ok(role) => role,
            Err(_) if by == Source::Predecessor => continue,
            Err(why) => return Err(bad(why)),
        };
        match (role, socket) {
            (Role::Public, Socket::Tcp(listener, address)) => sorted.public.push((listener, address)),
            (Role::Public, Socket::Unix(..)) => {}
            (Role::Internal, _) if sorted.internal.is_some() => {
                return Err(bad("is a second one for internal.listen".to_owned()));
            }
            (Role::Internal, socket) => sorted.internal = Some(socket),
        }
    }
    let is_missing = |wanted: &SocketAddr| !sorted.public.iter().any(|(own, at)| covers(own, *at, *wanted));
    sorted.missing = listen.iter().copied().filter(is_missing).collect();
    match sorted.missing.first() {
        Some(missing) if by == Source::ServiceManager && !sorted.public.is_empty() => {
            Err(Failure::not_given(*missing))
        }
        Some(_) | None => Ok(sorted),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Public,
    Internal,
}

/// What a socket is for; or why it is for nothing that the configuration has.
fn role(
    name: &str,
    socket: &Socket,
    listen: &[SocketAddr],
    internal: Option<&InternalListen>,
) -> Result<Role, String> {
    let is_public = match socket {
        Socket::Tcp(_, address) => listen.iter().any(|wanted| is_at(*wanted, *address)),
        Socket::Unix(..) => false,
    };
    let is_internal = match (socket, internal) {
        (Socket::Tcp(_, address), Some(InternalListen::Tcp(wanted))) => is_at(*wanted, *address),
        (Socket::Unix(_, path), Some(InternalListen::Unix(wanted))) => is_same_file(path, wanted),
        (Socket::Tcp(..) | Socket::Unix(..), _) => false,
    };
    match name {
        "public" if is_public => Ok(Role::Public),
        "public" => Err(format!("listens on {socket}, which server.listen does not name")),
        "internal" if is_internal => Ok(Role::Internal),
        "internal" => Err(format!("listens on {socket}, which internal.listen does not name")),
        _ if is_public => Ok(Role::Public),
        _ if is_internal => Ok(Role::Internal),
        _ => Err(format!("listens on {socket}, which neither server.listen nor internal.listen names")),
    }
}

/// Port 0 is any port.
fn is_at(wanted: SocketAddr, address: SocketAddr) -> bool {
    wanted.ip() == address.ip() && (wanted.port() == 0 || wanted.port() == address.port())
}

/// Whether connections to the wanted address come by this socket. One that listens on every address
/// of IPv6 has those of IPv4 too, unless it was made for IPv6 alone.
fn covers(listener: &TcpListener, address: SocketAddr, wanted: SocketAddr) -> bool {
    let both = || {
        let every = |ip: IpAddr| ip.is_unspecified();
        let is_dual = address.is_ipv6() && ipv6_v6only(listener).is_ok_and(|alone| !alone);
        is_dual && every(address.ip()) && every(wanted.ip()) && wanted.port() == address.port()
    };
    is_at(wanted, address) || both()
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    a == b || real(a).is_some_and(|real_a| Some(real_a) == real(b))
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Socket::Tcp(_, address) => write!(f, "{address}"),
            Socket::Unix(_, path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Socket {
        let listener = TcpListener::bind(address).expect("a socket");
        let address = listener.local_addr().expect("an address");
        Socket::Tcp(listener, address)
    }

    fn given(name: &str, socket: Socket) -> Given {
        Given { name: name.to_owned(), socket }
    }

    fn address(socket: &Socket) -> SocketAddr {
        match socket {
            Socket::Tcp(_, address) => *address,
            Socket::Unix(..) => panic!("a Unix socket"),
        }
    }

    #[test]
    fn a_socket_is_known_by_its_name_or_by_where_it_listens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("internal.sock");
        let unix = || {
            let _ = std::fs::remove_file(&path);
            Socket::Unix(UnixListener::bind(&path).expect("a socket"), path.clone())
        };
        let internal = InternalListen::Unix(path.clone());
        for (first, second) in [("public", "internal"), ("portcullis.socket", "portcullis.socket"), ("", "")]
        {
            let public = tcp("127.0.0.1:0");
            let listen = [address(&public)];
            let sorted = sort(
                vec![given(first, public), given(second, unix())],
                Source::ServiceManager,
                &listen,
                Some(&internal),
            );
            let sorted = sorted.expect("they fit");
            assert_eq!((sorted.public.len(), sorted.internal.is_some()), (1, true), "{first}");
        }
        let (public, own) = (tcp("127.0.0.1:0"), tcp("127.0.0.1:0"));
        let (listen, internal) = ([address(&public)], InternalListen::Tcp(address(&own)));
        let sorted =
            sort(vec![given("", own), given("", public)], Source::ServiceManager, &listen, Some(&internal))
                .expect("they fit");
        assert_eq!(sorted.public.first().map(|(_, address)| *address), listen.first().copied());
    }

    #[test]
    fn what_the_configuration_does_not_name_is_told_and_so_is_what_was_not_given() {
        let listen: Vec<SocketAddr> = vec!["127.0.0.1:1".parse().expect("an address")];
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.sock");
        let unix = || {
            let _ = std::fs::remove_file(&path);
            Socket::Unix(UnixListener::bind(&path).expect("a socket"), path.clone())
        };
        for (name, socket, told) in [
            ("public", tcp("127.0.0.1:0"), "server.listen does not name"),
            ("public", unix(), "server.listen does not name"),
            ("internal", tcp("127.0.0.1:0"), "internal.listen does not name"),
            ("web", tcp("127.0.0.1:0"), "neither server.listen nor internal.listen"),
            ("", unix(), "neither server.listen nor internal.listen"),
        ] {
            let why = sort(vec![given(name, socket)], Source::ServiceManager, &listen, None)
                .expect_err(told)
                .to_string();
            assert!(why.contains(told) && why.contains(name), "{why}");
        }
        let public = tcp("127.0.0.1:0");
        let two = [address(&public), listen[0]];
        let why = sort(vec![given("", public)], Source::ServiceManager, &two, None)
            .expect_err("one is missing")
            .to_string();
        assert!(why.contains("ListenStream=127.0.0.1:1"), "{why}");
        let (one, other) = (tcp("127.0.0.1:0"), tcp("127.0.0.1:0"));
        let internal = InternalListen::Tcp("127.0.0.1:0".parse().expect("an address"));
        let why = sort(vec![given("", one), given("", other)], Source::ServiceManager, &[], Some(&internal))
            .expect_err("two");
        assert!(why.to_string().contains("a second one for internal.listen"), "{why}");
    }

    #[test]
    fn a_socket_for_both_families_covers_the_addresses_of_both() {
        let Ok(listener) = TcpListener::bind("[::]:0") else { return };
        let at = listener.local_addr().expect("an address");
        let four = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), at.port());
        let dual = ipv6_v6only(&listener).is_ok_and(|alone| !alone);
        assert_eq!(covers(&listener, at, four), dual);
        assert!(covers(&listener, at, at));
        let loopback = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), at.port());
        assert!(!covers(&listener, at, loopback), "a listen entry is given as it is written");
    }

    #[test]
    fn nothing_given_is_nothing_missed() {
        let listen: Vec<SocketAddr> = vec!["127.0.0.1:1".parse().expect("an address")];
        let sorted = sort(Vec::new(), Source::ServiceManager, &listen, None).expect("nothing was given");
        assert!(sorted.public.is_empty() && sorted.internal.is_none());
    }
}
