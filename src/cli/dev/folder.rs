//! Owns the folder of `dev`: what is in it, what is made once, what is made anew.
//! Never knows what the files say.

use super::fault::DevFault;
use super::{certificates, config_text};
use crate::auth::SigningKey;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A folder with everything that a gateway needs, and this process alone at work in it.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    made: Made,
    /// Held until the process ends; the kernel lets go of it even after a crash.
    _lock: Option<File>,
}

/// What this start had to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// All of it.
    Everything,
    /// The certificates, because the old ones had ended or were about to.
    Certificates,
    /// Nothing: an earlier start's files are used.
    Nothing,
}

impl Folder {
    /// Opens the folder, making it and its files if none of them are there, and lets the
    /// configuration follow `listen`. A folder where only some files are there is not used.
    pub(super) fn open(dir: &Path, listen: SocketAddr, now: SystemTime) -> Result<Folder, DevFault> {
        ensure(dir)?;
        let lock = lock(dir)?;
        let mut folder = Folder { dir: dir.to_owned(), made: Made::Nothing, _lock: lock };
        folder.made = match folder.first_missing()? {
            None if folder.ends_before(now + RENEW_BEFORE)? => {
                folder.renew_certificates(now)?;
                Made::Certificates
            }
            None => Made::Nothing,
            Some(Missing::All) => {
                folder.make_everything(listen, now)?;
                Made::Everything
            }
            Some(Missing::Some(file)) => return Err(DevFault::Missing { dir: folder.dir, file }),
        };
        folder.follow(listen)?;
        Ok(folder)
    }

    /// The configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.dir.join(CONFIG)
    }

    /// The authority's certificate, as an absolute path if there is one.
    pub(super) fn authority(&self) -> PathBuf {
        let path = self.dir.join(AUTHORITY);
        fs::canonicalize(&path).unwrap_or(path)
    }

    /// What this start had to make.
    pub(super) fn made(&self) -> Made {
        self.made
    }

    fn first_missing(&self) -> Result<Option<Missing>, DevFault> {
        let mut missing = Vec::new();
        for file in FILES {
            if !self.dir.join(file).try_exists().map_err(|error| self.fault(file, error))? {
                missing.push(file);
            }
        }
        let all = missing.len() == FILES.len();
        Ok(missing.first().map(|file| if all { Missing::All } else { Missing::Some(file) }))
    }

    fn ends_before(&self, then: SystemTime) -> Result<bool, DevFault> {
        for file in [AUTHORITY, SERVER] {
            let pem = fs::read(self.dir.join(file)).map_err(|error| self.fault(file, error))?;
            let Some(end) = certificates::ends_at(&pem) else {
                return Err(DevFault::Certificate { dir: self.dir.clone(), file });
            };
            if end < then {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Everything is made before the first file is written. The configuration comes last; a
    /// start that is cut off in between leaves a folder that the next one calls damaged.
    fn make_everything(&self, listen: SocketAddr, now: SystemTime) -> Result<(), DevFault> {
        let certificates = made(certificates::make(now))?;
        let jwt = SigningKey::generate()
            .map_err(|fault| DevFault::Making { what: "The JWT keys", why: fault.0 })?;
        let config = config_text::fresh(listen);
        let files = [
            (GIT_IGNORE, GIT_IGNORE_TEXT.as_bytes()),
            (SERVER_KEY, certificates.server_key.expose()),
            (SERVER, certificates.server.as_bytes()),
            (AUTHORITY, certificates.authority.as_bytes()),
            (JWT_PRIVATE, jwt.private_pem.expose()),
            (JWT_PUBLIC, jwt.public_pem.as_bytes()),
            (CONFIG, config.as_bytes()),
        ];
        for (file, octets) in files {
            if let Err(fault) = self.write(file, octets) {
                // Nothing was there before, so all of it is ours to take away again.
                for (file, _) in files {
                    let _ = fs::remove_file(self.dir.join(file));
                }
                return Err(fault);
            }
        }
        Ok(())
    }

    /// The authority signs once, so all three files go together. Its certificate is taken
    /// away first and comes last: a start that is cut off in between leaves a folder that
    /// the next one calls damaged, not a key beside another key's certificate.
    fn renew_certificates(&self, now: SystemTime) -> Result<(), DevFault> {
        let certificates = made(certificates::make(now))?;
        fs::remove_file(self.dir.join(AUTHORITY)).map_err(|error| self.fault(AUTHORITY, error))?;
        self.write(SERVER_KEY, certificates.server_key.expose())?;
        self.write(SERVER, certificates.server.as_bytes())?;
        self.write(AUTHORITY, certificates.authority.as_bytes())
    }

    fn follow(&self, listen: SocketAddr) -> Result<(), DevFault> {
        let text = fs::read_to_string(self.config()).map_err(|error| self.fault(CONFIG, error))?;
        let moved = config_text::moved(&text, listen);
        if !config_text::fits(&moved, listen) {
            return Err(DevFault::Edited { config: self.config(), wanted: listen });
        }
        if moved == text { Ok(()) } else { self.write(CONFIG, moved.as_bytes()) }
    }

    /// A file is there whole or not at all, and never readable by others.
    fn write(&self, file: &'static str, octets: &[u8]) -> Result<(), DevFault> {
        let new = self.dir.join(format!(".{file}.new"));
        let put = || -> io::Result<()> {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) | Ok(()) => {}
            }
            let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            out.write_all(octets)?;
            out.sync_all()?;
            fs::rename(&new, self.dir.join(file))
        };
        put().map_err(|error| {
            let _ = fs::remove_file(&new);
            self.fault(file, error)
        })
    }

    fn fault(&self, file: &str, error: io::Error) -> DevFault {
        DevFault::Io { path: self.dir.join(file), error }
    }
}

enum Missing {
    All,
    Some(&'static str),
}

/// Certificates are made anew when they have less than this left.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const AUTHORITY: &str = "ca.pem";
const SERVER: &str = "server.pem";
const SERVER_KEY: &str = "server.key";
const JWT_PRIVATE: &str = "jwt-private.pem";
const JWT_PUBLIC: &str = "jwt-public.pem";
const CONFIG: &str = "portcullis.toml";
const GIT_IGNORE: &str = ".gitignore";
const GIT_IGNORE_TEXT: &str = "# Keys are not for others: nothing here is committed.\n*\n";

/// What must be there; `.gitignore` may be taken away.
const FILES: [&str; 6] = [AUTHORITY, SERVER, SERVER_KEY, JWT_PRIVATE, JWT_PUBLIC, CONFIG];

fn ensure(dir: &Path) -> Result<(), DevFault> {
    let io = |error| DevFault::Io { path: dir.to_owned(), error };
    match fs::metadata(dir) {
        Ok(found) if !found.is_dir() => Err(DevFault::NotAFolder { dir: dir.to_owned() }),
        Ok(found) if found.permissions().mode() & 0o022 != 0 => Err(DevFault::Shared { dir: dir.to_owned() }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)
        }
        Err(error) => Err(io(error)),
    }
}

/// `None` where the file system knows no locks: two starts at once are a rare mishap.
fn lock(dir: &Path) -> Result<Option<File>, DevFault> {
    let file = File::open(dir).map_err(|error| DevFault::Io { path: dir.to_owned(), error })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(DevFault::Busy { dir: dir.to_owned() }),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

fn made<T>(result: Result<T, rcgen::Error>) -> Result<T, DevFault> {
    result.map_err(|error| DevFault::Making { what: "The certificates", why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tempfile::TempDir;

    const DAY: Duration = Duration::from_secs(86_400);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + 20_000 * DAY
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry"));
        entries
            .map(|e| (e.file_name().into_string().expect("a name"), fs::read(e.path()).expect("a file")))
            .collect()
    }

    fn fault(dir: &Path) -> String {
        Folder::open(dir, at(1), now()).expect_err("a fault").to_string()
    }

    #[test]
    fn a_first_start_makes_a_closed_folder_with_closed_files() {
        let root = TempDir::new().expect("a folder");
        let dir = root.path().join("deep/er");
        let folder = Folder::open(&dir, at(8443), now()).expect("a folder");
        assert_eq!(folder.made(), Made::Everything);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
        assert_eq!(mode(&dir), 0o700);
        let names: Vec<_> = contents(&dir).into_keys().collect();
        assert_eq!(
            names,
            [GIT_IGNORE, AUTHORITY, JWT_PRIVATE, JWT_PUBLIC, CONFIG, SERVER_KEY, SERVER],
            "no more and no less, the authority's key least of all"
        );
        for name in names {
            assert_eq!(mode(&dir.join(&name)), 0o600, "{name}");
        }
    }

    #[test]
    fn a_second_start_changes_nothing() {
        let root = TempDir::new().expect("a folder");
        drop(Folder::open(root.path(), at(8443), now()).expect("first"));
        let before = contents(root.path());
        let second = Folder::open(root.path(), at(8443), now() + DAY).expect("second");
        assert_eq!(second.made(), Made::Nothing);
        assert_eq!(contents(root.path()), before);
    }

    #[test]
    fn another_port_changes_the_configuration_alone() {
        let root = TempDir::new().expect("a folder");
        drop(Folder::open(root.path(), at(8443), now()).expect("first"));
        let mut expected = contents(root.path());
        expected.insert(CONFIG.into(), config_text::fresh(at(9000)).into_bytes());
        Folder::open(root.path(), at(9000), now()).expect("second");
        assert_eq!(contents(root.path()), expected);
    }

    #[test]
    fn a_configuration_that_was_edited_away_from_the_address_is_told_and_kept() {
        let root = TempDir::new().expect("a folder");
        drop(Folder::open(root.path(), at(8443), now()).expect("first"));
        let own = config_text::fresh(at(8443)).replace("# follows --listen\nhosts", "\nhosts");
        fs::write(root.path().join(CONFIG), &own).expect("written");
        let told = fault(root.path());
        assert!(told.contains("127.0.0.1:1") && told.contains(CONFIG), "{told}");
        assert_eq!(fs::read_to_string(root.path().join(CONFIG)).expect("there"), own);
    }

    #[test]
    fn certificates_about_to_end_are_made_anew_and_the_keys_of_tokens_kept() {
        let root = TempDir::new().expect("a folder");
        drop(Folder::open(root.path(), at(8443), now()).expect("first"));
        let before = contents(root.path());
        let then = now() + certificates::LIFETIME - RENEW_BEFORE;
        assert_eq!(Folder::open(root.path(), at(8443), then - DAY).expect("early").made(), Made::Nothing);
        assert_eq!(Folder::open(root.path(), at(8443), then).expect("late").made(), Made::Certificates);
        let after = contents(root.path());
        for file in [AUTHORITY, SERVER, SERVER_KEY] {
            assert_ne!(before[file], after[file], "{file}");
        }
        for file in [JWT_PRIVATE, JWT_PUBLIC, CONFIG] {
            assert_eq!(before[file], after[file], "{file}");
        }
    }

    #[test]
    fn a_missing_file_is_named_with_the_remedy_and_nothing_is_made() {
        for file in FILES {
            let root = TempDir::new().expect("a folder");
            drop(Folder::open(root.path(), at(8443), now()).expect("first"));
            fs::remove_file(root.path().join(file)).expect("removed");
            let before = contents(root.path());
            let told = fault(root.path());
            assert!(
                told.contains(&format!("{file} is missing")) && told.contains("Delete the folder"),
                "{told}"
            );
            assert_eq!(contents(root.path()), before);
        }
    }

    #[test]
    fn a_torn_certificate_is_named_with_the_remedy() {
        let root = TempDir::new().expect("a folder");
        drop(Folder::open(root.path(), at(8443), now()).expect("first"));
        fs::write(root.path().join(SERVER), "-----BEGIN CERT").expect("written");
        let told = fault(root.path());
        assert!(told.contains(SERVER) && told.contains("Delete the folder"), "{told}");
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_told() {
        let root = TempDir::new().expect("a folder");
        let file = root.path().join("file");
        fs::write(&file, "mine").expect("written");
        assert!(fault(&file).contains("is not a folder"));
        assert!(fault(&file.join("below")).contains("--dir"));
        assert_eq!(fs::read_to_string(&file).expect("there"), "mine");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_and_left_empty() {
        let root = TempDir::new().expect("a folder");
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o500)).expect("closed");
        if rustix::process::geteuid().is_root() {
            return; // The superuser may write everywhere.
        }
        assert!(fault(root.path()).contains("must be yours to read and write"));
        assert!(contents(root.path()).is_empty());
    }

    #[test]
    fn a_first_start_that_fails_half_way_leaves_nothing_half_made() {
        let root = TempDir::new().expect("a folder");
        // A folder where the configuration, the last file, is staged: it cannot be replaced.
        fs::create_dir_all(root.path().join(format!(".{CONFIG}.new/x"))).expect("in the way");
        assert!(fault(root.path()).contains(CONFIG));
        let left: Vec<_> =
            fs::read_dir(root.path()).expect("a folder").map(|e| e.expect("one").file_name()).collect();
        assert_eq!(left, [format!(".{CONFIG}.new").as_str()]);
    }

    #[test]
    fn a_folder_that_others_may_write_is_not_used() {
        for mode in [0o720, 0o702, 0o777] {
            let root = TempDir::new().expect("a folder");
            fs::set_permissions(root.path(), fs::Permissions::from_mode(mode)).expect("opened");
            assert!(fault(root.path()).contains("chmod go-w"));
            assert!(contents(root.path()).is_empty());
        }
    }

    #[test]
    fn two_at_once_in_one_folder_are_told_apart() {
        let root = TempDir::new().expect("a folder");
        let first = Folder::open(root.path(), at(8443), now()).expect("first");
        assert!(fault(root.path()).contains("Another `portcullis dev`"));
        drop(first);
        Folder::open(root.path(), at(8443), now()).expect("free again");
    }
}
