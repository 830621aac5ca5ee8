//! Owns what every black-box test needs: keys and certificates, the real binary, a raw TLS client.
//! Never knows how the gateway works inside: it sees sockets, log lines and metrics.

#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of this module")]
pub(crate) mod answer;
pub(crate) mod backend;
pub(crate) mod conn;
pub(crate) mod gateway;
pub(crate) mod given;
pub(crate) mod handshake;
pub(crate) mod internal;
pub(crate) mod issuer;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod pki;
pub(crate) mod receiver;
pub(crate) mod records;
pub(crate) mod refusal;
pub(crate) mod relayed;
pub(crate) mod setup;
pub(crate) mod stream;
pub(crate) mod target;
pub(crate) mod token;
pub(crate) mod web;
pub(crate) mod ws;

pub(crate) use answer::{Answer, End};
pub(crate) use conn::Conn;
pub(crate) use gateway::Gateway;
pub(crate) use handshake::Handshake;
pub(crate) use keys::{Alg, SigningKey};
pub(crate) use setup::Setup;
pub(crate) use stream::Stream;
pub(crate) use target::Target;
pub(crate) use token::{Token, unix_now};
pub(crate) use web::Web;
pub(crate) use ws::{Frame, Ws};

use std::time::Duration;

/// The longest that anything is waited for: far over every deadline that the tests configure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether `tests/run --long` asks for the long form of a test.
pub(crate) fn is_long() -> bool {
    std::env::var_os("TESTS_LONG").is_some()
}

/// Waits until something is so.
pub(crate) fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "{what}: not in time");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The origin that the tests' configuration allows.
pub(crate) const ORIGIN: &str = "https://app.example.test";
/// The wildcard that it allows too.
pub(crate) const ORIGIN_WILDCARD: &str = "https://*.wild.example.test";
/// A word in every token and request that must never come to light.
pub(crate) const MARK: &str = "pst-swordfish";
/// The issuer of the tests' tokens.
pub(crate) const ISSUER: &str = "https://id.example.test";
/// Their audience.
pub(crate) const AUDIENCE: &str = "chat";
/// A second name that is served.
pub(crate) const OTHER_HOST: &str = "chat.example.test";
