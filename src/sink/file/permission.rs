//! Whether files can be made in a directory, computed and not tried: a check changes nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, AtFlags, CWD, accessat, statfs};

use super::error::{WriterError, doing};

/// Refuses a directory in which this user cannot make files. One that does not exist must be one that this user can
/// make.
pub(crate) fn require_writable(directory: &Path) -> Result<(), WriterError> {
    let Some(existing) = nearest_existing(directory) else {
        return Err(doing("create", directory)(io::ErrorKind::NotFound.into()));
    };
    let action = if existing == directory && existing.is_dir() { "write to" } else { "create" };
    let refused = |source| Err(doing(action, directory)(source));
    if !existing.is_dir() {
        return refused(io::Error::other(format!("{} is not a directory", existing.display())));
    }
    if is_of_the_kernel(&existing) {
        let reason = "is of the kernel, and nobody makes files there";
        return refused(io::Error::other(format!("{} {reason}", existing.display())));
    }
    let access = accessat(CWD, &existing, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
    access
        .or_else(|err| refused(io::Error::other(format!("{}: {}", existing.display(), io::Error::from(err)))))
}

/// Whether a directory is on a file system of the kernel's, such as `/proc`, whose modes promise root more than there is.
/// The numbers are those of `statfs(2)`.
fn is_of_the_kernel(directory: &Path) -> bool {
    const PROC: u32 = 0x9fa0;
    const SYSFS: u32 = 0x6265_6572;
    const DEVPTS: u32 = 0x1cd1;
    const CGROUP: u32 = 0x0027_e0eb;
    const CGROUP2: u32 = 0x6367_7270;
    // Wide enough for all of them; the type of the field differs between platforms.
    let kind = statfs(directory).map(|found| found.f_type as u32);
    kind.is_ok_and(|kind| [PROC, SYSFS, DEVPTS, CGROUP, CGROUP2].contains(&kind))
}

/// Refuses a file that this user cannot append to, or cannot make where it does not exist.
pub(crate) fn require_appendable(file: &Path) -> Result<(), WriterError> {
    if file.symlink_metadata().is_err() {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        return require_writable(directory.unwrap_or(Path::new(".")));
    }
    let access = accessat(CWD, file, Access::WRITE_OK, AtFlags::EACCESS);
    access.map_err(|err| doing("write to", file)(err.into()))?;
    let found = fs::metadata(file).map_err(doing("write to", file))?;
    if !found.is_file() {
        let reason = "it is a directory, a device or a pipe, and not a file";
        return Err(doing("write to", file)(io::Error::other(reason)));
    }
    Ok(())
}

/// The directory itself, or what there is of the way to it.
fn nearest_existing(directory: &Path) -> Option<PathBuf> {
    let mut ancestors = directory.ancestors().map(|ancestor| match ancestor.as_os_str().is_empty() {
        true => Path::new("."),
        false => ancestor,
    });
    ancestors.find(|ancestor| ancestor.symlink_metadata().is_ok()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_and_what_is_not_are_judged_and_left_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "precious").unwrap();
        std::os::unix::fs::symlink(&file, directory.path().join(".oktabus-check")).unwrap();

        require_writable(directory.path()).unwrap();
        require_writable(&directory.path().join("a/b")).unwrap();
        let told = |path: &Path| {
            let WriterError { action, source } = require_writable(path).unwrap_err();
            format!("{action}: {source}")
        };
        assert!(told(&file).contains("is not a directory"), "{}", told(&file));
        let below = file.join("below");
        assert!(told(&below).starts_with("cannot create"), "{}", told(&below));
        // Root may write to it by its mode.
        let kernel = told(Path::new("/proc/nope/x"));
        assert!(kernel.contains("/proc is of the kernel"), "{kernel}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn only_a_file_can_be_appended_to_or_one_that_can_be_made() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        require_appendable(&file).unwrap();
        fs::write(&file, "").unwrap();
        require_appendable(&file).unwrap();
        std::os::unix::fs::symlink("/dev/full", &link).unwrap();
        for other in [directory.path(), Path::new("/dev/null"), &link] {
            let WriterError { source, .. } = require_appendable(other).unwrap_err();
            assert!(source.to_string().contains("not a file"), "{}: {source}", other.display());
        }
    }
}
