//! Owns sockets: accept, TLS, the opening handshake, the workers.
//! Never knows a rule: it carries out what floor 1 decides.

mod answer;
mod authorized;
mod calling;
mod clock;
mod http;
mod judged;
mod link;
mod listener;
mod opening;
mod orders;
mod outcome;
mod proxied;
mod queued;
mod sending;
mod shared;
pub mod tls;
mod updates;
mod worker;

pub use answer::DemoPage;
pub use listener::{Families, bind, share};
pub use orders::{Listed, OrderDesk, Orders, RoomMember, Whom};
pub use proxied::ProxyProtocol;
pub use shared::{Control, Drain, Newcomers, OpeningLimits, Rules, Shared};
pub use updates::fresh_id;
pub use worker::run;
#[cfg(test)]
pub(crate) use worker::trial;
