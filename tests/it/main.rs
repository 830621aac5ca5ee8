//! The stories: the real binary over real TLS sockets, from its start to its end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test: a failed expectation is a failed test"
)]

#[path = "../support/mod.rs"]
mod support;

mod architecture;
mod authority;
mod authorize;
mod certificates;
mod chat;
mod check_command;
mod client_certificates;
mod clock_steps;
mod compile_fail;
mod compression;
mod crowd;
mod dev_command;
mod events;
mod handshake_time;
mod internal_port;
mod jwks;
mod jwks_faults;
mod limits;
mod log_sink;
mod logs;
mod mercure;
mod mercure_authority;
mod mercure_one;
mod outbound;
mod overload;
mod probe;
mod promises;
mod proxied;
mod publishing;
mod relay;
mod relay_pressure;
mod relay_upstreams;
mod reload;
mod restart;
mod sandbox;
mod service_manager;
mod session_end;
mod signals;
mod slow_crowd;
mod slow_reader;
mod soak;
mod sse;
mod tickets;
mod token_binding;
mod token_command;
