//! Owns what the process gives up once it listens: files, connections, programs, core files.
//! Never knows what the gateway does with what is left to it.
//!
//! Everything here is best effort: an old kernel or a container that forbids the calls makes the
//! sandbox smaller, never the gateway absent, and the [`Report`] says what is missing.

mod landlock;
mod reach;
mod report;
mod seccomp;

pub use reach::Reach;
pub use report::{Report, State};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::path::PathBuf;

/// `server.sandbox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As much as the kernel can do.
    Auto,
    /// Nothing.
    Off,
}

/// What the process still has to do; all else is given up.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Files that are read again, also when others have been put in their place.
    pub read: Vec<PathBuf>,
    /// A file that is replaced by one that was written beside it.
    pub replace: Option<PathBuf>,
    /// A file that is removed at the end.
    pub remove: Option<PathBuf>,
    /// Where it connects to.
    pub reach: Reach,
    /// Whether it may have to give its listening sockets to a successor.
    pub hand_over: bool,
}

/// Gives up everything but the needs, for this thread and all that it starts, for ever.
///
/// To be called when every socket is bound and before any other thread runs.
#[must_use]
pub fn enter(mode: Mode, needs: &Needs) -> Report {
    match mode {
        Mode::Off => Report::off(),
        // seccomp comes last: it takes away the calls that the others are made with.
        Mode::Auto => Report {
            no_dumps: no_dumps(),
            landlock: landlock::enter(needs),
            seccomp: seccomp::enter(needs),
            reach: needs.reach.clone(),
        },
    }
}

/// No core file, and no other process of this user that reads the memory.
fn no_dumps() -> State {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let done =
        setrlimit(Resource::Core, none).and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    match done {
        Ok(()) => State::On,
        Err(error) => State::Off(format!("the system does not let core files be forbidden: {error}")),
    }
}
