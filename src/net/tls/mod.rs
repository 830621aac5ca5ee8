//! Owns TLS: what is read from PEM files, and one connection as octets in and out.
//! Never knows HTTP, a session or an identity.

mod certificate;
mod client;
mod client_auth;
mod client_certificate;
mod expiry;
mod material;
mod pinned;
mod server_name;
mod wire;

pub use certificate::Certificate;
pub use client::ClientTls;
pub use client_auth::{ClientAuth, ClientAuthMode, ClientAuthorities, RevocationLists};
pub use material::{Fault, FaultyPart, Material, MinVersion, Pair};
pub use pinned::connect_pinned;
/// What takes a connection of the internal port through its TLS handshake.
pub use tokio_rustls::TlsAcceptor;
pub use wire::{TlsFault, TlsState, TlsWire};
