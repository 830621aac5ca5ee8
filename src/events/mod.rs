//! Owns what the operator's backend is told of sessions: who came, went, and said something.
//! Never knows a socket of a peer; a worker adds to a bounded queue and never waits for it.

mod deliver;
mod event;
mod queue;

pub use deliver::deliver;
pub use event::{Event, EventKind, What, Whose};
pub use queue::{Events, Kinds, QueueLimits, Settings, Waiting};
