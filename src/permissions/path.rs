//! Walks the path to a file from the root, and checks who could replace the file.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
    sync::OnceLock,
};

use super::PermissionError;

/// Which owners and writers are accepted for the directories of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// Owned by root or us, and writable by no other user.
    Strict,
    /// As above, or owned by this user, unless everybody may write there.
    StrictOr(u32),
    /// Anybody's, and not everybody may write to it.
    Lax,
}

/// As many as Linux itself follows.
const SYMLINKS_MAX: usize = 40;
const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const EVERYBODY_WRITES: u32 = 0o002;

/// The file at `path`, if no other user could have put it there.
pub(super) fn walk(path: &Path, strictness: Strictness) -> Result<fs::Metadata, PermissionError> {
    let mut at = PathBuf::from("/");
    let mut found = fs::symlink_metadata(&at)?;
    let mut steps = steps(&std::path::absolute(path)?);
    let mut symlinks = 0;
    while let Some(step) = steps.pop_front() {
        require_safe_directory(&at, &found, strictness)?;
        if step == ".." {
            at.pop();
            found = fs::symlink_metadata(&at)?;
            continue;
        }
        let next = at.join(&step);
        let within = std::mem::replace(&mut found, fs::symlink_metadata(&next)?);
        if !is_owner_trusted(found.uid(), &within, strictness) {
            let us = rustix::process::geteuid().as_raw();
            let (owner, is_parent) = (found.uid(), !steps.is_empty());
            return Err(PermissionError::Owner { path: next, is_parent, owner, us });
        }
        if !found.is_symlink() {
            at = next;
            continue;
        }
        symlinks += 1;
        if symlinks > SYMLINKS_MAX {
            return Err(io::Error::other("there are too many symbolic links on the way").into());
        }
        let target = fs::read_link(&next)?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        found = fs::symlink_metadata(&at)?;
        for step in self::steps(&target).into_iter().rev() {
            steps.push_front(step);
        }
    }
    Ok(found)
}

/// The names on the way; `..` stays, as it must be taken after a symlink is followed.
fn steps(path: &Path) -> VecDeque<OsString> {
    let step = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(step).collect()
}

/// What everybody may write to is safe if it is sticky: what is there and trusted cannot be replaced by others.
fn require_safe_directory(
    path: &Path,
    found: &fs::Metadata,
    strictness: Strictness,
) -> Result<(), PermissionError> {
    let is_writable = strictness.is_writable(found);
    if !found.is_dir() || !is_writable || found.mode() & STICKY != 0 {
        return Ok(());
    }
    let remedy = if found.uid() == 0 {
        "keep it in a directory to which only its owner may write".to_owned()
    } else {
        format!("run `chmod go-w {}`, or keep it elsewhere", path.display())
    };
    let (path, mode) = (path.to_owned(), found.mode() & 0o7777);
    Err(PermissionError::Writable { path, is_parent: true, mode, remedy })
}

/// Whether what is in the directory `within` may be `owner`'s.
fn is_owner_trusted(owner: u32, within: &fs::Metadata, strictness: Strictness) -> bool {
    let is_own = owner == 0 || owner == rustix::process::geteuid().as_raw() || is_root_from_outside(owner);
    match strictness {
        Strictness::Strict => is_own,
        Strictness::StrictOr(user) => is_own || owner == user && !is_writable_by_others(within),
        Strictness::Lax => true,
    }
}

impl Strictness {
    pub(super) fn is_writable(self, found: &fs::Metadata) -> bool {
        match self {
            Self::Strict | Self::StrictOr(_) => is_writable_by_others(found),
            Self::Lax => found.mode() & EVERYBODY_WRITES != 0,
        }
    }
}

/// Whether anybody but its owner may write to it. A group with the owner's own number is the owner's alone, as most
/// distributions have it for people; that of root is root's.
fn is_writable_by_others(found: &fs::Metadata) -> bool {
    let is_by_group = found.mode() & GROUP_WRITES != 0 && found.gid() != found.uid();
    is_by_group || found.mode() & EVERYBODY_WRITES != 0
}

/// Inside a user namespace, as in a rootless container, what is the outer root's is shown as nobody's.
fn is_root_from_outside(owner: u32) -> bool {
    static OVERFLOW: OnceLock<Option<u32>> = OnceLock::new();
    let overflow = OVERFLOW.get_or_init(|| {
        let map = fs::read_to_string("/proc/self/uid_map").ok()?;
        let is_whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
        let number = fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?;
        (!is_whole).then(|| number.trim().parse().ok())?
    });
    *overflow == Some(owner)
}
