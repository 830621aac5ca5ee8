//! Owns whether files have other content than when they were last looked at.
//! Never knows what is in them, nor when to look.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::path::PathBuf;

/// Compares the content of files, so that neither links that are moved (as Kubernetes does) nor
/// times that lie go unnoticed. Only a keyed hash is kept.
#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    hashing: RandomState,
    seen: Option<u64>,
}

impl Watch {
    /// Files with the content that they have now.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>) -> Watch {
        let mut watch = Watch { paths, hashing: RandomState::new(), seen: None };
        watch.seen = watch.content().ok();
        watch
    }

    /// Whether the content is another than at the last call. A file that cannot be read at the
    /// moment is no change.
    pub fn changed(&mut self) -> bool {
        let Ok(content) = self.content() else { return false };
        let before = self.seen.replace(content);
        before != Some(content)
    }

    fn content(&self) -> io::Result<u64> {
        let mut hasher = self.hashing.build_hasher();
        for path in &self.paths {
            let mut file = File::open(path)?.take(super::files::PEM_BYTES_MAX);
            let mut chunk = zeroize::Zeroizing::new([0_u8; 4096]);
            loop {
                let read = file.read(&mut *chunk)?;
                hasher.write(chunk.get(..read).unwrap_or_default());
                if read == 0 {
                    break;
                }
            }
            hasher.write_u8(0xff);
        }
        Ok(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_change_of_content_is_noticed_once_and_rewriting_the_same_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, "1").expect("a file");
        fs::write(&b, "2").expect("a file");
        let mut watch = Watch::new(vec![a.clone(), b.clone()]);
        assert!(!watch.changed());
        fs::write(&b, "2").expect("a file");
        assert!(!watch.changed());
        fs::write(&b, "3").expect("a file");
        assert!(watch.changed());
        assert!(!watch.changed());
        fs::remove_file(&a).expect("removed");
        assert!(!watch.changed());
        fs::write(&a, "1").expect("a file");
        assert!(!watch.changed());
    }
}
