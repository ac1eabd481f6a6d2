//! What a crash left twice or half made: put in order when the files are taken up.

use std::fs;

use super::{
    compression,
    error::{WriterError, doing},
    name::{FileName, Form},
    own_files::{OwnFile, OwnFiles},
};
use crate::config::Compression;

/// Leaves of each file one form. `open` is the file that is to be written to: it and those after it stay as they were
/// written, those before it stay compressed.
pub(super) fn tidy(files: &OwnFiles, open: Option<&FileName>) -> Result<(), WriterError> {
    let all = files.list()?;
    for file in &all {
        let is_source = |other: &OwnFile| other.name == file.name && other.is_archive();
        if file.form == Form::Partial && all.iter().any(is_source) {
            fs::remove_file(&file.path).map_err(doing("remove", &file.path))?;
        }
        let Form::Compressed(compression) = file.form else { continue };
        let plain = all.iter().find(|other| other.name == file.name && other.form == Form::Plain);
        if let Some(plain) = plain {
            let is_open = open.is_some_and(|open| plain.name.number >= open.number);
            keep_one(files, plain, (file, compression), is_open)?;
        }
    }
    Ok(())
}

/// A kill between making one form and removing the other leaves both.
fn keep_one(
    files: &OwnFiles,
    plain: &OwnFile,
    (compressed, compression): (&OwnFile, Compression),
    is_open: bool,
) -> Result<(), WriterError> {
    let same = compression::is_same(&plain.path, &compressed.path, compression);
    if !same.map_err(doing("read", &plain.path))? {
        return files.set_aside(&compressed.path);
    }
    let needless = if is_open { &compressed.path } else { &plain.path };
    fs::remove_file(needless).map_err(doing("remove", needless))?;
    files.sync()
}
