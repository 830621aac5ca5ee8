//! Owns what can be wrong with the place that `dev` is to work in, in words with the remedy.
//! Never knows how it was found out.

use super::config_text::origin;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why `dev` cannot start: an operator's fault, or the machine's.
#[derive(Debug)]
pub(super) enum DevFault {
    /// The address cannot be listened on.
    Address { wanted: SocketAddr, error: io::Error },
    /// `--dir` names something that is not a folder.
    NotAFolder { dir: PathBuf },
    /// Others may write into the folder, and so swap its keys.
    Shared { dir: PathBuf },
    /// Another `dev` works in the folder.
    Busy { dir: PathBuf },
    /// Some of what an earlier start made is gone.
    Missing { dir: PathBuf, file: &'static str },
    /// A certificate of an earlier start cannot be read as one.
    Certificate { dir: PathBuf, file: &'static str },
    /// The file system says no.
    Io { path: PathBuf, error: io::Error },
    /// The configuration was edited so that it no longer fits `--listen`.
    Edited { config: PathBuf, wanted: SocketAddr },
    /// A certificate or key could not be made.
    Making { what: &'static str, why: String },
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "io::ErrorKind is foreign and non-exhaustive; a kind without a remedy of its own gets the general one"
)]
impl fmt::Display for DevFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DevFault::Address { wanted, error } => address(f, *wanted, error),
            DevFault::NotAFolder { dir } => write!(
                f,
                "{} is not a folder.\nName a folder with --dir, or one that does not exist yet.",
                dir.display()
            ),
            DevFault::Shared { dir } => write!(
                f,
                "{0} can be written by others, who could swap the keys in it.\n\
                 Run `chmod go-w {0}`, or name another folder with --dir.",
                dir.display()
            ),
            DevFault::Busy { dir } => write!(
                f,
                "Another `portcullis dev` is running in {}.\nStop it, or give this one its own with --dir.",
                dir.display()
            ),
            DevFault::Missing { dir, file } => write!(
                f,
                "{0} is damaged: {file} is missing, while other files of an earlier start are there.\n\
                 Delete the folder, or the six files of `portcullis dev` in it, and start again: they are made anew.",
                dir.display()
            ),
            DevFault::Certificate { dir, file } => write!(
                f,
                "{0} is damaged: {file} holds no certificate.\n\
                 Delete the folder, or the six files of `portcullis dev` in it, and start again: they are made anew.",
                dir.display()
            ),
            DevFault::Io { path, error } => {
                writeln!(f, "{}: {error}.", path.display())?;
                f.write_str(match error.kind() {
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                        "This folder cannot be used: it must be yours to read and write. Name another with --dir."
                    }
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "Make room, or name another folder with --dir.",
                    _ => "Name another folder with --dir.",
                })
            }
            DevFault::Edited { config, wanted } => write!(
                f,
                "{0} was edited and no longer fits --listen {wanted}.\n\
                 In it, write listen = [\"{wanted}\"] under [server] and let allow under [origins] have \
                 \"{1}\"; or start with the --listen that the file names.",
                config.display(),
                origin(wanted.port()),
            ),
            DevFault::Making { what, why } => write!(f, "{what} could not be made: {why}"),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "io::ErrorKind is foreign and non-exhaustive; a kind without a remedy of its own gets the general one"
)]
fn address(f: &mut fmt::Formatter<'_>, wanted: SocketAddr, error: &io::Error) -> fmt::Result {
    match error.kind() {
        ErrorKind::AddrInUse => write!(
            f,
            "Port {} is taken: another program listens on {wanted}.\n\
             Stop it, or take another port, such as --listen {ip}:{next}; --listen {ip}:0 finds a free one.",
            wanted.port(),
            ip = bracketed(wanted),
            next = wanted.port().checked_add(1).unwrap_or(8443),
        ),
        ErrorKind::PermissionDenied => write!(
            f,
            "{wanted} may not be listened on: {error}.\nTake a port from 1024 on, such as --listen {}:8443.",
            bracketed(wanted)
        ),
        ErrorKind::AddrNotAvailable => write!(
            f,
            "{wanted} is no address of this machine.\nStart with --listen 127.0.0.1:{}.",
            wanted.port()
        ),
        _ => write!(f, "{wanted} cannot be listened on: {error}.\nTry --listen 127.0.0.1:8443."),
    }
}

fn bracketed(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_writable_is_told_with_its_path_and_the_remedy() {
        let error = ErrorKind::PermissionDenied.into();
        let told = DevFault::Io { path: "some/.portcullis".into(), error }.to_string();
        assert!(
            told.starts_with("some/.portcullis: ") && told.ends_with("Name another with --dir."),
            "{told}"
        );
    }

    #[test]
    fn every_fault_of_an_address_names_one_that_would_do() {
        for kind in
            [ErrorKind::AddrInUse, ErrorKind::PermissionDenied, ErrorKind::AddrNotAvailable, ErrorKind::Other]
        {
            let wanted = "[::1]:65535".parse().expect("an address");
            let told = DevFault::Address { wanted, error: kind.into() }.to_string();
            assert!(told.contains("--listen ") && told.contains("[::1]:65535"), "{told}");
        }
    }
}
