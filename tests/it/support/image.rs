//! An ext4 file system in a file, mounted on a folder: a disk that can lose power, fill up and refuse. Needs root and
//! loop devices.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

/// A mounted image; unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Image {
    file: PathBuf,
    mounted_on: PathBuf,
}

/// Whether images can be mounted here; says loudly what is left out if not.
pub(crate) fn can_mount(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let can_mount = is_root && Path::new("/dev/loop-control").exists();
    if !can_mount {
        // Past the test harness, which shows nothing of a test that passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED, because it needs root and loop devices: {what}");
    }
    can_mount
}

impl Image {
    /// A new file system of `size_mib` in the file `file`, mounted on the folder `on`, which is made.
    pub(crate) fn create(file: &Path, size_mib: u64, on: &Path) -> Self {
        File::create(file).unwrap().set_len(size_mib << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(file));
        Self::mount(file, on)
    }

    /// Mounts the file system in `file` on `on`, as a machine does that comes up again.
    pub(crate) fn mount(file: &Path, on: &Path) -> Self {
        fs::create_dir_all(on).unwrap();
        run(Command::new("mount").args(["-o", "loop"]).arg(file).arg(on));
        Self { file: file.to_owned(), mounted_on: on.to_owned() }
    }

    /// What the disk would hold if the power were cut now: all that the kernel has sent to it, and nothing that it keeps
    /// in memory.
    pub(crate) fn cut_power(&self, to: &Path) {
        fs::copy(&self.file, to).unwrap();
    }

    /// Fills the disk to the last block, in a file of its own.
    pub(crate) fn fill(&self) -> PathBuf {
        let filler = self.mounted_on.join("filler");
        let mut file = File::create(&filler).unwrap();
        for block in [1 << 16, 1 << 12, 1 << 9] {
            while file.write_all(&vec![0; block]).and_then(|()| file.sync_data()).is_ok() {}
        }
        filler
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // A panic here would hide the failure of a test that is already unwinding.
        let _ = Command::new("umount").arg("--lazy").arg(&self.mounted_on).status();
    }
}

/// Lets nobody write to `file`, or everybody who may, whoever has it open.
pub(crate) fn set_unwritable(file: &Path, is_unwritable: bool) {
    run(Command::new("chattr").arg(if is_unwritable { "+i" } else { "-i" }).arg(file));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|err| panic!("{command:?}: {err}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
