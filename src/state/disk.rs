//! Files and directories: ownership, free space, and syncing to the disk. Knows no records.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::StatVfsMountFlags;

use super::StateError;
use crate::permissions::{self, PermissionError};

/// Free space that a commit requires. It is far more than a commit needs (sled adds segments of half a megabyte), so that
/// sled never sees a full disk.
const ROOM_BYTES: u64 = 4 << 20;

const OWNER_ONLY_DIRECTORY: u32 = 0o700;
const OWNER_ONLY_FILE: u32 = 0o600;

/// Creates `directory` and what is missing above it, and returns when that is on the disk.
pub(super) fn create_directory(directory: &Path) -> Result<(), StateError> {
    if directory.is_dir() {
        return Ok(());
    }
    if directory.exists() {
        return Err(StateError::NotADirectory(directory.to_owned()));
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(OWNER_ONLY_DIRECTORY)
        .create(directory)
        .map_err(io_error("create the state directory", directory))?;
    sync_all(parent(directory))
}

/// Refuses a directory of another user, even a writable one, because that user could not replace our files; and a directory
/// to which others may write.
pub(super) fn require_own(directory: &Path) -> Result<(), StateError> {
    let owner = fs::metadata(directory).map_err(io_error("look at", directory))?.uid();
    let us = rustix::process::geteuid().as_raw();
    if owner != us {
        return Err(StateError::Owner { path: directory.to_owned(), owner, us });
    }
    require_closed(directory)
}

/// Refuses a directory to which others may write, if it is there.
pub(super) fn require_closed(directory: &Path) -> Result<(), StateError> {
    if !directory.exists() {
        return Ok(());
    }
    permissions::require_directory(directory)
        .map_err(|source| StateError::Exposed { path: directory.to_owned(), source })
}

/// Refuses a place for a directory that is yet to be made, if others may put something into one above it.
pub(super) fn require_closed_way(directory: &Path) -> Result<(), StateError> {
    match permissions::require_directory(directory) {
        Err(PermissionError::Unreadable(err)) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        looked => looked.map_err(|source| StateError::Exposed { path: directory.to_owned(), source }),
    }
}

/// Makes a folder of ours private: earlier versions created it with the user's umask.
pub(super) fn close_to_others(folder: &Path) -> Result<(), StateError> {
    let Ok(found) = fs::metadata(folder) else { return Ok(()) };
    if found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let owner_only = fs::Permissions::from_mode(OWNER_ONLY_DIRECTORY);
    fs::set_permissions(folder, owner_only).map_err(io_error("change the mode of", folder))
}

/// Refuses a disk that is too full or may not be written to.
pub(super) fn require_room(directory: &Path) -> Result<(), StateError> {
    let disk = rustix::fs::statvfs(directory);
    let disk = disk.map_err(|err| io_error("look at the disk of", directory)(err.into()))?;
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(StateError::ReadOnly(directory.to_owned()));
    }
    let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free_bytes < ROOM_BYTES {
        let path = directory.to_owned();
        return Err(StateError::NoRoom { path, free_bytes, needed_bytes: ROOM_BYTES });
    }
    Ok(())
}

/// What kind of file system that cannot keep promises `directory` is on, if it is on one. The numbers are those of
/// `statfs(2)`.
pub(super) fn weakness(directory: &Path) -> Option<&'static str> {
    // Wide enough for all of them; the type of the field differs between platforms.
    match rustix::fs::statfs(directory).ok()?.f_type as u32 {
        0x0102_1994 | 0x8584_58f6 => Some("memory: it is gone after a restart of the machine"),
        0x794c_7630 => Some("an overlay, such as a container's own: it is gone with the container"),
        0x6969 | 0xff53_4d42 | 0xfe53_4d42 | 0x517b | 0x0102_1997 | 0x00c3_6400 => {
            Some("the network: locks and syncs may not hold there")
        }
        _ => None,
    }
}

/// Replaces `path` by a file with `bytes`, wholly or not at all, and returns when that is on the disk.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let draft = path.with_extension("new");
    let written = (|| {
        let mut file =
            fs::File::options().write(true).create(true).truncate(true).mode(OWNER_ONLY_FILE).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    })();
    written.map_err(io_error("write", path))?;
    sync_all(parent(path))
}

/// Renames a file or directory and returns when that is on the disk.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StateError> {
    fs::rename(from, to).map_err(io_error("rename", from))?;
    sync_all(parent(to))
}

/// Syncs a file or directory to the disk.
pub(super) fn sync_all(path: &Path) -> Result<(), StateError> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(io_error("sync", path))
}

/// The bytes of all files under `directory`.
pub(super) fn size_bytes(directory: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += if metadata.is_dir() { size_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(size)
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path: PathBuf = path.to_owned();
    move |source| StateError::Io { action, path, source }
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_place_of_the_directory_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        fs::write(&path, "").unwrap();
        let error = create_directory(&path).unwrap_err();
        assert!(matches!(&error, StateError::NotADirectory(named) if *named == path), "{error}");
    }

    #[test]
    fn a_directory_of_another_user_is_refused_with_the_way_out() {
        // Whoever runs the tests, the root directory or the temporary one is somebody else's, or both are root's.
        let others = ["/", "/tmp"]
            .into_iter()
            .find(|path| matches!(require_own(Path::new(path)), Err(StateError::Owner { .. })));
        let Some(other) = others else { return chown_and_refuse() };
        let told = require_own(Path::new(other)).unwrap_err().to_string();
        assert!(told.contains("belongs to user") && told.contains("`state.path`"), "{told}");
        assert!(!told.contains("chown"), "nobody should give the system's own directories away: {told}");
    }

    #[test]
    fn a_directory_to_which_others_may_write_is_refused_and_the_store_is_closed_to_them() {
        let directory = tempfile::tempdir().unwrap();
        let chmod = |mode| fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        chmod(0o777);
        let told = crate::telemetry::chain(&require_own(directory.path()).unwrap_err());
        assert!(told.contains("written to by others (mode 777)") && told.contains("chmod go-w"), "{told}");
        chmod(0o755);
        require_own(directory.path()).unwrap();
        close_to_others(directory.path()).unwrap();
        assert_eq!(fs::metadata(directory.path()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_is_yet_to_be_made_is_refused_where_others_may_write() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("open/state");
        fs::create_dir(directory.path().join("open")).unwrap();
        require_closed_way(&missing).unwrap();
        require_closed_way(&missing.join("deeper")).unwrap();
        fs::set_permissions(directory.path().join("open"), fs::Permissions::from_mode(0o777)).unwrap();
        let told = crate::telemetry::chain(&require_closed_way(&missing).unwrap_err());
        assert!(told.contains("mode 777"), "{told}");
    }

    fn chown_and_refuse() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(directory.path(), Some(4_242), None).unwrap();
        let told = require_own(directory.path()).unwrap_err().to_string();
        assert!(told.contains("belongs to user 4242") && told.contains("sudo -u '#4242'"), "{told}");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("witness.json");
        replace(&path, b"a long first one").unwrap();
        replace(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
