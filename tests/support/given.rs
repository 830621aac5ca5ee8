//! Owns how a test starts a process with listening sockets, as a service manager does (`sd_listen_fds(3)`).
//! Never knows what the process makes of them.

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use std::fmt::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::process::Command;

/// A listening socket, and what the process is told that it is called.
pub(crate) struct Given {
    name: String,
    socket: OwnedFd,
}

/// Above every number that the process gets its sockets by.
const OUT_OF_THE_WAY: i32 = 100;

impl Given {
    pub(crate) fn new(name: &str, socket: OwnedFd) -> Given {
        let socket = fcntl_dupfd_cloexec(&socket, OUT_OF_THE_WAY).expect("a descriptor");
        fcntl_setfd(&socket, FdFlags::empty()).expect("a flag");
        Given { name: name.to_owned(), socket }
    }
}

/// A command that still wants the program's arguments: it puts the sockets where they are looked for,
/// says so in the environment, and becomes the program, or `starter` with the program as its argument.
pub(crate) fn command(program: &Path, given: &[Given], starter: &[String]) -> Command {
    if given.is_empty() && starter.is_empty() {
        return Command::new(program);
    }
    let mut script = String::new();
    for (index, Given { socket, .. }) in given.iter().enumerate() {
        let number = socket.as_raw_fd();
        write!(script, "exec {}<&{number} {number}<&-; ", index + 3).expect("a string");
    }
    if !given.is_empty() {
        script += "export LISTEN_PID=$$; ";
    }
    let names: Vec<&str> = given.iter().map(|given| given.name.as_str()).collect();
    let mut command = Command::new("bash");
    command.args(["-c", &(script + "exec \"$@\""), "start"]).args(starter).arg(program);
    if !given.is_empty() {
        command.env("LISTEN_FDS", given.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
    }
    command
}
