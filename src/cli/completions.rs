//! `oktabus completions`: scripts with which a shell completes our arguments.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::{Arguments, Exit, print};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oktabus completions bash > /etc/bash_completion.d/oktabus
  oktabus completions zsh > ~/.zfunc/_oktabus          # with `fpath+=~/.zfunc` before `compinit`
  oktabus completions fish > ~/.config/fish/completions/oktabus.fish")]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(super) fn completions(arguments: &CompletionsArguments) -> Exit {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, name, &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Done
}
