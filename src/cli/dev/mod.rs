//! Owns `portcullis dev`: the whole product from one command on a bare machine.
//! Never knows how a gateway works.

mod address;
mod banner;
mod certificates;
mod config_text;
mod fault;
mod folder;
mod page;
mod tokens;

use super::args::DevArgs;
use super::{Stop, serve};
use crate::{gateway, ledger};
use folder::Folder;
use std::io::{self, Write};
use std::time::SystemTime;
use tokens::DemoTokens;

/// Makes what is missing in the folder, then runs a gateway with the chat page until it is drained.
pub(super) fn run(args: &DevArgs, level: ledger::Level, format: ledger::Format) -> Result<(), Stop> {
    let now = SystemTime::now();
    let listen = address::settle(args.listen).map_err(Stop::failed)?;
    let folder = Folder::open(&args.dir, listen, now).map_err(Stop::failed)?;
    let loaded = serve::load(&folder.config())?;
    let tokens = DemoTokens::mint(&folder.config(), now)?;
    let page = page::build(listen.port(), &tokens);
    let banner = banner::text(&banner::Facts { listen, folder: &folder, tokens: &tokens });
    let options = gateway::Options {
        demo_page: Some(page),
        on_ready: Some(Box::new(move |_| {
            let mut out = io::stdout();
            // A reader of stdout that has gone away is no reason to stop serving.
            let _ = out.write_all(banner.as_bytes()).and_then(|()| out.flush());
        })),
        ..serve::options(folder.config(), level, format)
    };
    serve::start(loaded, options)
}
