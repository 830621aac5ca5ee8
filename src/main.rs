//! Owns the entry point: argv in, exit code out.
//! Never knows a command.

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis::cli::run(std::env::args_os())
}
