//! `oktabus man`: a man page for each command, for packages.

use std::{fs, io, path::PathBuf};

use clap::{Args, CommandFactory as _};

use super::{Arguments, Exit, fail};

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// The directory for the pages, which is made
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write man pages to {directory}")]
struct ManError {
    directory: PathBuf,
    source: io::Error,
}

pub(super) fn man(arguments: &ManArguments) -> Exit {
    let directory = &arguments.directory;
    let written = fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory));
    match written {
        Ok(()) => Exit::Done,
        Err(source) => fail(Exit::Unavailable, &ManError { directory: directory.clone(), source }),
    }
}
