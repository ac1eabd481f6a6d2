//! What is trusted and what is not, on real files.

use std::{
    fs::{File, Permissions, create_dir, set_permissions, write},
    os::unix::fs::{PermissionsExt as _, chown, symlink},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;

fn chmod(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn file(mode: u32) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    write(&path, "content").unwrap();
    chmod(&path, mode);
    (directory, path)
}

fn told(path: &Path, trust: Trust) -> String {
    read(path, trust).unwrap_err().to_string()
}

#[test]
fn modes_are_held_against_what_a_file_is_trusted_with() {
    for (mode, secret, public, configuration) in [
        (0o600, true, true, true),
        (0o640, true, true, true),
        (0o644, false, true, true),
        (0o604, false, true, true),
        (0o602, false, false, false),
        (0o666, false, false, false),
    ] {
        let (_directory, path) = file(mode);
        assert_eq!(read(&path, Trust::Secret).is_ok(), secret, "{mode:o}");
        assert_eq!(read(&path, Trust::Public).is_ok(), public, "{mode:o}");
        assert_eq!(read(&path, Trust::Configuration).is_ok(), configuration, "{mode:o}");
    }
    let (_directory, path) = file(0o644);
    assert!(told(&path, Trust::Secret).contains("mode 644"), "{}", told(&path, Trust::Secret));
    assert!(told(&path, Trust::Secret).contains("chmod o-rwx"));
}

#[test]
fn a_directory_that_others_may_write_to_is_named_unless_it_is_sticky() {
    let (directory, path) = file(0o600);
    chmod(directory.path(), 0o777);
    for trust in [Trust::Secret, Trust::Public, Trust::Configuration] {
        let told = told(&path, trust);
        assert!(told.contains("on the way to it may be written to by others (mode 777)"), "{told}");
    }
    assert!(require_directory(directory.path()).is_err());
    chmod(directory.path(), 0o1777);
    assert!(read(&path, Trust::Secret).is_ok());
    assert!(require_directory(directory.path()).is_err(), "what is in it may be added to all the same");
}

#[test]
fn symlinks_are_followed_and_each_step_counts() {
    let (target, path) = file(0o600);
    let (directory, _) = file(0o600);
    // As Kubernetes mounts secrets.
    let data = directory.path().join("..data");
    symlink(target.path(), &data).unwrap();
    let link = directory.path().join("token");
    symlink("..data/file", &link).unwrap();
    assert_eq!(read(&link, Trust::Secret).unwrap(), b"content");
    let around = directory.path().join("../").join(directory.path().file_name().unwrap()).join("token");
    assert_eq!(read(&around, Trust::Secret).unwrap(), b"content");
    chmod(directory.path(), 0o777);
    assert!(matches!(read(&link, Trust::Secret), Err(PermissionError::Writable { is_parent: true, .. })));
    chmod(directory.path(), 0o700);
    chmod(&path, 0o644);
    assert!(matches!(read(&link, Trust::Secret), Err(PermissionError::Readable { .. })));
    let endless = directory.path().join("endless");
    symlink("endless", &endless).unwrap();
    assert!(matches!(read(&endless, Trust::Secret), Err(PermissionError::Unreadable(_))));
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let (directory, _) = file(0o600);
    let pipe = directory.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_bits_retain(0o600), 0).unwrap();
    assert!(told(&pipe, Trust::Secret).contains("it is a pipe"));
    assert!(told(directory.path(), Trust::Secret).contains("it is a directory"));
    assert!(told(Path::new("/dev/zero"), Trust::Public).contains("it is a device"));
}

#[test]
fn what_is_far_too_large_is_not_read() {
    let (_directory, path) = file(0o600);
    // A hole: nothing is on the disk.
    File::options().write(true).open(&path).unwrap().set_len(900 << 20).unwrap();
    assert!(matches!(read(&path, Trust::Secret), Err(PermissionError::TooLarge)));
}

#[test]
fn what_is_somebody_elses_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (directory, path) = file(0o600);
    chown(&path, Some(4_242), None).unwrap();
    let said = told(&path, Trust::Secret);
    assert!(said.starts_with("it belongs to user 4242") && said.contains("chown 0"), "{said}");
    assert!(read(&path, Trust::Configuration).is_ok(), "a person names the configuration");
    chown(&path, Some(0), Some(4_242)).unwrap();
    chmod(&path, 0o660);
    assert!(told(&path, Trust::Public).contains("by others"));
    chmod(&path, 0o640);
    assert!(read(&path, Trust::Secret).is_ok());
    let inner = directory.path().join("inner");
    create_dir(&inner).unwrap();
    write(inner.join("file"), "").unwrap();
    chmod(&inner.join("file"), 0o600);
    chown(&inner, Some(4_242), None).unwrap();
    let said = told(&inner.join("file"), Trust::Secret);
    assert!(said.contains("inner on the way to it belongs to user 4242"), "{said}");
}

#[test]
fn a_directory_of_a_service_may_be_its_own_but_not_where_everybody_puts_things() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (directory, _) = file(0o600);
    let state = directory.path().join("state");
    create_dir(&state).unwrap();
    chmod(&state, 0o700);
    assert_eq!(owner_of_directory(&state).unwrap(), 0);
    chown(&state, Some(4_242), None).unwrap();
    assert_eq!(owner_of_directory(&state).unwrap(), 4_242);
    chmod(directory.path(), 0o1777);
    assert!(matches!(owner_of_directory(&state), Err(PermissionError::Owner { owner: 4_242, .. })));
    chmod(directory.path(), 0o755);
    chmod(&state, 0o777);
    assert!(matches!(owner_of_directory(&state), Err(PermissionError::Writable { .. })));
}
