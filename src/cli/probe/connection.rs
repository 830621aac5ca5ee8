//! Owns one connection to the endpoint: bounded in time and in what is read of it.
//! Never knows what an attack is.

use super::endpoint::Endpoint;
use super::judge::{End, Seen};
use crate::net::tls::ClientTls;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What one connection may take, from the first SYN to the verdict.
pub(super) const CONNECTION_TIME: Duration = Duration::from_secs(5);
const OCTETS_MAX: usize = 256 << 10;

/// The way to an endpoint.
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<ClientTls>,
}

/// An open connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    octets: Vec<u8>,
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl Route {
    /// A connection, in TLS where the URL says so.
    pub(super) fn open(&self) -> io::Result<Connection> {
        let socket = self.socket()?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some(tls) => Box::new(tls.connect(&self.endpoint.name, socket)?),
            None => Box::new(socket),
        };
        Ok(Connection { stream, octets: Vec::new() })
    }

    /// A connection without TLS, whatever the URL says.
    pub(super) fn open_bare(&self) -> io::Result<Connection> {
        Ok(Connection { stream: Box::new(self.socket()?), octets: Vec::new() })
    }

    fn socket(&self) -> io::Result<Bounded> {
        let deadline = Instant::now() + CONNECTION_TIME;
        let socket = TcpStream::connect_timeout(&self.address, CONNECTION_TIME)?;
        socket.set_nodelay(true)?;
        Ok(Bounded { socket, deadline })
    }
}

impl Connection {
    /// Sends octets. An endpoint that does not take them says why in what it answers.
    pub(super) fn send(&mut self, octets: &[u8]) {
        let _ = self.stream.write_all(octets).and_then(|()| self.stream.flush());
    }

    /// Reads until enough came, the endpoint ends the connection, or its time is over.
    pub(super) fn read_until(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> Seen {
        let mut piece = [0; 4 << 10];
        loop {
            if is_enough(&self.octets) || self.octets.len() > OCTETS_MAX {
                return self.seen(End::Open);
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return self.seen(End::Closed),
                Ok(count) => self.octets.extend(piece.iter().take(count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.seen(end_of(error.kind())),
            }
        }
    }

    fn seen(&self, end: End) -> Seen {
        Seen { octets: self.octets.clone(), end }
    }

    /// Forgets what came up to now, but for these octets.
    pub(super) fn keep(&mut self, octets: Vec<u8>) {
        self.octets = octets;
    }
}

fn end_of(kind: io::ErrorKind) -> End {
    let is_late = matches!(kind, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
    if is_late { End::Open } else { End::Closed }
}

/// A socket whose every operation ends at one instant, so that no endpoint holds the probe.
struct Bounded {
    socket: TcpStream,
    deadline: Instant,
}

impl Bounded {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        self.socket.read(into)
    }
}

impl Write for Bounded {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        self.socket.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
