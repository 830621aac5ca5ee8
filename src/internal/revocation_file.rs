//! Owns the file in which revocations outlive a restart.
//! Never knows what is revoked.

use crate::auth::Revocations;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file that `[auth] revocation_file` names.
#[derive(Clone, Debug)]
pub struct RevocationFile(PathBuf);

impl RevocationFile {
    /// The file at this path, which need not be there yet.
    #[must_use]
    pub fn at(path: PathBuf) -> RevocationFile {
        RevocationFile(path)
    }

    /// Writes all revocations beside the file, makes sure that they are on the disk, and
    /// only then puts them in its place: whoever reads it finds the old or the new, whole.
    pub fn write(&self, revocations: &Revocations) -> io::Result<()> {
        let folder =
            self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut beside = self.0.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&revocations.to_text())?;
        file.sync_all()?;
        fs::rename(&beside, &self.0)?;
        File::open(folder)?.sync_all()
    }
}
