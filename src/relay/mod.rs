//! Owns the way to backends: which of them is taken, the handshake with it, and its connection.
//! Never knows which peer may go there: the gate's evidence comes in.
//!
//! A backend is connected, and its 101 verified, before the peer gets one ([`dial`]). The request is
//! written from nothing (`request`), so that no field of the peer's can pose as ours. Then
//! frames go both ways, each of them judged by the codec ([`Link`]): nothing is tunnelled.

mod backend;
mod dial;
mod handshake;
mod health;
mod keys;
mod link;
mod metrics;
mod request;
mod upstream;

pub use backend::Backend;
pub use dial::{Dialled, Refusal, Who, dial};
pub use health::watch_over;
pub use keys::MaskKeys;
pub use link::{BackendEnd, Link, QUEUE_BYTES_MAX};
pub use metrics::render as render_metrics;
pub use upstream::{Place, Upstream};
