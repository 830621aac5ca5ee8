//! Owns `[internal]`: the port for operators and publishers.
//! Never knows what is served there.

use super::document::{At, Section};
use super::files::{Folder, PEM_BYTES_MAX};
use super::mask::quoted;
use super::tls;
use crate::net::tls::Material;
use crate::secret::Secret;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `[internal]`.
pub struct Internal {
    /// `listen`.
    pub listen: InternalListen,
    /// The content of `token_file`.
    pub token: Option<Secret>,
    /// TLS, without which nothing but loopback or a Unix socket is listened on.
    pub tls: Option<Material>,
}

/// Where the internal port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InternalListen {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Takes `[internal]`, if it is there. `public`: where the gateway itself listens.
pub(super) fn read(
    mut section: Section<'_>,
    folder: &Folder,
    now: u64,
    public: &[SocketAddr],
) -> Option<Internal> {
    if !section.is_present() {
        return None;
    }
    let address = section.string("listen");
    let span = address.as_ref().map_or(section.span(), |at| Some(at.span.clone()));
    let listen = match address {
        None => Some(InternalListen::Tcp(LISTEN)),
        Some(address) => listen(&section, &address, folder),
    };
    let has_token = section.place("token_file").is_some();
    let token = section.string("token_file").and_then(|at| token(&section, &at, folder));
    let pair = tls::read_pair(&mut section, folder, now);
    let wants_tls = pair.is_present();
    if wants_tls {
        for key in ["certificate", "private_key"] {
            if section.place(key).is_none() {
                section.missing(key, "`certificate` and `private_key` go together");
            }
        }
    }
    // Its names are not for strangers to guess: whoever reaches the port may see the certificate.
    let material = pair.material(&section, |_| true);
    match &listen {
        Some(InternalListen::Tcp(address)) => {
            if !address.ip().is_loopback() && !wants_tls {
                let help = "listen on 127.0.0.1 or \"unix:...\", or write `certificate` and `private_key` in `[internal]`";
                section.notes().error(
                    span.clone(),
                    "`internal.listen` is open to other machines without TLS",
                    help,
                );
            }
            if !has_token {
                let cost = "every program on a machine that reaches it may publish and administer; write `token_file`";
                section.notes().warning(span.clone(), "`internal.listen` is TCP without `token_file`", cost);
            }
            if address.port() != 0 && public.iter().any(|public| clash(public, address)) {
                let help = "give the internal port a number of its own";
                section.notes().error(span, "`internal.listen` is also in `server.listen`", help);
            }
        }
        Some(InternalListen::Unix(_)) | None => {}
    }
    section.finish();
    Some(Internal { listen: listen?, token, tls: material })
}

fn clash(public: &SocketAddr, internal: &SocketAddr) -> bool {
    public.port() == internal.port() && (public.ip() == internal.ip() || public.ip().is_unspecified())
}

fn listen(section: &Section<'_>, address: &At<String>, folder: &Folder) -> Option<InternalListen> {
    let help = "write such as \"127.0.0.1:9443\" or \"unix:/run/portcullis/internal.sock\"";
    let bad = |why: &str, help: &str| section.bad("listen", address.span.clone(), why, help);
    if let Some(path) = address.value.strip_prefix("unix:") {
        let full = folder.resolve(path);
        if path.is_empty() {
            bad("names no file", help);
            return None;
        }
        if full.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            bad("has a path that is too long for a Unix socket", "write a path of 107 octets at most");
            return None;
        }
        return Some(InternalListen::Unix(full));
    }
    let parsed = address.value.parse().map(InternalListen::Tcp);
    if parsed.is_err() {
        bad(
            &format!(
                "is {}, which is neither an address with a port nor a Unix socket",
                quoted(&address.value)
            ),
            help,
        );
    }
    parsed.ok()
}

fn token(section: &Section<'_>, path: &At<String>, folder: &Folder) -> Option<Secret> {
    let secret = match folder.private(&path.value, PEM_BYTES_MAX) {
        Ok(secret) => secret.without_newline(),
        Err(fault) => {
            section.notes().error(Some(path.span.clone()), fault.message, fault.help);
            return None;
        }
    };
    let bytes = secret.expose();
    if bytes.len() < TOKEN_BYTES_MIN || !bytes.iter().all(u8::is_ascii_graphic) {
        let why = format!("must hold one line of {TOKEN_BYTES_MIN} or more visible ASCII characters");
        let help = format!("run: (umask 077; openssl rand -hex 32 > {})", quoted(&path.value));
        section.bad("token_file", path.span.clone(), &why, &help);
        return None;
    }
    Some(secret)
}

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9443);
const TOKEN_BYTES_MIN: usize = 16;
/// `sun_path` of Linux less its last octet.
const SOCKET_PATH_BYTES_MAX: usize = 107;
