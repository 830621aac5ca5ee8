//! Owns the internal port: health, metrics, and messages of the operator's backend.
//! Never knows a peer of the public port; a browser is refused here.

mod admin;
mod guard;
mod hand_over;
mod idempotency;
mod listen;
mod mercure;
mod publish;
mod reply;
mod revocation_file;
mod rooms;
mod serve;

pub use guard::Guard;
pub use hand_over::{Bequest, Inheritance, Predecessor, Refused, inherit};
pub use listen::{Bound, SocketFile, bind_tcp, bind_unix};
pub use revocation_file::RevocationFile;
pub use serve::{Internal, run};
