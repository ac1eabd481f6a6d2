//! The file of an audit, which is only ever appended to: whoever rotates it may move it away. Owns how a line becomes durable,
//! and must not know what it says.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// A decision could not be recorded, so the command must wait.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the audit {path}")]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

/// A file that is only ever appended to. Whoever rotates it may move it away: the next record begins a new one.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    open: Option<fs::File>,
    /// Whether the last line may have been cut short.
    is_torn: bool,
}

/// Who did what is nobody else's business.
const MODE: u32 = 0o600;

impl AuditFile {
    /// The audit at `path`. Touches nothing until there is a record.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), open: None, is_torn: false }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `lines`, each without its end, and returns when they are on the disk. After a failure the same call may be
    /// repeated: what of them was written before stands there twice then, which the chain allows. Blocks.
    pub fn append(&mut self, lines: &[String]) -> Result<(), AuditError> {
        let appended = self.append_bytes(&joined(lines));
        appended.map_err(|source| AuditError { path: self.path.clone(), source })
    }

    /// Appends `lines` unless the file ends with them: a crash has left in doubt whether they were written. Blocks.
    pub fn complete(&mut self, lines: &[String]) -> Result<(), AuditError> {
        let end = joined(lines);
        let there = ends_with(&self.path, &end);
        match there.map_err(|source| AuditError { path: self.path.clone(), source })? {
            true => Ok(()),
            false => self.append(lines),
        }
    }

    fn append_bytes(&mut self, lines: &[u8]) -> io::Result<()> {
        let begin: &[u8] = if self.is_torn { b"\n" } else { b"" };
        let mut file = self.current()?;
        let appended = file.write_all(&[begin, lines].concat()).and_then(|()| file.sync_data());
        self.is_torn = appended.is_err();
        if appended.is_ok() {
            self.open = Some(file);
        }
        appended
    }

    /// The open file if it is still the one at the path, or that one. A line that a crash cut short is ended first.
    fn current(&mut self) -> io::Result<fs::File> {
        if let Some(file) = self.open.take()
            && is_at(&file, &self.path)?
        {
            return Ok(file);
        }
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let mut file =
            fs::File::options().create(true).append(true).read(true).mode(MODE).open(&self.path)?;
        if !ends_a_line(&file)? {
            file.write_all(b"\n")?;
        }
        file.sync_all()?;
        fs::File::open(directory)?.sync_all()?;
        self.is_torn = false;
        Ok(file)
    }
}

fn is_at(file: &fs::File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(err) => Err(err),
    }
}

fn ends_a_line(file: &fs::File) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let length = file.metadata()?.len();
    let mut last = [0];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    Ok(length == 0 || last == *b"\n")
}

fn joined(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied().collect()
}

fn ends_with(path: &Path, end: &[u8]) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(err) => return Err(err),
    };
    let Some(from) = file.metadata()?.len().checked_sub(end.len() as u64) else { return Ok(false) };
    let mut there = vec![0; end.len()];
    file.read_exact_at(&mut there, from)?;
    Ok(there == end)
}

#[cfg(test)]
mod tests;
