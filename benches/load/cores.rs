//! Owns which core the server gets and which the load.
//! Never knows what runs on them.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

/// How the cores are shared out.
pub(crate) enum Cores {
    /// The server on core 0, this process on core 1.
    Parted,
    /// Both wherever the kernel likes, and why.
    Shared(&'static str),
}

impl Cores {
    /// Puts this process, which must be of one thread still, on core 1.
    pub(crate) fn part() -> Cores {
        if available_parallelism().map_or(1, usize::from) < 2 {
            return Cores::Shared("there is one core");
        }
        let own = std::process::id().to_string();
        let status = Command::new("taskset").args(["-cp", "1", &own]).stdout(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Cores::Parted,
            Ok(_) => Cores::Shared("taskset failed"),
            Err(_) => Cores::Shared("taskset is not installed"),
        }
    }

    /// A command that runs the binary on the server's core. Its process is the binary's.
    pub(crate) fn command(&self, binary: &Path) -> Command {
        match self {
            Cores::Parted => {
                let mut command = Command::new("taskset");
                command.args([OsStr::new("-c"), OsStr::new("0"), binary.as_os_str()]);
                command
            }
            Cores::Shared(_) => Command::new(binary),
        }
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cores::Parted => f.write_str("the server is on core 0, the load on core 1"),
            Cores::Shared(why) => write!(f, "server and load share the cores, so figures vary: {why}"),
        }
    }
}
