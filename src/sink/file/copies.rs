//! What was set aside and has come again since: of which every line is in the archive, there need not be a second copy.
//!
//! It is so when a replay is killed: what was in flight comes again in another order.

use std::{
    collections::HashSet,
    fs,
    io::{self, BufRead as _, BufReader, Read as _},
};

use super::{
    name::Form,
    own_files::{OwnFile, OwnFiles},
    taking_up::Proved,
};

/// More than can be in flight. What is larger stays.
const SUPERSEDED_BYTES_MAX: u64 = 64 << 20;
/// How much of the archive is read for it.
const READ_BYTES_MAX: u64 = 512 << 20;

/// Removes each small file that was set aside and of which all lines are among what was proved in the files since.
pub(super) fn drop_copies(files: &OwnFiles, proved: &Proved) {
    let Ok(all) = files.list() else { return };
    for aside in all.iter().filter(|file| matches!(file.form, Form::Superseded(_))) {
        match is_copy(aside, &all, proved) {
            Ok(true) => drop_copy(files, aside),
            Ok(false) => {}
            Err(err) => {
                tracing::debug!(file = %aside.path.display(), error = %err, "a file that was set aside cannot be looked at");
            }
        }
    }
}

fn drop_copy(files: &OwnFiles, aside: &OwnFile) {
    match fs::remove_file(&aside.path) {
        Ok(()) => tracing::info!(
            sink = files.sink, file = %aside.path.display(),
            "every line that was set aside there has been delivered again: the copy was removed"
        ),
        Err(err) => tracing::debug!(file = %aside.path.display(), error = %err, "a copy stays"),
    }
}

fn is_copy(aside: &OwnFile, all: &[OwnFile], proved: &Proved) -> io::Result<bool> {
    let mut bytes = Vec::new();
    aside.open()?.take(SUPERSEDED_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SUPERSEDED_BYTES_MAX {
        return Ok(false);
    }
    let mut missing: HashSet<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    // What a crash cut short is the beginning of a line.
    let torn = bytes.split_inclusive(|byte| *byte == b'\n').next_back().filter(|line| !line.ends_with(b"\n"));
    let mut budget = READ_BYTES_MAX;
    let since = all.iter().filter(|file| file.is_archive() && file.name.number >= aside.name.number);
    for file in since.filter(|file| file.name.number <= proved.name.number) {
        let Some(left) = budget.checked_sub(fs::symlink_metadata(&file.path)?.len()) else { break };
        budget = left;
        let length = if file.name == proved.name { proved.length } else { u64::MAX };
        let mut lines = BufReader::new(file.open()?.take(length));
        let mut line = Vec::new();
        while !missing.is_empty() && lines.read_until(b'\n', &mut line)? > 0 {
            missing.remove(line.as_slice());
            if let Some(torn) = torn.filter(|torn| line.starts_with(torn)) {
                missing.remove(torn);
            }
            line.clear();
        }
    }
    Ok(missing.is_empty())
}
