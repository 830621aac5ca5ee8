//! Owns the question to the operator's backend whether something may be: a connection, entering a
//! room, a message.
//! Never knows what becomes of a refusal.

mod answer;
mod ask;

pub use ask::{Authorize, Matter, OnFailure, Settings};
