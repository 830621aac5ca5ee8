//! Owns the way from argv to a command and from its outcome to an exit code.
//! Never knows what a command does.

mod admin;
mod args;
pub mod check;
mod dev;
mod probe;
mod serve;
mod token;

use args::{Command, LowArgs};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why a command ends otherwise than clean, in words for the operator.
#[derive(Debug)]
struct Stop {
    /// What the shell is told.
    status: Status,
    /// What went wrong and what to do about it; goes to stderr as it is.
    message: String,
}

/// The exit codes besides 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// The command was understood and could not be done.
    Failed,
    /// The command line, or the configuration that a gateway was to start with, is wrong.
    Usage,
}

impl Status {
    fn code(self) -> u8 {
        match self {
            Status::Failed => 1,
            Status::Usage => 2,
        }
    }
}

impl Stop {
    fn failed(message: impl ToString) -> Stop {
        Stop { status: Status::Failed, message: message.to_string() }
    }

    fn usage(message: impl ToString) -> Stop {
        Stop { status: Status::Usage, message: message.to_string() }
    }
}

/// Runs the command that `argv` (with the program's name in front) asks for, on the
/// process's own stdout and stderr, and gives its exit code: 0 clean, 1 failed, 2 bad usage.
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let low = match args::parse(argv) {
        Ok(low) => low,
        Err(error) => {
            // `--help` and `--version` come this way, too; clap knows which stream they belong to.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(Status::Usage.code()) } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(low) {
        Ok(code) => ExitCode::from(code),
        Err(stop) => {
            // Nowhere is left to report that stderr is closed.
            let _ = writeln!(io::stderr(), "{}", stop.message.trim_end());
            ExitCode::from(stop.status.code())
        }
    }
}

fn dispatch(low: LowArgs) -> Result<u8, Stop> {
    let LowArgs { log, command } = low;
    match command {
        Command::Dev(dev) => dev::run(&dev, log.level(), log.format_for_people()).map(|()| 0),
        Command::Serve(serve) => serve::run(serve, log.level(), log.format()).map(|()| 0),
        Command::Check(check) => {
            Ok(check::run(&check.config, check.strict, &mut io::stdout(), &mut io::stderr()))
        }
        Command::Admin(admin) => admin::run(admin, &mut io::stdout()).map(|()| 0),
        Command::Probe(probe) => probe::run(&probe, &mut io::stdout()),
        Command::Token(token) => token::run(&token, &mut io::stdout()).map(|()| 0),
    }
}
