//! Owns `portcullis serve`, and how every command starts a gateway and reports its faults.
//! Never knows what is in a configuration.

use super::Stop;
use super::args::ServeArgs;
use crate::cli::check;
use crate::{config, gateway, ledger};
use std::io;
use std::path::{Path, PathBuf};

/// Runs the gateway until it is drained.
pub(super) fn run(args: ServeArgs, level: ledger::Level, format: ledger::Format) -> Result<(), Stop> {
    let loaded = load(&args.config)?;
    let options = gateway::Options { take_over: args.take_over, ..options(args.config, level, format) };
    start(loaded, options)
}

/// Reads a configuration whole; its findings are bad usage of the gateway.
pub(super) fn load(path: &Path) -> Result<config::Loaded, Stop> {
    config::load(path).map_err(|failure| Stop::usage(told(&failure)))
}

/// What is wrong with a configuration, as text for stderr.
pub(super) fn told(failure: &config::Failure) -> String {
    match failure {
        config::Failure::Unreadable { path, why } => format!(
            "{} cannot be read: {why}.\nName the configuration with --config, or make one with `portcullis dev`.",
            path.display()
        ),
        config::Failure::Faults(findings) => findings.render(check::colours(&io::stderr())),
    }
}

/// A plain gateway: no page, nobody told when it is ready.
pub(super) fn options(
    config_path: PathBuf,
    level: ledger::Level,
    format: ledger::Format,
) -> gateway::Options {
    gateway::Options {
        config_path,
        demo_page: None,
        take_over: false,
        on_ready: None,
        log_level: level,
        log_format: format,
    }
}

/// Runs a gateway until it is drained.
pub(super) fn start(loaded: config::Loaded, options: gateway::Options) -> Result<(), Stop> {
    gateway::run(loaded, options).map_err(Stop::failed)
}
