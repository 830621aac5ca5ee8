//! Owns how files that the configuration names are read: where from, how much, and who else can.
//! Never knows what is in them.

use super::mask;
use super::snapshot::mark_of;
use crate::secret::Secret;
use rustix::fs::OFlags;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a file is for decides who may be able to read it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Anybody,
    OwnerAlone,
}

/// Why a file cannot be used, and what to do about it. Neither holds content of the file.
#[derive(Debug)]
pub(super) struct FileFault {
    pub(super) message: String,
    pub(super) help: String,
}

/// The folder that relative paths count from.
pub(super) struct Folder {
    base: PathBuf,
    /// `$CREDENTIALS_DIRECTORY` of systemd, where the group may read.
    credentials: Option<PathBuf>,
    opened: RefCell<Vec<PathBuf>>,
    contents: RefCell<HashMap<PathBuf, Content>>,
}

/// What was in a file, as far as it may be told.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// Of what anybody may see.
    pub(super) fingerprint: Option<String>,
    /// Other content has another mark.
    pub(super) mark: u64,
}

impl Folder {
    /// The folder of a configuration file.
    pub(super) fn of(config: &Path, credentials: Option<&Path>) -> Folder {
        let base = config.parent().unwrap_or(Path::new("")).to_owned();
        let credentials = credentials.and_then(|path| path.canonicalize().ok());
        Folder { base, credentials, opened: RefCell::default(), contents: RefCell::default() }
    }

    /// Every file that was opened so far, or tried to be: a reload opens them again.
    pub(super) fn opened(&self) -> Vec<PathBuf> {
        self.opened.borrow().clone()
    }

    /// What was in the file that a value names, if it names one that was read.
    pub(super) fn content(&self, path: &str) -> Option<Content> {
        self.contents.borrow().get(&self.resolve(path)).cloned()
    }

    /// Where a path of the file leads to.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// Reads what anybody may see.
    pub(super) fn public(&self, path: &str, bytes_max: u64) -> Result<Vec<u8>, FileFault> {
        self.read(path, bytes_max, Readers::Anybody)
    }

    /// Reads a secret, if nobody but its owner can.
    pub(super) fn private(&self, path: &str, bytes_max: u64) -> Result<Secret, FileFault> {
        self.read(path, bytes_max, Readers::OwnerAlone).map(Secret::new)
    }

    /// Judges who can read a file that is there, without reading it.
    pub(super) fn judge_private(&self, path: &str) -> Result<(), FileFault> {
        let (full, file) = self.open(path, Readers::OwnerAlone)?;
        self.judge(&full, &file, Readers::OwnerAlone).map(|_| ())
    }

    fn read(&self, path: &str, bytes_max: u64, readers: Readers) -> Result<Vec<u8>, FileFault> {
        let (full, file) = self.open(path, readers)?;
        let size = self.judge(&full, &file, readers)?;
        let too_large = || FileFault {
            message: format!("{} is larger than {bytes_max} octets", full.display()),
            help: "that is no key, certificate or token: name the right file".to_owned(),
        };
        if size > bytes_max {
            return Err(too_large());
        }
        // Room for all of it at once: a vector that grows leaves copies of a secret behind.
        let mut bytes = Vec::with_capacity(usize::try_from(bytes_max + 1).unwrap_or(0));
        let read = file.take(bytes_max + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&full, &error))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max) {
            let fingerprint = (readers == Readers::Anybody).then(|| fingerprint(&bytes));
            self.contents.borrow_mut().insert(full, Content { fingerprint, mark: mark_of(&bytes) });
            Ok(bytes)
        } else {
            Err(too_large())
        }
    }

    /// Opens the file that a path leads to. People paste a key where the path to it belongs, so what
    /// is no path, or may be a secret, is not told.
    fn open(&self, path: &str, readers: Readers) -> Result<(PathBuf, File), FileFault> {
        if !mask::is_path(path) {
            return Err(FileFault {
                message: "this is no path to a file".to_owned(),
                help: "put the content into a file, of mode 0600 if it is secret, and write the path of the file"
                    .to_owned(),
            });
        }
        let full = self.resolve(path);
        self.opened.borrow_mut().push(full.clone());
        match open(&full) {
            Ok(file) => Ok((full, file)),
            Err(_) if readers == Readers::OwnerAlone && !mask::is_clearly_path(path) => Err(FileFault {
                message: "there is no file of this name that could be read".to_owned(),
                help: RELATIVE_PATHS.to_owned(),
            }),
            Err(error) => Err(unreadable(&full, &error)),
        }
    }

    /// Judges the file that was opened, which is the one behind all symbolic links.
    fn judge(&self, full: &Path, file: &File, readers: Readers) -> Result<u64, FileFault> {
        let metadata = file.metadata().map_err(|error| unreadable(full, &error))?;
        if !metadata.is_file() {
            return Err(FileFault {
                message: format!("{} is not a regular file", full.display()),
                help: "name a file".to_owned(),
            });
        }
        let mode = metadata.mode();
        let target = full.canonicalize().unwrap_or_else(|_| full.to_owned());
        let group_may = self.credentials.as_ref().is_some_and(|folder| target.starts_with(folder));
        let forbidden = if group_may { 0o037 } else { 0o077 };
        if readers == Readers::OwnerAlone && mode & forbidden != 0 {
            let whom = match (mode & 0o007 != 0, group_may) {
                (true, _) => "everybody on this machine",
                (false, true) => "its group, beyond reading it,",
                (false, false) => "its group",
            };
            return Err(FileFault {
                message: format!(
                    "{} holds a secret and is open to {whom} (mode {:04o})",
                    full.display(),
                    mode & 0o7777
                ),
                help: format!("run: chmod 600 {}", shell_word(&target)),
            });
        }
        Ok(metadata.len())
    }
}

/// SHA-256: of the first certificate or public key as its tools compute it, else of the file.
fn fingerprint(bytes: &[u8]) -> String {
    let certificate = CertificateDer::from_pem_slice(bytes).map(|der| der.to_vec());
    let der = certificate.or_else(|_| SubjectPublicKeyInfoDer::from_pem_slice(bytes).map(|der| der.to_vec()));
    let hashed = der.unwrap_or_else(|_| bytes.to_vec());
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &hashed);
    let hex: String = hash.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("sha256:{hex}")
}

/// Opens for reading; does not wait for a writer where the name is a pipe's.
fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn unreadable(path: &Path, error: &io::Error) -> FileFault {
    let path = path.display();
    // The kinds that an operator can do something about have a sentence of their own.
    if error.kind() == io::ErrorKind::NotFound {
        FileFault { message: format!("there is no file {path}"), help: RELATIVE_PATHS.to_owned() }
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        FileFault {
            message: format!("{path} {DENIED}"),
            help: "make the user that runs the gateway the owner of the file".to_owned(),
        }
    } else {
        FileFault { message: format!("{path} cannot be read: {error}"), help: String::new() }
    }
}

/// The path as a word of a shell.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/._-+@%,:=".contains(&octet);
    if text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// What is said of a file that the system lets nobody like us read.
pub(super) const DENIED: &str = "may not be read by this user";
const RELATIVE_PATHS: &str = "relative paths count from the folder of the configuration file";
/// The most that a file of keys, certificates or a token may hold.
pub(super) const PEM_BYTES_MAX: u64 = 256 * 1024;
/// The most that a JWKS may hold.
pub(super) const JWKS_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn folder_with(name: &str, mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, b"swordfish").expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
        folder
    }

    fn folder_of(path: &Path, credentials: Option<&Path>) -> Folder {
        Folder::of(&path.join("portcullis.toml"), credentials)
    }

    #[test]
    fn a_secret_that_others_can_reach_is_refused_with_the_command_that_helps() {
        for (mode, good) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
            (0o644, false),
            (0o660, false),
        ] {
            let place = folder_with("key", mode);
            let folder = folder_of(place.path(), None);
            assert_eq!(folder.private("key", 100).is_ok(), good, "{mode:o}");
            assert_eq!(folder.judge_private("key").is_ok(), good, "{mode:o}");
            assert!(folder.public("key", 100).is_ok());
            if let Err(fault) = folder.private("key", 100) {
                let target = place.path().canonicalize().expect("a path").join("key");
                assert_eq!(fault.help, format!("run: chmod 600 {}", target.display()));
                assert!(fault.message.contains(&format!("mode {mode:04o}")), "{}", fault.message);
            }
        }
    }

    #[test]
    fn the_file_behind_a_symbolic_link_is_judged() {
        let place = folder_with("key", 0o644);
        symlink("key", place.path().join("link")).expect("a link");
        assert!(folder_of(place.path(), None).private("link", 100).is_err());
        fs::set_permissions(place.path().join("key"), Permissions::from_mode(0o600)).expect("a mode");
        assert_eq!(
            folder_of(place.path(), None).private("link", 100).expect("a secret").expose(),
            b"swordfish"
        );
    }

    #[test]
    fn the_group_may_read_inside_the_credentials_directory_alone() {
        for (mode, good) in [(0o440, true), (0o640, true), (0o644, false), (0o660, false), (0o604, false)] {
            let place = folder_with("key", mode);
            let folder = folder_of(place.path(), Some(place.path()));
            assert_eq!(folder.private("key", 100).is_ok(), good, "{mode:o}");
        }
        let outside = folder_with("key", 0o640);
        let credentials = tempfile::tempdir().expect("a folder");
        symlink(outside.path().join("key"), credentials.path().join("key")).expect("a link");
        let folder = folder_of(credentials.path(), Some(credentials.path()));
        assert!(folder.private("key", 100).is_err(), "a link out of the credentials directory");
    }

    #[test]
    fn what_is_too_large_or_no_file_is_refused() {
        let place = folder_with("key", 0o600);
        let folder = folder_of(place.path(), None);
        assert!(folder.public("key", 9).is_ok());
        assert!(folder.public("key", 8).expect_err("too large").message.contains("larger than 8"));
        assert!(folder.public(".", 100).is_err());
        assert!(folder.public("/dev/zero", 100).is_err());
        assert!(folder.public("none", 100).expect_err("no file").message.contains("there is no file"));
    }

    #[test]
    fn a_path_is_one_word_of_the_command() {
        assert_eq!(shell_word(Path::new("/etc/a b'c")), "'/etc/a b'\\''c'");
    }
}
