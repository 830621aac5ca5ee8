//! Owns a blocking TLS connection on which a test says exactly which octets go out.
//! Never knows HTTP or WebSocket.

use super::PATIENCE;
use super::answer::{Answer, End, read_more};
use super::target::Place;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A TLS connection.
pub(crate) struct Conn(pub(crate) StreamOwned<ClientConnection, TcpStream>);

impl Conn {
    /// A connection whose TLS handshake must succeed.
    pub(crate) fn open(place: &Place) -> Conn {
        Conn::try_open(place, &place.server_name, &place.tls).expect("a TLS handshake")
    }

    /// A connection with this server name and these TLS options; the whole TLS handshake is done.
    pub(crate) fn try_open(place: &Place, server_name: &str, tls: &Arc<ClientConfig>) -> io::Result<Conn> {
        place.pace();
        Conn::over(tcp(place.address)?, server_name, tls)
    }

    /// A connection that comes from another loopback address.
    pub(crate) fn open_from(place: &Place, source: IpAddr) -> Conn {
        place.pace();
        Conn::over(tcp_from(place.address, source, None), &place.server_name, &place.tls)
            .expect("a TLS handshake")
    }

    /// TLS over a socket that is there.
    pub(crate) fn over(socket: TcpStream, server_name: &str, tls: &Arc<ClientConfig>) -> io::Result<Conn> {
        let name = ServerName::try_from(server_name.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
        let mut conn = Conn(StreamOwned::new(connection, socket));
        while conn.0.conn.is_handshaking() {
            conn.0.conn.complete_io(&mut conn.0.sock)?;
        }
        Ok(conn)
    }

    /// Sends octets; a peer that no longer listens is no fault, its answer says why.
    pub(crate) fn send(&mut self, octets: &[u8]) {
        let _ = self.0.write_all(octets).and_then(|()| self.0.flush());
    }

    /// Sends octets and says whether the socket took them.
    pub(crate) fn try_send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.0.write_all(octets)?;
        self.0.flush()
    }

    /// Sends each octet in a record and a segment of its own.
    pub(crate) fn send_one_by_one(&mut self, octets: &[u8]) {
        for octet in octets {
            self.send(&[*octet]);
        }
    }

    /// Reads a whole answer.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    pub(crate) fn try_answer(&mut self) -> io::Result<Answer> {
        Answer::read_whole(&mut self.0)
    }

    /// All that still comes, and how it ends.
    pub(crate) fn drain(&mut self) -> (Vec<u8>, End) {
        let mut octets = Vec::new();
        loop {
            if let Some(end) = read_more(&mut self.0, &mut octets) {
                return (octets, end);
            }
        }
    }

    /// Whether nothing comes and nothing ends within this time.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        let before = self.0.sock.read_timeout().expect("a socket");
        self.0.sock.set_read_timeout(Some(time)).expect("a socket");
        let silent = matches!(self.0.read(&mut [0; 1]), Err(fault) if is_timeout(&fault));
        self.0.sock.set_read_timeout(before).expect("a socket");
        silent
    }

    /// The certificate that the gateway showed.
    pub(crate) fn server_certificate(&self) -> CertificateDer<'static> {
        let chain = self.0.conn.peer_certificates().expect("a certificate");
        chain[0].clone().into_owned()
    }
}

/// Whether a read ended because nothing came in time.
pub(crate) fn is_timeout(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A TCP connection that does not wait for ever.
pub(crate) fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    ready(&socket);
    Ok(socket)
}

/// A TCP connection from this loopback address, with this much of a receive buffer.
pub(crate) fn tcp_from(address: SocketAddr, source: IpAddr, receive_buffer: Option<usize>) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    if let Some(octets) = receive_buffer {
        socket.set_recv_buffer_size(octets).expect("a buffer size");
    }
    socket.bind(&SocketAddr::new(source, 0).into()).expect("a loopback address");
    socket.connect(&address.into()).expect("a connection");
    let socket = TcpStream::from(socket);
    ready(&socket);
    socket
}

fn ready(socket: &TcpStream) {
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.set_write_timeout(Some(PATIENCE)).expect("a socket");
    socket.set_nodelay(true).expect("a socket");
}
