//! Owns the listening socket of the internal port.
//! Never knows HTTP.

use rustix::fs::Mode;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A bound internal port, not blocking.
#[derive(Debug)]
pub enum Bound {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A Unix socket and its file, unless that is somebody else's.
    Unix(std::os::unix::net::UnixListener, Option<SocketFile>),
}

impl Bound {
    /// The file that this gateway takes away at its end: that of a socket that it has made.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Bound::Unix(_, file) => file.as_ref().map(|file| &*file.path),
            Bound::Tcp(_) => None,
        }
    }

    /// Takes over what was a predecessor's.
    pub fn claim(&mut self) {
        if let Bound::Unix(_, Some(file)) = self {
            file.is_ours = true;
        }
    }
}

/// The file of a Unix socket: dropping it removes the file. To be dropped before the listener
/// is: a socket that nobody listens on may be replaced by another gateway's.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    is_ours: bool,
}

impl SocketFile {
    /// The file of a socket that is a predecessor's until it is claimed.
    #[must_use]
    pub fn of_predecessor(path: PathBuf) -> SocketFile {
        SocketFile { path, is_ours: false }
    }

    /// Lets a successor have it.
    pub(super) fn leave(mut self) {
        self.is_ours = false;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours {
            // What cannot be removed is taken over at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Binds a TCP address.
pub fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(Bound::Tcp(listener))
}

/// Binds a Unix socket that its owner alone may use (0600). A socket that a gateway left
/// behind is replaced; one that somebody listens on is not.
pub fn bind_unix(path: &Path) -> io::Result<Bound> {
    let left_behind = path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_socket());
    if left_behind {
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            // It may also be the socket of another user or of another kind, and alive.
            Ok(_) | Err(_) => return Err(io::ErrorKind::AddrInUse.into()),
        }
    }
    // The mode is right from the start: set afterwards, it would be too wide for a moment.
    // No other thread runs yet that could make a file meanwhile.
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = std::os::unix::net::UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound?;
    let file = SocketFile { path: path.to_owned(), is_ours: true };
    listener.set_nonblocking(true)?;
    Ok(Bound::Unix(listener, Some(file)))
}
