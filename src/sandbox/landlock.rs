//! Owns which files the process may still open: Landlock, as much of it as the kernel has.
//! Never knows a system call.

use super::{Needs, State};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags,
};
use std::path::{Path, PathBuf};

/// Files, TCP (4), devices (5), signals and abstract sockets (6): Linux 6.12.
const WHOLE: ABI = ABI::V6;

/// Restricts this thread and all that it starts.
pub(super) fn enter(needs: &Needs) -> State {
    match restrict(needs) {
        Ok(RulesetStatus::FullyEnforced) => State::Full,
        Ok(RulesetStatus::PartiallyEnforced) => State::Partial(
            "this kernel's Landlock is older than Linux 6.12 and does not cover everything".to_owned(),
        ),
        Ok(RulesetStatus::NotEnforced) => {
            State::Off("this kernel has no Landlock, or the calls are forbidden".to_owned())
        }
        Err(error) => State::Off(format!("Landlock cannot be used: {error}")),
    }
}

/// Denies every file, every TCP port, every signal to others; then lets in what is needed.
fn restrict(needs: &Needs) -> Result<RulesetStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(WHOLE))?
        .handle_access(AccessNet::from_all(WHOLE))?
        .scope(Scope::from_all(WHOLE))?
        .create()?;
    for path in &needs.read {
        for place in [Some(lexical(path)), behind_links(path)].into_iter().flatten() {
            ruleset = allow(ruleset, &place, AccessFs::ReadFile.into())?;
        }
    }
    if let Some(path) = &needs.replace {
        ruleset = allow(ruleset, &lexical(path), REPLACE)?;
    }
    if let Some(path) = &needs.remove {
        ruleset = allow(ruleset, &lexical(path), AccessFs::RemoveFile.into())?;
    }
    for place in needs.reach.files() {
        ruleset = allow(ruleset, &place, AccessFs::ReadFile.into())?;
    }
    for port in needs.reach.ports() {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// What is not there cannot be allowed, and need not be.
fn allow(
    ruleset: RulesetCreated,
    place: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(place) {
        Ok(place) => ruleset.add_rule(PathBeneath::new(place, access)),
        Err(_) => Ok(ruleset),
    }
}

/// The folder that the path names: another file may be put there under the same name.
fn lexical(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    narrow(folder.unwrap_or(Path::new(".")), path)
}

/// The folder of the file behind all symbolic links, where the next one will come too.
fn behind_links(path: &Path) -> Option<PathBuf> {
    let file = path.canonicalize().ok()?;
    Some(narrow(file.parent()?, &file))
}

/// The root as a folder would be every file: there, the file alone is let in.
fn narrow(folder: &Path, file: &Path) -> PathBuf {
    let is_root = folder.canonicalize().is_ok_and(|folder| folder.parent().is_none());
    if is_root { file.to_owned() } else { folder.to_owned() }
}

/// Write beside it, rename, and put the folder on the disk.
const REPLACE: BitFlags<AccessFs> =
    make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | Truncate | MakeReg | RemoveFile});
