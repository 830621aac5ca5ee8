//! Owns a web server of a test that the gateway asks something of: by TLS, by TCP or by a Unix socket.
//! Never knows what is right to answer: the test says it.

use super::PATIENCE;
use super::pki::Ca;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One connection as the test's answer sees it.
pub(crate) trait Peer: Read + Write + Send {}
impl<T: Read + Write + Send> Peer for T {}

type Answer = Arc<Mutex<Arc<dyn Fn(&str, &mut dyn Peer) + Send + Sync>>>;

/// A server that answers each request by what the test has set; one request a connection.
pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    answer: Answer,
}

impl Web {
    /// By TLS, with a certificate for these names.
    pub(crate) fn https(ca: &Ca, names: &[&str]) -> Web {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = ca.server(&names);
        let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(leaf.private_key.as_bytes()).expect("PEM");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate");
        let config = Arc::new(config);
        Web::tcp(move |socket| {
            let tls = ServerConnection::new(Arc::clone(&config)).expect("a server");
            Box::new(StreamOwned::new(tls, socket))
        })
    }

    /// Without TLS.
    pub(crate) fn http() -> Web {
        Web::tcp(|socket| Box::new(socket))
    }

    /// Without TLS, at this address.
    pub(crate) fn http_at(address: SocketAddr) -> Web {
        Web::tcp_at(address, |socket| Box::new(socket))
    }

    fn tcp(wrap: impl Fn(TcpStream) -> Box<dyn Peer> + Send + 'static) -> Web {
        Web::tcp_at((Ipv4Addr::LOCALHOST, 0).into(), wrap)
    }

    fn tcp_at(address: SocketAddr, wrap: impl Fn(TcpStream) -> Box<dyn Peer> + Send + 'static) -> Web {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let next = move || {
            let (socket, _) = listener.accept()?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.set_nodelay(true)?;
            Ok(wrap(socket))
        };
        Web::serve(address, next)
    }

    /// On a Unix socket.
    pub(crate) fn unix(path: &Path) -> Web {
        let listener = UnixListener::bind(path).expect("a socket");
        let next = move || -> io::Result<Box<dyn Peer>> {
            let (socket, _): (UnixStream, _) = listener.accept()?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(Box::new(socket))
        };
        Web::serve(SocketAddr::from(([0, 0, 0, 0], 0)), next)
    }

    fn serve(address: SocketAddr, next: impl Fn() -> io::Result<Box<dyn Peer>> + Send + 'static) -> Web {
        let connections = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let answer: Answer = Arc::new(Mutex::new(Arc::new(|_: &str, peer: &mut dyn Peer| {
            let _ = peer.write_all(&ok(""));
        })));
        let web = Web {
            address,
            connections: Arc::clone(&connections),
            heads: Arc::clone(&heads),
            answer: Arc::clone(&answer),
        };
        std::thread::spawn(move || {
            while let Ok(mut peer) = next() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (heads, answer) = (Arc::clone(&heads), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let Ok(head) = read_head(&mut *peer) else { return };
                    heads.lock().expect("no panic").push(head.clone());
                    let act = Arc::clone(&answer.lock().expect("no panic"));
                    act(&head, &mut *peer);
                });
            }
        });
        web
    }

    /// What is done with every request from now on.
    pub(crate) fn act(&self, act: impl Fn(&str, &mut dyn Peer) + Send + Sync + 'static) {
        *self.answer.lock().expect("no panic") = Arc::new(act);
    }

    /// The octets that answer every request from now on.
    pub(crate) fn answer(&self, octets: impl Into<Vec<u8>>) {
        let octets = octets.into();
        self.act(move |_, peer| {
            let _ = peer.write_all(&octets).and_then(|()| peer.flush());
        });
    }

    /// Nothing comes back from now on, and the connection stays.
    pub(crate) fn hang(&self) {
        self.act(|_, peer| {
            let _ = peer.read(&mut [0; 1]);
            std::thread::park_timeout(PATIENCE);
        });
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

fn read_head(peer: &mut dyn Peer) -> io::Result<String> {
    let mut head = Vec::new();
    let mut octet = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        if peer.read(&mut octet)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(octet[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A whole answer with this body.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    with_status("200 OK", &[], body)
}

/// A whole answer.
pub(crate) fn with_status(status: &str, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
