//! The files of one owner's dead letters: appended to line by line, rotated, and bounded. Blocking.
//!
//! The newest letters are in `<stem>.jsonl`, older ones in `<stem>.jsonl.<n>`, of which the lowest number is the oldest. They
//! share a disk with the state, so the oldest file goes once all of them would have more than the quota. That is a loss,
//! and the caller tells it.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Letters tell of persons, and of what somebody sent by mistake: they are for the owner alone.
pub(super) const FILE_MODE: u32 = 0o600;
/// One file has at most this part of the quota, so that little goes at a time.
const FILES_PER_QUOTA: u64 = 4;
/// How much is looked at in one piece for the end of the last whole line.
const LOOK_BACK_BYTES: usize = 8 << 10;

/// The dead letters of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    /// The file with the newest ones.
    pub(super) path: PathBuf,
    /// What all files may have together; a single line that is larger is kept all the same.
    pub(super) bytes_max: u64,
}

impl Files {
    /// Appends `lines`, each with its line break. When it returns they are on the disk. Gives the number of letters that were
    /// removed to keep within the quota.
    pub(super) fn append(&self, lines: &[u8]) -> io::Result<u64> {
        let directory = self.directory();
        fs::create_dir_all(directory)?;
        // Whoever delivers by hand writes to the same files as the daemon.
        let opened = File::open(directory)?;
        lock(&opened)?;
        let mut current = Current::open(&self.path)?;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if current.length > 0 && current.length + line.len() as u64 > self.bytes_max / FILES_PER_QUOTA {
                current.file.sync_all()?;
                fs::rename(&self.path, self.rotated(self.numbers()?.last().map_or(1, |last| last + 1)))?;
                current = Current::open(&self.path)?;
            }
            current.write(line)?;
        }
        current.file.sync_all()?;
        let removed = self.remove_oldest(current.length)?;
        opened.sync_all()?;
        Ok(removed)
    }

    /// Whether `lines` are the newest letters.
    pub(super) fn end_with(&self, lines: &[u8]) -> io::Result<bool> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(err) => return Err(err),
        };
        let Some(begin) = file.metadata()?.len().checked_sub(lines.len() as u64) else { return Ok(false) };
        let mut end = vec![0; lines.len()];
        file.read_exact_at(&mut end, begin)?;
        Ok(end == lines)
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn rotated(&self, number: u64) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }

    /// The numbers of the older files, the oldest first.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let stem = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut numbers = Vec::new();
        for entry in fs::read_dir(self.directory())? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&*stem)?.strip_prefix('.'));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Removes the oldest files until what is left is within the quota. How many letters they had.
    fn remove_oldest(&self, current_bytes: u64) -> io::Result<u64> {
        let mut files = Vec::new();
        for number in self.numbers()? {
            let path = self.rotated(number);
            files.push((fs::metadata(&path)?.len(), path));
        }
        let mut bytes = current_bytes + files.iter().map(|(bytes, _)| bytes).sum::<u64>();
        let mut letters = 0;
        for (length, path) in files {
            if bytes <= self.bytes_max {
                break;
            }
            let lines = BufReader::new(File::open(&path)?).split(b'\n');
            letters += lines.map_while(Result::ok).count() as u64;
            fs::remove_file(&path)?;
            bytes -= length;
        }
        Ok(letters)
    }
}

/// The file that is appended to.
struct Current {
    file: File,
    length: u64,
}

impl Current {
    /// Opens the file, and cuts off the part of a line that a full disk or a crash left at its end: it is nobody's letter.
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).read(true).append(true).mode(FILE_MODE).open(path)?;
        let metadata = file.metadata()?;
        if metadata.permissions().mode() & 0o777 != FILE_MODE {
            file.set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
        }
        let length = end_of_last_line(&file, metadata.len())?;
        if length < metadata.len() {
            file.set_len(length)?;
        }
        Ok(Self { file, length })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if let Err(err) = self.file.write_all(line) {
            // What is left is cut off by the next one, if this fails too.
            let _ = self.file.set_len(self.length);
            return Err(err);
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

/// Keeps everybody else out until `directory` is closed.
pub(super) fn lock(directory: &File) -> io::Result<()> {
    where_supported(directory.lock())
}

/// Keeps everybody out who writes, until `directory` is closed.
pub(super) fn lock_shared(directory: &File) -> io::Result<()> {
    where_supported(directory.lock_shared())
}

fn where_supported(locked: io::Result<()>) -> io::Result<()> {
    match locked {
        Err(err) if err.kind() != io::ErrorKind::Unsupported => Err(err),
        _ => Ok(()),
    }
}

/// How many of the first `length` bytes of `file` are whole lines.
fn end_of_last_line(file: &File, length: u64) -> io::Result<u64> {
    let mut piece = vec![0; LOOK_BACK_BYTES];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(LOOK_BACK_BYTES as u64);
        let piece = &mut piece[..usize::try_from(end - start).unwrap_or(LOOK_BACK_BYTES)];
        file.read_exact_at(piece, start)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(directory: &Path, bytes_max: u64) -> Files {
        Files { path: directory.join("a.b.jsonl"), bytes_max }
    }

    /// All lines, the oldest first.
    fn kept(files: &Files) -> String {
        let older = files.numbers().unwrap().into_iter().map(|number| files.rotated(number));
        older.chain([files.path.clone()]).map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    #[test]
    fn the_oldest_go_and_are_counted_once_there_are_too_many() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path(), 400);
        fs::write(directory.path().join("a.b.jsonl.other"), "not ours").unwrap();
        let mut removed = 0;
        for number in 0..1_000 {
            removed += files.append(format!("{number:09}\n").as_bytes()).unwrap();
            let sizes = kept(&files).len();
            assert!(sizes <= 400, "{sizes}");
        }
        let kept = kept(&files);
        let kept: Vec<u64> = kept.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(kept, (removed..1_000).collect::<Vec<_>>());
        assert!(kept.len() >= 30, "most of the quota is used: {}", kept.len());
        assert!(directory.path().join("a.b.jsonl.other").exists());
    }

    #[test]
    fn a_line_that_is_larger_than_the_quota_is_kept_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path(), 40);
        let line = format!("{}\n", "x".repeat(100));
        assert_eq!(files.append(b"first\n").unwrap() + files.append(line.as_bytes()).unwrap(), 1);
        assert_eq!(kept(&files), line);
    }

    #[test]
    fn the_part_of_a_line_is_cut_off_and_glued_to_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path(), 1 << 20);
        for part in ["", "{\"half\":", &"x".repeat(3 * LOOK_BACK_BYTES)] {
            fs::write(&files.path, format!("first\n{part}")).unwrap();
            files.append(b"second\n").unwrap();
            assert_eq!(kept(&files), "first\nsecond\n");
        }
        fs::write(&files.path, "nothing whole").unwrap();
        files.append(b"second\n").unwrap();
        assert_eq!(kept(&files), "second\n");
    }

    #[test]
    fn letters_are_for_the_owner_alone_and_those_of_before_too() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path(), 1 << 20);
        let mode = || fs::metadata(&files.path).unwrap().permissions().mode() & 0o777;
        files.append(b"first\n").unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&files.path, fs::Permissions::from_mode(0o640)).unwrap();
        files.append(b"second\n").unwrap();
        assert_eq!(mode(), 0o600);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_kept_is_the_end_of_what_came_whatever_the_sizes(
            sizes in prop::collection::vec(0_usize..300, 1..40),
            bytes_max in 100_u64..2_000,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let files = files(directory.path(), bytes_max);
            let (mut all, mut removed) = (Vec::new(), 0);
            for (number, size) in sizes.iter().enumerate() {
                let line = format!("{number}{}\n", "x".repeat(*size));
                removed += files.append(line.as_bytes()).unwrap();
                all.push(line);
            }
            let expected = all[usize::try_from(removed).unwrap()..].concat();
            prop_assert_eq!(kept(&files), expected);
        }
    }
}
