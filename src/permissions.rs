//! Opens files that must be trusted: checked through the open descriptor, bounded in size, and refused if another user
//! could have written them or, if they are secret, can read them. Does not know their contents.
//!
//! As with sshd's `StrictModes`, every directory of the path is checked, since a user who may write to one can replace
//! the file. A sticky directory such as `/tmp` is allowed: there others cannot replace files of root or ours. Symlinks
//! are followed, because Kubernetes mounts secrets as symlinks, and the same rules apply to each.

mod path;

use std::{
    fs,
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use path::Strictness;

/// What a file is trusted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A secret: no other user may write it, and only its group may read it.
    Secret,
    /// Public but trusted, such as a public key or a certificate authority: no other user may write it.
    Public,
    /// The configuration, which a person names: its owner and its group may be anybody, but not everybody may write it.
    Configuration,
}

/// More than any secret, any bundle of authorities and any configuration has.
const SIZE_MAX_BYTES: u64 = 4 << 20;

/// Why a file is not trusted. The message calls the file `it`; the caller adds its name.
#[derive(Debug, thiserror::Error)]
pub enum PermissionError {
    /// It is missing or may not be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// A directory, a pipe or a device.
    #[error("it is {0}, and not a file")]
    NotAFile(&'static str),
    /// Far more than a file of its kind has.
    #[error("it has more than {SIZE_MAX_BYTES} bytes: is it the right file?")]
    TooLarge,
    /// Everybody on the machine could read it.
    #[error("it may be read by everybody (mode {mode:03o}): run `chmod o-rwx {path}`")]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others could change it.
    #[error("{} may be written to by others (mode {mode:03o}): {remedy}", subject(path, *is_parent))]
    Writable {
        /// The file, or a directory above it.
        path: PathBuf,
        /// Whether it is a directory above it.
        is_parent: bool,
        /// Its permission bits.
        mode: u32,
        /// What to do.
        remedy: String,
    },
    /// Another user could change it.
    #[error(
        "{} belongs to user {owner}, who is neither root nor the user {us} as whom this process runs: run it as that \
         user, or {}",
        subject(path, *is_parent),
        if *is_parent { "keep it elsewhere".to_owned() } else { format!("give it away (`chown {us} {}`)", path.display()) }
    )]
    Owner {
        /// The file, or a directory or symlink on the way.
        path: PathBuf,
        /// Whether it is a directory or symlink on the way.
        is_parent: bool,
        /// Whose it is.
        owner: u32,
        /// Our own user.
        us: u32,
    },
    /// Another file came into its place meanwhile.
    #[error("it was exchanged while it was looked at: try again")]
    Exchanged,
}

fn subject(path: &Path, is_parent: bool) -> String {
    if is_parent { format!("{} on the way to it", path.display()) } else { "it".to_owned() }
}

/// The contents of `path`, if it may be trusted. Never waits for a pipe.
pub fn read(path: &Path, trust: Trust) -> Result<Vec<u8>, PermissionError> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let opened = file.metadata()?;
    require_file(&opened)?;
    let found = path::walk(path, trust.strictness())?;
    if (found.dev(), found.ino()) != (opened.dev(), opened.ino()) {
        return Err(PermissionError::Exchanged);
    }
    require_modes(path, &opened, trust)?;
    let mut bytes = Vec::new();
    file.take(SIZE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_MAX_BYTES {
        return Err(PermissionError::TooLarge);
    }
    Ok(bytes)
}

/// Refuses a file that a library opens by its path, if it may not be trusted. No other user can replace it afterwards.
pub fn require(path: &Path, trust: Trust) -> Result<(), PermissionError> {
    read(path, trust).map(drop)
}

/// Refuses a directory to whose entries others could do something.
pub fn require_directory(path: &Path) -> Result<(), PermissionError> {
    require_closed(path, Strictness::Strict)
}

/// The user that owns the directory `path`, if no other user can change its entries.
pub fn owner_of_directory(path: &Path) -> Result<u32, PermissionError> {
    let owner = fs::metadata(path)?.uid();
    require_closed(path, Strictness::StrictOr(owner))?;
    Ok(owner)
}

fn require_closed(path: &Path, strictness: Strictness) -> Result<(), PermissionError> {
    let found = path::walk(path, strictness)?;
    if strictness.is_writable(&found) {
        return Err(writable(path, &found));
    }
    Ok(())
}

fn writable(path: &Path, found: &fs::Metadata) -> PermissionError {
    let remedy = format!("run `chmod go-w {}`", path.display());
    PermissionError::Writable { path: path.to_owned(), is_parent: false, mode: found.mode() & 0o7777, remedy }
}

impl Trust {
    fn strictness(self) -> Strictness {
        match self {
            Self::Secret | Self::Public => Strictness::Strict,
            Self::Configuration => Strictness::Lax,
        }
    }
}

fn require_file(opened: &fs::Metadata) -> Result<(), PermissionError> {
    let kind = opened.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(PermissionError::NotAFile(match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () => "something else",
    }))
}

fn require_modes(path: &Path, opened: &fs::Metadata, trust: Trust) -> Result<(), PermissionError> {
    let mode = opened.mode() & 0o777;
    if trust.strictness().is_writable(opened) {
        return Err(writable(path, opened));
    }
    if trust == Trust::Secret && mode & 0o007 != 0 {
        return Err(PermissionError::Readable { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
