//! Owns how listening sockets go from a gateway to its successor: as descriptors (SCM_RIGHTS, `unix(7)`)
//! over the Unix socket of the internal port. Both ends are here.
//! Never knows why there is a successor, nor who waits in the queues.
//!
//! The successor asks with `POST /admin/hand-over`. Behind the 101 come single octets that say what the
//! descriptor beside each is for, and one that says that this was all. The successor answers with one
//! octet once nothing can keep it from serving; until then the gateway goes on as if nobody had asked.
//! It then takes no more connections, and last says what it has revoked.

use super::reply::{Reply, problem, switching};
use crate::auth::Revocations;
use crate::net::Control;
use crate::net::Shared;
use crate::secret::Secret;
use http::StatusCode;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

/// What both ends call it (RFC 9110 section 7.8).
pub(super) const PROTOCOL: &str = "portcullis-sockets";
const PUBLIC: u8 = b'p';
const INTERNAL: u8 = b'i';
const ALL: u8 = b'.';
const SERVING: u8 = b'r';

/// One step of the other end.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// From the sockets to the word that the successor serves.
const SERVING_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_BYTES_MAX: usize = 4 << 10;
const SOCKETS_MAX: usize = 1 << 16;
const REVOCATIONS_BYTES_MAX: u64 = 256 << 20;

/// The listening sockets that a gateway can give to a successor.
#[derive(Debug)]
pub struct Bequest {
    public: Vec<TcpListener>,
    internal: UnixListener,
}

impl Bequest {
    /// Copies of these. They keep the sockets open, so they go when the sockets go.
    pub fn of(public: &[&TcpListener], internal: &UnixListener) -> io::Result<Bequest> {
        let public = public.iter().map(|listener| listener.try_clone()).collect::<io::Result<_>>()?;
        Ok(Bequest { public, internal: internal.try_clone()? })
    }

    fn give(&self, stream: &UnixStream) -> io::Result<()> {
        for listener in &self.public {
            send(stream, PUBLIC, Some(listener))?;
        }
        send(stream, INTERNAL, Some(&self.internal))?;
        send(stream, ALL, None::<&UnixListener>)
    }
}

fn send(stream: &UnixStream, what: u8, socket: Option<&impl AsFd>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    let sockets: Vec<_> = socket.iter().map(|socket| socket.as_fd()).collect();
    if !sockets.is_empty() {
        beside.push(SendAncillaryMessage::ScmRights(&sockets));
    }
    sendmsg(stream, &[IoSlice::new(&[what])], &mut beside, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The end that gives: what there is to give, until it is given.
#[derive(Debug, Default)]
pub(super) struct Giver {
    bequest: RefCell<Option<Bequest>>,
    /// Told once the successor has it: the internal port takes no more connections.
    pub(super) given: Notify,
}

impl Giver {
    pub(super) fn new(bequest: Option<Bequest>) -> Giver {
        Giver { bequest: RefCell::new(bequest), given: Notify::new() }
    }

    /// The answer to whoever asks; after it [`Giver::give`] is to be run.
    pub(super) fn answer(&self, shared: &Shared) -> Reply {
        if shared.is_draining() {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "draining", "The gateway is going away");
        }
        if self.bequest.borrow().is_none() {
            let title = "The sockets of this gateway are not its own to hand over";
            return problem(StatusCode::CONFLICT, "nothing_to_hand_over", title);
        }
        switching(PROTOCOL)
    }

    /// Gives everything to the successor, and lets go once that serves.
    pub(super) async fn give(&self, upgrade: OnUpgrade, shared: &Shared) -> io::Result<()> {
        let upgraded = tokio::time::timeout(STEP_TIMEOUT, upgrade).await?.map_err(io::Error::other)?;
        let parts = upgraded.downcast::<TokioIo<tokio::net::UnixStream>>();
        let stream =
            parts.map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?.io.into_inner().into_std()?;
        // A few octets, which the socket's buffer takes at once unless there are hundreds of sockets.
        stream.set_write_timeout(Some(STEP_TIMEOUT))?;
        stream.set_nonblocking(false)?;
        match &*self.bequest.borrow() {
            Some(bequest) => bequest.give(&stream)?,
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        stream.set_nonblocking(true)?;
        let mut stream = tokio::net::UnixStream::from_std(stream)?;
        let said = tokio::time::timeout(SERVING_TIMEOUT, stream.read_u8()).await??;
        if said != SERVING {
            return Err(io::ErrorKind::InvalidData.into());
        }
        drop(self.bequest.borrow_mut().take());
        self.given.notify_one();
        shared.stop_accepting().await;
        // Whoever is gone is draining already.
        let _ = shared.control.send(Control::HandedOver).await;
        // It serves once it has read this, and without it too.
        stream.write_all(&shared.throttles.revocations.to_text()).await
    }
}

/// What a gateway gets from the one before it.
#[derive(Debug)]
pub struct Inheritance {
    /// Sockets of the public port.
    pub public: Vec<TcpListener>,
    /// Those of the internal port: one.
    pub internal: Vec<UnixListener>,
    /// Whom to tell that they are served.
    pub predecessor: Predecessor,
}

/// Why nothing was inherited although somebody is there.
#[derive(Debug)]
pub enum Refused {
    /// The status of its answer.
    Status(u16),
    /// It did not answer as a gateway does.
    Broken(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Broken(error)
    }
}

/// The gateway that goes on until it is told that its successor serves.
#[derive(Debug)]
pub struct Predecessor(UnixStream);

impl Predecessor {
    /// Tells it that nothing can keep its successor from serving; what it has revoked.
    pub fn retire(mut self) -> io::Result<Revocations> {
        self.0.write_all(&[SERVING])?;
        let mut text = Vec::new();
        (&self.0).take(REVOCATIONS_BYTES_MAX).read_to_end(&mut text)?;
        Revocations::from_text(&text).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

/// Asks the gateway that listens there for its sockets. `None`: nobody does.
pub fn inherit(path: &Path, token: Option<&Secret>) -> Result<Option<Inheritance>, Refused> {
    let stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(error) if is_nobody_there(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))?;
    let bearer = token.map(|token| [b"Authorization: Bearer ", token.expose(), b"\r\n"].concat());
    let ask = [
        format!(
            "POST /admin/hand-over HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: {PROTOCOL}\r\n\
             Content-Length: 0\r\n"
        )
        .as_bytes(),
        bearer.as_deref().unwrap_or_default(),
        b"\r\n",
    ]
    .concat();
    (&stream).write_all(&ask)?;
    match status(&stream)? {
        101 => {}
        status => return Err(Refused::Status(status)),
    }
    let mut inheritance =
        Inheritance { public: Vec::new(), internal: Vec::new(), predecessor: Predecessor(stream) };
    for _ in 0..SOCKETS_MAX {
        match receive(&inheritance.predecessor.0)? {
            (PUBLIC, Some(socket)) => inheritance.public.push(socket.into()),
            (INTERNAL, Some(socket)) => inheritance.internal.push(socket.into()),
            (ALL, None) => return Ok(Some(inheritance)),
            _ => break,
        }
    }
    Err(Refused::Broken(io::ErrorKind::InvalidData.into()))
}

fn is_nobody_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Reads the head of the answer and no octet behind it: a socket may come beside that.
fn status(mut stream: &UnixStream) -> io::Result<u16> {
    let (mut head, mut octet) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.read_exact(&mut octet)?;
        head.extend(octet);
    }
    let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// One octet, and the descriptor beside it.
fn receive(stream: &UnixStream) -> io::Result<(u8, Option<OwnedFd>)> {
    let mut octet = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(stream, &mut [IoSliceMut::new(&mut octet)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let sockets = beside.drain().find_map(|message| {
        if let RecvAncillaryMessage::ScmRights(sockets) = message { Some(sockets) } else { None }
    });
    let [octet] = octet;
    Ok((octet, sockets.and_then(|mut sockets| sockets.next())))
}
