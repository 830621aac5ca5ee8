//! Owns the ordered checks that stand before a WebSocket.
//! Never knows I/O or logs: values come in, a verdict goes out.
//!
//! In the order of the checks: the octets of the head ([`judge_head`]), the target and Host
//! ([`HostPolicy`]), the path ([`Route`]), the opening handshake ([`UpgradeRequest`]), the
//! origin ([`OriginPolicy`]) and fetch metadata, and [`Gate::admit`], which tells them all.

mod admit;
mod binding;
mod call;
mod exchange;
mod extension;
mod fetch_metadata;
mod forwarded;
mod head;
mod host;
mod hub_request;
mod matchers;
mod mercure;
mod metadata;
mod origin_policy;
mod proxy_header;
mod refused;
mod route;
mod stream;
mod subprotocol;
mod target;
mod upgrade;

pub use admit::{Admitted, Caller, Gate, Throttles};
pub use binding::CertificateNeed;
pub use call::{BackendId, BackendRoute, Call, Destination, Serves};
pub use exchange::{Exchange, Exchanged, RENEW_PATH, TICKET_PATH};
pub use forwarded::client_of;
pub use head::{HeadLimits, HeadProgress, RawHead, judge_head};
pub use host::{Host, HostPolicy};
pub use hub_request::SubscriptionsAsked;
pub use mercure::{HubAnswer, HubAsked, Publishing, Subscribing};
pub use origin_policy::{OriginPolicy, PermittedOrigin};
pub use proxy_header::{ProxyWord, judge_proxy_header};
pub use refused::{BackendFault, LoggedOrigin, Refused};
pub use route::{MercureRoute, PathMatch, PathPattern, Route, Streams};
pub use stream::{Reader, Sending, Streamed, Streaming};
pub use upgrade::UpgradeRequest;

#[cfg(test)]
mod support;
