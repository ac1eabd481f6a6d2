//! Compressing closed files and bringing them back, in such an order that a crash at any point leaves one of the two
//! whole.

use std::{
    fs,
    io::{self, BufReader, Read, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    error::{WriterError, doing},
    name,
    own_files::{OwnFiles, create_draft, no_follow},
};
use crate::config::Compression;

const BUFFER_BYTES: usize = 64 << 10;

/// Replaces the closed file at `path` by its compressed form, unless it is told to end in the middle.
pub(super) fn compress(
    files: &OwnFiles,
    path: &Path,
    compression: Compression,
    is_ending: &AtomicBool,
) -> Result<(), WriterError> {
    let target = name::compressed(path, compression);
    if target.symlink_metadata().is_ok() {
        let source = io::Error::other(format!("{} is there already", target.display()));
        return Err(doing("compress", path)(source));
    }
    let draft = name::partial(&target);
    let mut input = open(path).map_err(doing("open", path))?;
    let before = input.metadata().map_err(doing("look at", path))?;
    let compressed = (|| {
        let output = create_draft(&draft)?;
        let output = match compression {
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(output, flate2::Compression::default());
                copy(&mut input, &mut encoder, is_ending)?;
                encoder.finish()?
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(output, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                copy(&mut input, &mut encoder, is_ending)?;
                encoder.finish()?
            }
        };
        output.sync_all()
    })();
    if let Err(err) = compressed {
        // It is ours, and half a copy.
        let _ = fs::remove_file(&draft);
        let is_interrupted = err.kind() == io::ErrorKind::Interrupted && is_ending.load(Ordering::Relaxed);
        return if is_interrupted { Ok(()) } else { Err(doing("compress", path)(err)) };
    }
    fs::rename(&draft, &target).map_err(doing("rename", &draft))?;
    files.sync()?;
    let now = fs::symlink_metadata(path).map_err(doing("look at", path))?;
    if (now.dev(), now.ino(), now.len()) != (before.dev(), before.ino(), before.len()) {
        let source = io::Error::other("it was changed meanwhile: both forms stay");
        return Err(doing("compress", path)(source));
    }
    fs::remove_file(path).map_err(doing("remove", path))?;
    files.sync()
}

/// Copies until the end, or until it is told to end.
fn copy(from: &mut impl Read, to: &mut impl Write, is_ending: &AtomicBool) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        if is_ending.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        to.write_all(&buffer[..read])?;
    }
}

/// Brings the file at `path` back from its compressed form, if that is all there is.
pub(super) fn restore(files: &OwnFiles, path: &Path) -> Result<(), WriterError> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    for compression in [Compression::Gzip, Compression::Zstd] {
        let source = name::compressed(path, compression);
        if source.symlink_metadata().is_ok_and(|found| found.is_file()) {
            return restore_from(files, &source, compression, path);
        }
    }
    Ok(())
}

fn restore_from(
    files: &OwnFiles,
    compressed: &Path,
    compression: Compression,
    path: &Path,
) -> Result<(), WriterError> {
    let draft = name::partial(path);
    let restored = (|| {
        let mut output = create_draft(&draft)?;
        io::copy(&mut reader(compressed, Some(compression))?, &mut output)?;
        output.sync_all()
    })();
    if let Err(err) = restored {
        // It is ours, and half a copy.
        let _ = fs::remove_file(&draft);
        return Err(doing("decompress", compressed)(err));
    }
    fs::rename(&draft, path).map_err(doing("rename", &draft))?;
    files.sync()?;
    fs::remove_file(compressed).map_err(doing("remove", compressed))?;
    files.sync()
}

/// Reads a file of the archive as it was written.
pub(super) fn reader(path: &Path, compression: Option<Compression>) -> io::Result<Box<dyn Read>> {
    let file = open(path)?;
    Ok(match compression {
        None => Box::new(file),
        Some(Compression::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some(Compression::Zstd) => Box::new(zstd::Decoder::new(file)?),
    })
}

/// Whether both forms of a file hold the same. A form that cannot be read holds nothing.
pub(super) fn is_same(plain: &Path, compressed: &Path, compression: Compression) -> io::Result<bool> {
    let mut plain = reader(plain, None)?;
    let Ok(compressed) = reader(compressed, Some(compression)) else { return Ok(false) };
    let mut compressed = BufReader::new(compressed);
    let (mut expected, mut found) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        let read = plain.read(&mut expected)?;
        if read == 0 {
            return Ok(matches!(compressed.read(&mut found), Ok(0)));
        }
        let is_alike = compressed.read_exact(&mut found[..read]).is_ok() && expected[..read] == found[..read];
        if !is_alike {
            return Ok(false);
        }
    }
}

fn open(path: &Path) -> io::Result<fs::File> {
    fs::File::options().read(true).custom_flags(no_follow()).open(path)
}
