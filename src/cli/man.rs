//! `oktabus man`: a man page for each command, for packages.
//!
//! `clap_mangen` would fill and justify the lines of an example, so what follows the options is written here.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

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
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    match fs::create_dir_all(directory).and_then(|()| write_pages(&command, directory)) {
        Ok(()) => Exit::Done,
        Err(source) => fail(Exit::Unavailable, &ManError { directory: directory.clone(), source }),
    }
}

/// Writes the pages of a command and of all commands below it.
fn write_pages(command: &Command, directory: &Path) -> io::Result<()> {
    for below in visible(command) {
        write_pages(below, directory)?;
    }
    let man = Man::new(command.clone());
    fs::write(directory.join(man.get_filename()), page(&man, command)?)
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|below| !below.is_hide_set())
}

fn page(man: &Man, command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if visible(command).next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        page.extend_from_slice(after_the_options(&text.to_string()).as_bytes());
    }
    if command.get_version().is_some() {
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}

/// The sections of what `--help` says after the options: examples with their lines as they are, and notes.
fn after_the_options(text: &str) -> String {
    let mut sections = String::new();
    let mut is_in_notes = false;
    for part in text.split("\n\n") {
        if let Some(examples) = part.strip_prefix("Examples:\n") {
            let lines: Vec<_> = examples.lines().map(escaped).collect();
            sections.push_str(&format!(".SH EXAMPLES\n.nf\n{}\n.fi\n", lines.join("\n")));
            is_in_notes = false;
            continue;
        }
        sections.push_str(if is_in_notes { ".PP\n" } else { ".SH NOTES\n" });
        is_in_notes = true;
        for line in part.lines() {
            sections.push_str(&format!("{}\n", escaped(line)));
        }
    }
    sections
}

/// A line of text that roff takes for nothing else.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_keeps_its_lines_and_a_note_is_a_paragraph() {
        let text =
            "Exit codes: 0 all is well.\n\nKeys: q ends it.\n\nExamples:\n  oktabus top   # look\n  a \\ b";
        assert_eq!(
            after_the_options(text),
            ".SH NOTES\nExit codes: 0 all is well.\n.PP\nKeys: q ends it.\n.SH EXAMPLES\n.nf\n  oktabus top   # look\n  a \\e b\n.fi\n"
        );
        assert_eq!(after_the_options(".hidden --json"), ".SH NOTES\n\\&.hidden \\-\\-json\n");
    }

    #[test]
    fn every_command_has_a_page_with_its_examples_and_the_variables_that_it_reads() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(man(&ManArguments { directory: directory.path().join("man") }), Exit::Done);
        let page = |name: &str| fs::read_to_string(directory.path().join("man").join(name)).unwrap();
        assert!(page("oktabus.1").contains(".SH EXAMPLES\n.nf\n  oktabus demo "));
        let pause = page("oktabus-pause.1");
        assert!(pause.contains(".SH NOTES\nWhat was read is still delivered;"), "{pause}");
        assert!(pause.contains("OKTABUS_CONFIG"), "{pause}");
        assert!(page("oktabus-dead-letters-retry.1").contains("oktabus dead\\-letters retry"));
    }
}
