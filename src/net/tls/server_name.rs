//! Owns the way of a server name from rustls' certificate resolver to its connection.
//! Never knows a certificate.
//!
//! rustls' unbuffered API does not tell the server name of a connection; the resolver
//! learns it. Both run in one call on one thread: the resolver leaves the name here, and
//! the connection takes it as soon as the call returns.

use std::cell::Cell;

thread_local! {
    static ASKED: Cell<Option<Box<str>>> = const { Cell::new(None) };
}

/// Leaves the name that a ClientHello asked for.
pub(super) fn leave(name: Option<&str>) {
    ASKED.set(name.map(Into::into));
}

/// Takes the name that was left by the call that has just returned.
pub(super) fn take() -> Option<Box<str>> {
    ASKED.take()
}
